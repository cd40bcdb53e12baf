//! The `weir` binary on the guardrail: what it prints and writes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn weir(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn scan_prints_findings_and_redacted_text_as_json_when_piped() {
    let output = weir(&["scan"], "mail ann@example.com");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["text"], "mail [EMAIL]");
    assert_eq!(printed["findings"][0]["rule"], "pii.email");
    assert_eq!(printed["findings"][0]["start"], 5);
    assert!(output.status.success());
}

#[test]
fn scan_takes_the_guardrail_out_of_a_configuration_of_envoy() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../envoy-config/guardrail.yaml");
    let output = weir(&["scan", "--policy", shipped], "ann@example.com, 4111 1111 1111 1111");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["text"], "[EMAIL_1], **** **** **** 1111");
}

#[test]
fn scan_applies_a_policy_in_its_direction_and_says_when_it_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let policy = file(
        folder.path(),
        "policy.yaml",
        "rules:\n  - rules: [pii.email]\n    action: block\n    direction: response\n",
    );
    let scan =
        |way: &str| weir(&["scan", "--policy", &policy, "--direction", way], "ann@example.com");
    assert_eq!(scan("request").status.code(), Some(0));
    assert_eq!(scan("response").status.code(), Some(1));
}

#[test]
fn scan_takes_one_policy_of_a_filters_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let policy = file(
        folder.path(),
        "guardrail.yaml",
        "policies:\n  default: {max_body_bytes: 9, rules: [{rules: [pii], action: redact}]}\n  \
         strict: {rules: [{rules: [pii], action: block}]}\n",
    );
    let scan = |more: &[&str]| {
        let arguments = [&["scan", "--policy", &policy], more].concat();
        weir(&arguments, "ann@example.com")
    };
    assert_eq!(scan(&[]).status.code(), Some(0));
    assert_eq!(scan(&["--policy-name", "strict"]).status.code(), Some(1));
    let unknown = scan(&["--policy-name", "nosuch"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("nosuch"));
}

#[test]
fn a_policy_with_an_unknown_field_is_refused_with_its_file_name() {
    let folder = tempfile::tempdir().unwrap();
    let policy = file(folder.path(), "policy.yaml", "rulez: []\n");
    let output = weir(&["scan", "--policy", &policy], "");
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(message.contains("policy.yaml") && message.contains("rulez"), "{message}");
}

#[test]
fn eval_writes_rates_by_type_group_and_label() {
    let folder = tempfile::tempdir().unwrap();
    let records = [
        json!({"id": "1", "group": "g", "text": "é ann@example.com", "spans": [{"start": 2, "end": 17, "type": "EMAIL_ADDRESS"}]}),
        json!({"id": "2", "group": "g", "text": "see bob@example.com", "spans": [{"start": 0, "end": 3, "type": "PERSON"}]}),
        json!({"id": "3", "group": "keys", "text": "sk_live_4eC39HqLyjWDarjtT1zdp7dcXq", "label": "secret"}),
        json!({"id": "4", "group": "keys", "text": "nothing here", "label": "benign"}),
    ];
    let lines: Vec<String> = records.iter().map(Value::to_string).collect();
    let data = file(folder.path(), "data.jsonl", &lines.join("\n"));
    let out = folder.path().join("out.json");
    let run = weir(
        &[
            "eval",
            "guardrail",
            "--data",
            &data,
            "--match",
            "exact",
            "--json",
            out.to_str().unwrap(),
        ],
        "",
    );
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let result: Value = serde_json::from_slice(&std::fs::read(out).unwrap()).unwrap();
    assert_eq!(result["types"]["EMAIL"]["support"], 1);
    assert_eq!(result["types"]["EMAIL"]["recall"], 1.0);
    assert_eq!(result["types"]["EMAIL"]["precision"], 0.5);
    assert_eq!(
        result["types"]["PERSON"],
        json!({"support": 1, "recall": 0.0, "precision": 0.0, "f1": 0.0})
    );
    assert_eq!(result["groups"]["keys"]["secret"], json!({"n": 1, "flagged": 1, "rate": 1.0}));
    assert_eq!(result["groups"]["keys"]["benign"], json!({"n": 1, "flagged": 0, "rate": 0.0}));
    assert!(result["mb_per_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn eval_reads_entity_names_from_a_table_of_the_user() {
    let folder = tempfile::tempdir().unwrap();
    let record =
        json!({"text": "ann@example.com", "spans": [{"start": 0, "end": 15, "type": "E_POST"}]});
    let data = file(folder.path(), "data.jsonl", &record.to_string());
    let table = file(folder.path(), "entities.yaml", "E_POST: EMAIL\n");
    let run = weir(&["eval", "guardrail", "--data", &data, "--entities", &table], "");
    let shown = String::from_utf8(run.stdout).unwrap();
    assert!(shown.contains("EMAIL") && !shown.contains("E_POST"), "{shown}");
}

#[test]
fn eval_says_which_types_of_the_data_no_rule_looks_for() {
    let folder = tempfile::tempdir().unwrap();
    let span = |kind: &str| json!({"start": 0, "end": 3, "type": kind});
    let spans = ["Person", "Person", "E_POST", "EMAIL_ADDRESS"].map(span);
    let data = json!({"text": "Ann", "spans": spans});
    let data = file(folder.path(), "data.jsonl", &data.to_string());
    let said = |more: &[&str]| {
        let arguments = [&["eval", "guardrail", "--data", &data], more].concat();
        let run = weir(&arguments, "");
        assert_eq!(run.status.code(), Some(0));
        String::from_utf8(run.stderr).unwrap()
    };
    let unknown = said(&[]);
    assert!(unknown.contains("  E_POST: 1 span\n  Person: 2 spans\n"), "{unknown}");
    assert!(unknown.contains("--entities FILE") && !unknown.contains("EMAIL_ADDRESS"), "{unknown}");
    let table = file(folder.path(), "entities.yaml", "E_POST: EMAIL\nPERSON: NAME\n");
    let unknown = said(&["--entities", &table]);
    assert!(unknown.contains(":\n  Person (as NAME): 2 spans\nIf "), "{unknown}");
    let table = file(folder.path(), "entities.yaml", "E_POST: EMAIL\nPERSON: SECRET\n");
    assert_eq!(said(&["--entities", &table]), "");
}

#[test]
fn errors_in_data_name_the_line_and_show_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let data = file(
        folder.path(),
        "data.jsonl",
        "{\"text\": \"ok\", \"label\": \"x\"}\n{\"text\": 7, \"secret\": \"hunter2\"}\n",
    );
    let run = weir(&["eval", "guardrail", "--data", &data], "");
    let message = String::from_utf8(run.stderr).unwrap();
    assert!(message.contains("line 2") && !message.contains("hunter2"), "{message}");
}
