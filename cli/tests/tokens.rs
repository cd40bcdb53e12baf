//! `weir eval tokens`: the estimate against tiktoken-rs.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn eval(data: &Path, more: &[&str]) -> Output {
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    weir.args(["eval", "tokens", "--data"]).arg(data).args(more).output().unwrap()
}

/// Texts of our own, with the number of their tokens.
fn texts() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/tokens/groups.jsonl")
}

#[test]
fn every_group_is_reported_and_the_token_counts_of_the_tests_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("out.json");
    let output = eval(&texts(), &["--json", json.to_str().unwrap()]);
    let table = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let mut tokens = std::collections::BTreeMap::<String, u64>::new();
    for line in std::fs::read_to_string(texts()).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let group = tokens.entry(case["group"].as_str().unwrap().to_owned()).or_default();
        *group += case["tokens"].as_u64().unwrap();
    }
    let groups = report["groups"].as_object().unwrap();
    assert_eq!(groups.len(), 10);
    for (name, group) in groups {
        assert_eq!(group["tokens"].as_u64(), Some(tokens[name]), "{name}");
        assert!(group["mean_error"].as_f64().unwrap() < 0.10, "{name}: {group}");
        assert!(group["p95_error"].as_f64().unwrap() < 0.20, "{name}: {group}");
        assert!(table.lines().any(|line| line.split_whitespace().next() == Some(name)), "{table}");
    }
    assert!(table.lines().last().unwrap().starts_with("all "));
}

#[test]
fn texts_without_a_group_count_and_short_ones_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.jsonl");
    std::fs::write(&data, "{\"text\": \"hi\"}\n\n{\"text\": \"How are you today, my friend?\"}\n")
        .unwrap();
    let table = |more: &[&str]| String::from_utf8(eval(&data, more).stdout).unwrap();
    let texts = |table: &str| {
        let line = table.lines().find(|line| line.starts_with("- ")).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!(texts(&table(&[])), "2");
    assert_eq!(texts(&table(&["--min-tokens", "5"])), "1");
}

#[test]
fn a_line_that_is_no_text_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.jsonl");
    for (lines, expected) in [
        ("{\"text\": \"a\"}\n{\"secret\": \"hunter2\"}\n", "line 2: is no JSON object with `text`"),
        ("\n", "holds no text to count"),
    ] {
        std::fs::write(&data, lines).unwrap();
        let output = eval(&data, &[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
    }
}
