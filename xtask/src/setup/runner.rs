//! wasm-bindgen's test runner, which has to be of exactly the library's version.

use std::fs;

use super::report::report;
use super::stamp::Stamp;
use crate::command::Run;
use crate::failure::Failure;
use crate::layout::Layout;

/// The program's name.
pub(crate) const RUNNER: &str = "wasm-bindgen-test-runner";

/// Installs the runner into `target/tools`.
pub(super) fn bring(layout: &Layout) -> Result<(), Failure> {
    let version = library_version(layout)?;
    let what = format!("{RUNNER} {version}");
    let stamp = Stamp::new(layout.tools().join("runner-stamp"), what.clone());
    if stamp.is_current() && layout.tool(RUNNER).is_file() {
        report("runner", &what, "there");
        return Ok(());
    }
    report("runner", &what, "compiling, about a minute");
    install(layout, &version)?;
    stamp.write()
}

fn install(layout: &Layout, version: &str) -> Result<(), Failure> {
    let run = Run::cargo(layout).args(["install", "--quiet", "--locked", "--force"]);
    // TLS would only be for fetching browser drivers, and the modules it handles are small.
    let run = run.args(["--no-default-features", "--bin", RUNNER]);
    let run = run.args(["wasm-bindgen-cli", "--version", version, "--root"]);
    let run = run.arg(layout.tools());
    // The workspace's own folder would get a second copy of every crate that both use.
    let scratch = layout.tools().join("build");
    let run = run.env("CARGO_TARGET_DIR", &scratch);
    let run = run.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
    run.shown()
        .map_err(|failure| failure.with_remedy("check the network, then run the command again"))?;
    // Only the program is needed; its hundred megabytes of intermediate files are not.
    fs::remove_dir_all(&scratch).map_err(Failure::file(&scratch))
}

fn library_version(layout: &Layout) -> Result<String, Failure> {
    let path = layout.root().join("Cargo.lock");
    let lock = fs::read_to_string(&path).map_err(Failure::file(&path))?;
    let version = locked_version(&lock, "wasm-bindgen").map(str::to_owned);
    version.ok_or_else(|| Failure::Missing {
        what: "wasm-bindgen in Cargo.lock".into(),
        remedy: "restore Cargo.lock: git checkout Cargo.lock".into(),
    })
}

/// The version that a lock file gives for a package.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    version.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"wasm-bindgen-test\"\nversion = \"0.3.9\"\n\n\
                        [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.9\"\n";

    #[test]
    fn the_lock_file_tells_the_version_of_exactly_this_package() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen"), Some("0.2.9"));
        assert_eq!(locked_version(LOCK, "wasm"), None);
    }
}
