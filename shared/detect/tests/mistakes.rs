//! What a policy can only say by mistake is refused, with the place and what to write instead.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use serde_json::json;
use weir_detect::{Policy, PolicyError, RawPolicy};

fn read(json: &str) -> Result<Policy, PolicyError> {
    Policy::try_from(serde_json::from_str::<RawPolicy>(json).unwrap())
}

fn assert_refused(cases: &[(&str, &str)]) {
    for (json, expected) in cases {
        assert_eq!(read(json).unwrap_err().to_string(), *expected, "{json}");
    }
}

const GROUPS: &str =
    "pii, pii-national, secrets, injection, leak, encoded, exfil, invisible, size, custom";

#[test]
fn names_that_stand_for_nothing() {
    let nothing = "is no group, rule id or entity type";
    let rule = |names: &str| format!(r#"{{"rules": [{{"rules": {names}, "action": "flag"}}]}}"#);
    let cases = [
        (r#"["pi"]"#, format!(r#"rules[0].rules[0]: "pi" {nothing}; did you mean "pii"?"#)),
        (
            r#"["pii", "Email"]"#,
            format!(r#"rules[0].rules[1]: "Email" {nothing}; did you mean "pii.email"?"#),
        ),
        (
            r#"["pii.emial"]"#,
            format!(r#"rules[0].rules[0]: "pii.emial" {nothing}; did you mean "pii.email"?"#),
        ),
        (
            r#"["secret"]"#,
            format!(r#"rules[0].rules[0]: "secret" {nothing}; did you mean "secrets"?"#),
        ),
        (
            r#"["telephone"]"#,
            format!(
                r#"rules[0].rules[0]: "telephone" {nothing}; write groups ({GROUPS}), rule ids or entity types (`weir rules` lists them)"#
            ),
        ),
        (
            "[]",
            format!(
                "rules[0].rules: names nothing; write groups ({GROUPS}), rule ids or entity types (`weir rules` lists them)"
            ),
        ),
    ];
    for (names, expected) in cases {
        assert_refused(&[(&rule(names), &expected)]);
    }
}

#[test]
fn rules_that_contradict_themselves() {
    assert_refused(&[
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag"}, {"rules": ["pii"], "action": "flag", "min_confidence": 1.5}]}"#,
            "rules[1].min_confidence: 1.5 is outside 0 to 1",
        ),
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag", "except": ["pii.emial"]}]}"#,
            r#"rules[0].except[0]: "pii.emial" is no group, rule id or entity type; did you mean "pii.email"?"#,
        ),
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag", "except": ["EMAIL", "JWT"]}]}"#,
            r#"rules[0].except[1]: "JWT" is not among what `rules` names"#,
        ),
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag", "except": ["pii"]}]}"#,
            r#"rules[0].except[0]: "pii" is a group; leave it out of `rules`, or name rule ids or entity types"#,
        ),
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag", "direction": "response", "roles": ["user"]}]}"#,
            "rules[0].roles: are those of requests, and the rule looks at responses only",
        ),
    ]);
}

#[test]
fn what_would_do_nothing() {
    let nothing = "does nothing: later entries name all that it names, and the last one decides; put it behind them";
    let own = r#""regexes": [{"id": "project", "entity": "PROJECT", "pattern": "falcon-[0-9]+"}]"#;
    assert_refused(&[
        (
            r#"{"rules": [{"rules": ["EMAIL"], "action": "block"}, {"rules": ["pii"], "action": "flag"}]}"#,
            &format!("rules[0]: {nothing}"),
        ),
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag", "direction": "request"}, {"rules": ["EMAIL"], "action": "block"},
                {"rules": ["pii.email"], "action": "flag", "direction": "request"},
                {"rules": ["pii.email"], "action": "flag", "direction": "response"}]}"#,
            &format!("rules[1]: {nothing}"),
        ),
        (
            r#"{"rules": [{"rules": ["EMAIL"], "action": "flag", "roles": ["user"]},
                {"rules": ["pii"], "action": "block", "roles": ["tool", "user"]}]}"#,
            &format!("rules[0]: {nothing}"),
        ),
        (
            &format!(r#"{{{own}, "rules": [{{"rules": ["pii"], "action": "redact"}}]}}"#),
            r#"rules: none names "custom.project", so nothing looks for it; add it, or `custom`, to an entry"#,
        ),
    ]);
    for json in [
        // Without `rules` the default looks for it.
        format!("{{{own}}}"),
        format!(r#"{{{own}, "rules": [{{"rules": ["PROJECT"], "action": "redact"}}]}}"#),
        r#"{"rules": [{"rules": ["EMAIL"], "action": "flag", "roles": ["user"]},
            {"rules": ["EMAIL"], "action": "block", "roles": ["tool"]}]}"#
            .to_owned(),
        // A group of which there is no rule.
        r#"{"rules": [{"rules": ["custom"], "action": "flag"}]}"#.to_owned(),
    ] {
        assert!(read(&json).is_ok(), "{json}");
    }
}

