//! The standard library for WebAssembly, through rustup.

use std::path::Path;

use super::report::report;
use crate::command::Run;
use crate::failure::Failure;
use crate::layout::Layout;

/// What static binaries for containers run as.
const STATIC_TARGET: &str = "x86_64-unknown-linux-musl";

/// What the modules run as, and what the pure crates are tested as.
const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];

/// Makes sure that both targets can be compiled for. rustup installs them with the toolchain that
/// `rust-toolchain.toml` names, but not into a toolchain that was there before.
pub(super) fn bring(layout: &Layout) -> Result<(), Failure> {
    bring_these(layout, &TARGETS)
}

/// Makes sure that static binaries can be compiled, and returns their target.
pub(super) fn bring_static(layout: &Layout) -> Result<&'static str, Failure> {
    bring_these(layout, &[STATIC_TARGET])?;
    Ok(STATIC_TARGET)
}

fn bring_these(layout: &Layout, targets: &[&'static str]) -> Result<(), Failure> {
    let sysroot = Run::program(layout, "rustc").args(["--print", "sysroot"]);
    let sysroot = sysroot.captured()?;
    let missing = missing(Path::new(sysroot.trim()), targets);
    if missing.is_empty() {
        report("targets", &targets.join(", "), "there");
        return Ok(());
    }
    report("targets", &missing.join(", "), "adding");
    add(layout, &missing)
}

fn missing(sysroot: &Path, targets: &[&'static str]) -> Vec<&'static str> {
    let libraries = sysroot.join("lib/rustlib");
    let is_missing = |target: &&str| !libraries.join(target).join("lib").is_dir();
    targets.iter().copied().filter(is_missing).collect()
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
        assert_eq!(missing(Path::new("/nonexistent"), &TARGETS), TARGETS);
    }
}
