//! The crates of the workspace, as cargo knows them.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate: a library, a binary, an example or a benchmark.
#[derive(Debug)]
pub(crate) struct Target {
    /// The package it belongs to.
    pub(crate) package: String,
    /// What it is, and its name: `lib weir_wire`.
    pub(crate) kind: String,
    /// The file of its outermost module.
    pub(crate) root: PathBuf,
}

/// Why cargo did not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataError {
    #[error("cannot start cargo: {0}")]
    Start(#[from] io::Error),
    #[error("`cargo metadata` failed: {0}")]
    Status(String),
    #[error("`cargo metadata` wrote no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// All crates below `root` but those of tests.
pub(crate) fn targets(root: &Path) -> Result<Vec<Target>, MetadataError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(MetadataError::Status(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(of_metadata(&serde_json::from_slice(&output.stdout)?))
}

fn of_metadata(metadata: &Value) -> Vec<Target> {
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut targets = Vec::new();
    for package in list(metadata, "packages") {
        for target in list(&package, "targets") {
            let kind = text(&target["kind"][0]);
            if kind == "test" || kind == "custom-build" {
                continue;
            }
            let kind = if kind.ends_with("lib") { "lib".to_owned() } else { kind };
            let kind = format!("{kind} {}", text(&target["name"]));
            let root = PathBuf::from(text(&target["src_path"]));
            targets.push(Target { package: text(&package["name"]), kind, root });
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_builds_all_but_the_bench_that_counts_instructions_by_default() {
        let cargo = std::env::var_os("CARGO").unwrap();
        let arguments = ["metadata", "--no-deps", "--format-version", "1"];
        // Asked from within a member, cargo says that this one is the default.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let output = Command::new(cargo).args(arguments).current_dir(root).output().unwrap();
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let ids = |name: &str| metadata[name].as_array().unwrap().clone();
        let default = ids("workspace_default_members");
        let mut others = ids("workspace_members");
        others.retain(|id| !default.contains(id));
        assert_eq!(others.len(), 1, "{others:?}");
        assert!(others[0].as_str().unwrap().contains("bench/overhead"), "{others:?}");
    }

    #[test]
    fn this_crate_is_found_and_tests_are_not() {
        let targets = targets(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let own = targets.iter().find(|target| target.package == env!("CARGO_PKG_NAME")).unwrap();
        assert!(own.root.ends_with("circles/src/main.rs") && own.kind.starts_with("bin "));
        assert!(targets.len() > 20 && targets.iter().all(|target| target.root.is_file()));
        assert!(!targets.iter().any(|target| target.kind == "test e2e"));
    }
}