#[test]
fn roles_that_no_message_has() {
    let roles = "the roles are user, assistant, system, developer, tool, function, model";
    assert_refused(&[
        (
            r#"{"roles": ["user", "typo"]}"#,
            &format!(r#"roles[1]: "typo" is no message role; {roles}"#),
        ),
        (
            r#"{"rules": [{"rules": ["pii"], "action": "flag", "roles": ["User"]}]}"#,
            &format!(r#"rules[0].roles[0]: "User" is no message role; {roles}"#),
        ),
    ]);
}

#[test]
fn limits_that_nothing_can_keep() {
    assert_refused(&[
        (r#"{"hold_back_bytes": 10}"#, "hold_back_bytes: 10 is outside 2048 to 65536"),
        (r#"{"hold_back_bytes": 65537}"#, "hold_back_bytes: 65537 is outside 2048 to 65536"),
        (
            r#"{"max_response_bytes": 0}"#,
            "max_response_bytes: 0 would block every response; leave it out for no limit",
        ),
    ]);
    for bytes in [2048, 65536] {
        assert!(read(&format!(r#"{{"hold_back_bytes": {bytes}}}"#)).is_ok());
    }
}

#[test]
fn hosts_that_could_never_match() {
    let problem = "is no host name; write it without scheme, port and path, as in `example.com`, \
                   which stands for its subdomains, too";
    for host in [
        "https://example.com",
        "example.com/x",
        "a.com:443",
        "",
        "*",
        "*.",
        ".a.com",
        "a..b",
        "a b",
    ] {
        for (field, json) in [
            ("link_hosts[1]", json!({"link_hosts": ["example.com", host]})),
            ("allow.domains[0]", json!({"allow": {"domains": [host]}})),
        ] {
            let expected = format!("{field}: {host:?} {problem}");
            assert_refused(&[(&json.to_string(), &expected)]);
        }
    }
    for host in ["example.com", "*.example.com", "localhost", "bücher.example", "10.0.0.1"] {
        assert!(read(&json!({"link_hosts": [host]}).to_string()).is_ok(), "{host}");
    }
    assert_refused(&[(r#"{"allow": {"exact": ["a", ""]}}"#, "allow.exact[1]: is empty")]);
}

#[test]
fn patterns_that_do_not_compile_or_find_everything() {
    let custom =
        |pattern: &str| json!({"regexes": [{"id": "x", "entity": "X", "pattern": pattern}]});
    for (pattern, expected) in [
        ("a*", "matches the empty text"),
        ("", "matches the empty text"),
        ("(", "unclosed group"),
        ("(?:[a-z]{200}){200}", "limit"),
    ] {
        for (field, json) in [
            ("regexes[0].pattern: ", custom(pattern)),
            ("allow.regex[0]: ", json!({"allow": {"regex": [pattern]}})),
        ] {
            let error = read(&json.to_string()).unwrap_err().to_string();
            assert!(error.starts_with(field) && error.contains(expected), "{error}");
        }
    }
}

fn regex(id: &str, entity: &str) -> serde_json::Value {
    json!({"id": id, "entity": entity, "pattern": "x"})
}

fn dictionary(id: &str, terms: &[&str]) -> serde_json::Value {
    json!({"id": id, "entity": "X", "terms": terms})
}

#[test]
fn ids_and_entity_types_that_are_not_ones_own() {
    let taken = "is the name of a built-in rule or group; write another";
    let double = "is the id of another regex or dictionary; write another";
    let plain =
        "must be 1 to 48 of a to z, A to Z, 0 to 9, `_`, `-` and `.`: it is part of metrics";
    for (written, expected) in [
        (json!({"regexes": [regex("pii.email", "X")]}), format!(r#"regexes[0].id: "pii.email" {taken}"#)),
        (json!({"dictionaries": [dictionary("secrets", &["x"])]}), format!(r#"dictionaries[0].id: "secrets" {taken}"#)),
        (json!({"regexes": [regex("a", "X"), regex("a", "Y")]}), format!(r#"regexes[1].id: "a" {double}"#)),
        (
            json!({"regexes": [regex("a", "X")], "dictionaries": [dictionary("b", &["x"]), dictionary("a", &["x"])]}),
            format!(r#"dictionaries[1].id: "a" {double}"#),
        ),
        (json!({"regexes": [regex("", "X")]}), format!(r#"regexes[0].id: "" {plain}"#)),
        (json!({"regexes": [regex("a b", "X")]}), format!(r#"regexes[0].id: "a b" {plain}"#)),
        (
            json!({"regexes": [regex("custom.a", "X")]}),
            r#"regexes[0].id: "custom.a": Weir puts `custom.` before it; write "a""#.to_owned(),
        ),
        (
            json!({"regexes": [regex("a", "secrets")]}),
            r#"regexes[0].entity: "secrets" is the name of a built-in rule or group; write another"#.to_owned(),
        ),
        (
            json!({"regexes": [regex("a", "[X]")]}),
            r#"regexes[0].entity: "[X]" must be 1 to 48 bytes of letters, digits, `_` and `-`, as in `PROJECT`: it becomes `[PROJECT]`"#.to_owned(),
        ),
    ] {
        assert_refused(&[(&written.to_string(), &expected)]);
    }
    let same_entity = json!({"regexes": [regex("a", "EMAIL"), regex("b", "EMAIL")]});
    assert!(read(&same_entity.to_string()).is_ok(), "an entity type may have several rules");
}

#[test]
fn dictionaries_that_find_nothing() {
    let long = "é".repeat(129);
    for (terms, expected) in [
        (vec![], "dictionaries[0].terms: is empty: without a term nothing is found"),
        (vec!["a", ""], "dictionaries[0].terms[1]: is empty"),
        (vec![" a"], "dictionaries[0].terms[0]: begins or ends with white space"),
        (vec!["a", "b", &long], "dictionaries[0].terms[2]: is longer than 256 bytes"),
    ] {
        let written = json!({"dictionaries": [dictionary("d", &terms)]});
        assert_refused(&[(&written.to_string(), expected)]);
    }
    let confidence =
        r#"{"dictionaries": [{"id": "d", "entity": "X", "terms": ["a"], "confidence": -1}]}"#;
    assert_refused(&[(confidence, "dictionaries[0].confidence: -1 is outside 0 to 1")]);
}
