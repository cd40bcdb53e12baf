//! The standard library for WebAssembly, through rustup.

use std::path::Path;

use super::report::report;
use crate::command::Run;
use crate::failure::Failure;
use crate::layout::Layout;

/// What the modules run as, and what the pure crates are tested as.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// Makes sure that both targets can be compiled for. rustup installs them with the toolchain that
/// `rust-toolchain.toml` names, but not into a toolchain that was there before.
pub(super) fn bring(layout: &Layout) -> Result<(), Failure> {
    let sysroot = Run::program(layout, "rustc").args(["--print", "sysroot"]);
    let sysroot = sysroot.captured()?;
    let missing = missing(Path::new(sysroot.trim()));
    if missing.is_empty() {
        report("targets", &TARGETS.join(", "), "there");
        return Ok(());
    }
    report("targets", &missing.join(", "), "adding");
    add(layout, &missing)
}

fn missing(sysroot: &Path) -> Vec<&'static str> {
    let libraries = sysroot.join("lib/rustlib");
    let is_missing = |target: &&str| !libraries.join(target).join("lib").is_dir();
    TARGETS.into_iter().filter(is_missing).collect()
}

fn add(layout: &Layout, targets: &[&str]) -> Result<(), Failure> {
    let run = Run::program(layout, "rustup").args(["target", "add"]);
    match run.args(targets).shown() {
        Err(Failure::Start { .. }) => Err(Failure::Missing {
            what: format!("rustup, to add the targets {}", targets.join(" and ")),
            remedy: "install Rust with rustup (rustup.rs); a distribution's cargo has no \
                     WebAssembly targets"
                .into(),
        }),
        other => other.map_err(|failure| {
            failure.with_remedy("check the network, then run the command again")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_sysroot_lacks_every_target() {
        assert_eq!(missing(Path::new("/nonexistent")), TARGETS);
    }
}
