//! What the `weir` binary says about input that it cannot use, and its exit codes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn weir(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Asserts exit code 2, nothing on standard output, and what standard error says.
fn assert_refused(output: &Output, expected: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(message.starts_with("weir: ") || message.starts_with("error: "), "{message}");
    assert!(message.contains(expected), "{message}\n  lacks {expected}");
}

/// Policies, and what is said after `weir: policy.yaml: `.
const POLICIES: &[(&str, &str)] = &[
    ("", "is empty; `{}` is the default policy\n"),
    ("rules: 7\n", "rules: found integer `7`, expected a list\n"),
    ("- rules\n", "found a list, expected a policy\n"),
    ("rules:\n- {rules: [pii]\n", "no YAML: "),
    (
        "rules: []\nrules: []\n",
        "no YAML: duplicate mapping key: rules not allowed here at line 2, column 1\n",
    ),
    ("rulez: []\n", "unknown field `rulez`, expected one of `rules`, "),
    (
        "rules:\n- {rules: [pii], action: redac}\n",
        "rules[0].action: unknown variant `redac`, expected one of `flag`, `redact`, `mask`, `hash`, `pseudonymise`, `block`\n",
    ),
    (
        "rules:\n- {rules: [pii], action: flag, roles: [typo]}\n",
        "rules[0].roles[0]: \"typo\" is no message role; the roles are user, assistant, ",
    ),
    (
        "rules:\n- {rules: [pii.emial], action: flag}\n",
        "rules[0].rules[0]: \"pii.emial\" is no group, rule id or entity type; did you mean \"pii.email\"?\n",
    ),
    (
        "policies: {strict: {rules: []}, other: {}}\n",
        "policies: none is named \"default\"; there are: other, strict (--policy-name)\n",
    ),
    (
        "policies: {default: {rules: [{rules: [pii], acton: flag}]}}\n",
        "policies.default.rules[0]: unknown field `acton`, expected one of `rules`, ",
    ),
    ("policies: [x]\n", "policies: must be members with names: `policies: {default: {…}}`\n"),
    ("policies: {}\n", "policies: holds no policy; write at least `default`, which applies to "),
    (
        "policies: {default: {}}\nrules: []\n",
        "unknown field `rules`, expected `policies` or `routes`\n",
    ),
    (
        "model-router: {}\nguardrail: {policies: {default: {rules: [{rules: [pi], action: flag}]}}}\n",
        "policies.default.rules[0]",
    ),
    ("static_resources: {}\n", "is a configuration of Envoy without a guardrail\n"),
    ("hash_key_env: WEIR_NO_SUCH_KEY\n", "hash_key_env: WEIR_NO_SUCH_KEY is not set"),
];

#[test]
fn a_policy_is_refused_with_file_and_place() {
    let folder = tempfile::tempdir().unwrap();
    for (policy, expected) in POLICIES {
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let output = weir(folder.path(), &["scan", "--policy", "policy.yaml"], b"");
        assert_refused(&output, &format!("weir: policy.yaml: {expected}"));
    }
}

#[test]
fn a_mistake_in_a_policy_that_is_not_chosen_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (policy, expected) in [
        (
            "policies:\n  default: {}\n  strict: {rules: [{rules: [pii.emial], action: flag}]}\n",
            "policies.strict.rules[0].rules[0]: \"pii.emial\" is no group, rule id or entity type",
        ),
        (
            "policies: {default: {}}\nroutes: {batch: strict}\n",
            "routes.batch: strict is not a policy's name\n",
        ),
    ] {
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        let run = |more: &[&str]| {
            let arguments = [&["scan", "--policy", "policy.yaml"], more].concat();
            weir(folder.path(), &arguments, b"")
        };
        assert_refused(&run(&[]), &format!("weir: policy.yaml: {expected}"));
        assert_refused(&run(&["--policy-name", "default"]), &format!(": {expected}"));
    }
}

#[test]
fn the_key_of_hash_is_needed_for_the_policy_that_is_chosen_alone() {
    let folder = tempfile::tempdir().unwrap();
    let policy = "policies: {default: {}, strict: {hash_key_env: WEIR_NO_SUCH_KEY}}\n";
    std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
    let chosen = |name: &str| {
        let arguments = ["scan", "--policy", "policy.yaml", "--policy-name", name];
        weir(folder.path(), &arguments, b"")
    };
    assert_eq!(chosen("default").status.code(), Some(0));
    assert_refused(&chosen("strict"), "policies.strict.hash_key_env: WEIR_NO_SUCH_KEY is not set");
}

#[test]
fn every_command_reads_a_policy_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("policy.yaml"), "roles: [usr]\n").unwrap();
    std::fs::write(folder.path().join("data.jsonl"), "{\"text\": \"\", \"label\": \"x\"}\n")
        .unwrap();
    for command in [&["scan"][..], &["rules"], &["eval", "guardrail", "--data", "data.jsonl"]] {
        let run = |more: &[&str]| weir(folder.path(), &[command, more].concat(), b"");
        let policy = "weir: policy.yaml: roles[0]: \"usr\" is no message role";
        assert_refused(&run(&["--policy", "policy.yaml"]), policy);
        assert_refused(
            &run(&["--policy", "policy.yaml", "--policy-name", "strict"]),
            "weir: policy.yaml: is one policy; --policy-name is for",
        );
        assert_refused(&run(&["--policy", "none.yaml"]), "weir: none.yaml: No such file");
        assert_refused(&run(&["--policy-name", "strict"]), "--policy <FILE>");
        assert_eq!(run(&[]).status.code(), Some(0));
    }
}

#[test]
fn text_that_is_no_text_is_refused_with_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let output = weir(folder.path(), &["scan"], b"abc\xff");
    assert_refused(&output, "standard input: not UTF-8 from byte 3 on");
}

#[test]
fn records_are_refused_with_their_line_and_without_their_text() {
    let folder = tempfile::tempdir().unwrap();
    let needs = "needs `text` in quotes, and `spans`";
    for (data, expected) in [
        ("", "line 1: holds no record\n"),
        ("{\"text\": \"hunter2\"}", "line 1: has neither `spans` nor `label`"),
        ("\n{\"text\": \"hunter2\", \"label\": \"x\"", "line 2: is no JSON (column "),
        ("{\"text\": 7, \"label\": \"hunter2\"}", needs),
        ("{\"text\": \"hunter2\", \"spans\": \"EMAIL\"}", needs),
        (
            "{\"text\": \"hünter2\", \"spans\": [{\"start\": 0, \"end\": 8, \"type\": \"SECRET\"}]}",
            "line 1: spans[0]: 0 to 8 is no stretch of the text's 7 characters\n",
        ),
        (
            "{\"text\": \"hunter2\", \"spans\": [{\"start\": 2, \"end\": 2, \"type\": \"SECRET\"}]}",
            "line 1: spans[0]: 2 to 2 is no stretch of the text's 7 characters\n",
        ),
    ] {
        std::fs::write(folder.path().join("data.jsonl"), data).unwrap();
        let output = weir(folder.path(), &["eval", "guardrail", "--data", "data.jsonl"], b"");
        assert_refused(&output, expected);
        assert_refused(&output, "weir: data.jsonl: line ");
        assert!(!String::from_utf8_lossy(&output.stderr).contains("hunter2"), "{data}");
    }
    let output = weir(folder.path(), &["eval", "guardrail", "--data", "none.jsonl"], b"");
    assert_refused(&output, "weir: none.jsonl: No such file");
}

#[test]
fn nobody_reading_the_output_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = weir.args(["rules", "--json"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
