//! `weir rules`: the table of rules, and what a policy does about them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

use std::process::Command;

use serde_json::{Value, json};
use weir_detect::{Policy, Scanner};

fn rules(arguments: &[&str]) -> String {
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    let output = weir.arg("rules").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn rule<'a>(rules: &'a [Value], id: &str) -> &'a Value {
    rules.iter().find(|rule| rule["id"] == id).unwrap()
}

#[test]
fn every_rule_is_listed_with_its_names_and_what_the_default_policy_does() {
    let listed: Vec<Value> = serde_json::from_str(&rules(&["--json"])).unwrap();
    let ids: Vec<_> = listed.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    let scanner = Scanner::new();
    let known: Vec<_> = scanner.rules().iter().map(|rule| rule.id.as_ref()).collect();
    assert_eq!(ids, known);
    let redact = json!({"action": "redact", "min_confidence": 0.5, "shadow": false});
    let email = rule(&listed, "pii.email");
    assert_eq!((&email["group"], &email["entity"]), (&json!("pii"), &json!("EMAIL")));
    assert_eq!(email["confidence"].as_f64().map(|c| (c * 100.0).round()), Some(95.0));
    assert_eq!((&email["request"], &email["response"]), (&redact, &redact));
    assert_eq!(rule(&listed, "leak.system_prompt")["request"], Value::Null);
}

#[test]
fn every_name_that_is_listed_can_be_written_in_a_policy() {
    let listed: Vec<Value> = serde_json::from_str(&rules(&["--json"])).unwrap();
    let names = ["id", "group", "entity"];
    let names: Vec<_> = listed.iter().flat_map(|rule| names.map(|name| &rule[name])).collect();
    let policy = json!({"rules": [{"rules": names, "action": "flag"}]});
    let raw = serde_json::from_value::<weir_detect::RawPolicy>(policy).unwrap();
    assert_eq!(Policy::try_from(raw).map(|_| ()), Ok(()));
}

#[test]
fn the_table_has_one_line_a_rule_and_says_where_a_plain_match_does_not_count() {
    let table = rules(&[]);
    let line = |id: &str| {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(id));
        line.unwrap().split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(line("ID"), ["ID", "GROUP", "ENTITY", "CONFIDENCE", "REQUEST", "RESPONSE"]);
    assert_eq!(line("pii.email"), ["pii.email", "pii", "EMAIL", "0.95", "redact", "redact"]);
    assert_eq!(line("exfil.link"), ["exfil.link", "exfil", "EXTERNAL_LINK", "0.60", "-", "redact"]);
    assert_eq!(line("pii-national.uk_nhs")[4..], ["(redact)", "(redact)"]);
    assert_eq!(table.lines().count(), 1 + Scanner::new().rules().len());
}

#[test]
fn a_policys_own_rules_and_actions_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    let policy = "policies:\n  strict:\n    rules:\n    \
                  - {rules: [PROJECT], action: block, direction: request, shadow: true}\n    \
                  dictionaries: [{id: projects, entity: PROJECT, terms: [blue bird]}]\n";
    std::fs::write(&path, policy).unwrap();
    let arguments = ["--policy", path.to_str().unwrap(), "--policy-name", "strict", "--json"];
    let listed: Vec<Value> = serde_json::from_str(&rules(&arguments)).unwrap();
    let own = rule(&listed, "custom.projects");
    assert_eq!((&own["group"], &own["entity"]), (&json!("custom"), &json!("PROJECT")));
    assert_eq!((&own["request"]["action"], &own["response"]), (&json!("block"), &Value::Null));
    assert_eq!(own["request"]["shadow"], true);
    assert_eq!(rule(&listed, "pii.email")["request"], Value::Null);
}
