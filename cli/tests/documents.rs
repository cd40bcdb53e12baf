//! What README.md tells people to type, as it stands there.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    std::fs::read_to_string(path).unwrap()
}

/// Runs a script in a folder in which `target/release/weir` is the binary under test; answers with
/// what it printed.
fn run(script: &str, folder: &Path) -> String {
    let binaries = folder.join("target/release");
    std::fs::create_dir_all(&binaries).unwrap();
    let weir = binaries.join("weir");
    if !weir.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_weir"), weir).unwrap();
    }
    let mut shell = Command::new("sh");
    let output = shell.args(["-euc", script]).current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_shell_blocks_measure_what_they_label() {
    let readme = readme();
    let blocks: Vec<_> =
        readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let block = blocks.iter().find(|block| block.contains("weir eval")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let printed = run(block, folder.path());
    assert!(printed.lines().any(|line| line.starts_with("EMAIL") && line.ends_with("1.000")));
    let rates: Value =
        serde_json::from_slice(&std::fs::read(folder.path().join("target/rates.json")).unwrap())
            .unwrap();
    let expected = json!({"support": 1, "recall": 1.0, "precision": 1.0, "f1": 1.0});
    assert_eq!(rates["types"], json!({"EMAIL": expected}));
    assert_eq!(
        rates["groups"],
        json!({"chat": {
            "attack": {"n": 1, "flagged": 1, "rate": 1.0},
            "benign": {"n": 1, "flagged": 0, "rate": 0.0},
        }})
    );
}

#[test]
fn the_commands_in_the_text_do_what_it_says() {
    let readme = readme();
    let mut lines = readme.lines().filter(|line| line.contains("target/release/weir "));
    let scan = lines.find(|line| line.ends_with("weir scan")).unwrap();
    let rules = lines.find(|line| line.ends_with("weir rules")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scanned: Value = serde_json::from_str(&run(scan, folder.path())).unwrap();
    assert_eq!(scanned["text"], "I am [EMAIL]\n");
    assert!(run(rules, folder.path()).contains("\npii.email "));
}
