//! What a policy does with findings.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::sync::Arc;

use weir_detect::{
    Action, Direction, Policy, Pseudonyms, RawPolicy, Restorer, SystemPrompt, apply,
};

const TEXT: &str = "ann@example.com paid with 4111 1111 1111 1111, bob@example.com did not";

fn policy(json: &str) -> Policy {
    Policy::try_from(serde_json::from_str::<RawPolicy>(json).unwrap()).unwrap()
}

fn with_action(action: &str) -> Policy {
    policy(&format!(r#"{{"rules": [{{"rules": ["pii"], "action": "{action}"}}]}}"#))
}

fn redacted(policy: &Policy, text: &str) -> String {
    let inspection = policy.inspect(text, Direction::Request, &mut Pseudonyms::default());
    apply(text, &inspection.edits)
}

#[test]
fn actions_leave_what_they_promise() {
    let cases = [
        ("flag", TEXT),
        ("redact", "[EMAIL] paid with [CREDIT_CARD], [EMAIL] did not"),
        ("mask", "***@******e.com paid with **** **** **** 1111, ***@******e.com did not"),
        ("pseudonymise", "[EMAIL_1] paid with [CREDIT_CARD_1], [EMAIL_2] did not"),
    ];
    for (action, expected) in cases {
        assert_eq!(redacted(&with_action(action), TEXT), expected, "{action}");
    }
}

#[test]
fn what_happens_to_a_finding_is_said_for_requests_and_responses_apart() {
    let entry = |direction: &str, action: &str| {
        format!(r#"{{"rules": ["pii"], "direction": "{direction}", "action": "{action}"}}"#)
    };
    let text = "write to ann@example.com now";
    for (first, second) in [("redact", "mask"), ("mask", "redact"), ("flag", "redact")] {
        let rules = format!("{}, {}", entry("request", first), entry("response", second));
        let policy = Arc::new(policy(&format!(r#"{{"rules": [{rules}]}}"#)));
        for (direction, action) in [(Direction::Request, first), (Direction::Response, second)] {
            let expected = redacted(&with_action(action), text);
            let whole = policy.inspect(text, direction, &mut Pseudonyms::default());
            assert_eq!(apply(text, &whole.edits), expected, "{direction:?} {action}");
            let mut inspector = policy.inspector(direction, false, None);
            let mut streamed = inspector.push(text, &mut Pseudonyms::default()).text;
            streamed += &inspector.finish(&mut Pseudonyms::default()).text;
            assert_eq!(streamed, expected, "{direction:?} {action}");
        }
        assert!(policy.is_active(Direction::Request) && policy.is_active(Direction::Response));
        assert!(policy.may_edit(Direction::Response));
    }
    // A later entry for both decides in both, and one for one direction in that.
    let both = r#"{"rules": ["EMAIL"], "action": "flag"}"#;
    let rules = format!("{both}, {}", entry("response", "redact"));
    let policy = policy(&format!(r#"{{"rules": [{rules}]}}"#));
    assert_eq!(redacted(&policy, text), text);
    let found = policy.inspect(text, Direction::Response, &mut Pseudonyms::default());
    assert_eq!(apply(text, &found.edits), "write to [EMAIL] now");
}

#[test]
fn what_happens_to_a_finding_is_said_for_each_role_apart() {
    let text = "write to ann@example.com now";
    let policy = Arc::new(policy(
        r#"{"rules": [{"rules": ["pii"], "action": "redact"},
            {"rules": ["EMAIL"], "action": "block", "roles": ["user"], "optional": true},
            {"rules": ["EMAIL"], "action": "flag", "roles": ["tool", "function"]}]}"#,
    ));
    let done = |role: Option<&str>, saturated: bool, direction: Direction| {
        let mut names = Pseudonyms::default();
        let found = policy.inspect_as(text, direction, role, saturated, &mut names);
        found.applied.first().map(|applied| applied.action)
    };
    let (request, response) = (Direction::Request, Direction::Response);
    for (role, saturated, expected) in [
        (Some("user"), false, Some(Action::Block)),
        (Some("tool"), false, Some(Action::Flag)),
        (Some("system"), false, Some(Action::Redact)),
        // What a server makes of such a role is not known.
        (Some("User"), false, Some(Action::Block)),
        (None, false, Some(Action::Block)),
        // The rule that decides for users rests.
        (Some("user"), true, None),
        // So the strictest of the others decides where the role is not known.
        (None, true, Some(Action::Redact)),
        (Some("User"), true, Some(Action::Redact)),
        (Some("tool"), true, Some(Action::Flag)),
        (Some("system"), true, Some(Action::Redact)),
    ] {
        assert_eq!(done(role, saturated, request), expected, "{role:?} {saturated}");
    }
    assert_eq!(done(None, false, response), Some(Action::Block));
    let mut inspector = policy.inspector(response, false, None);
    let released = inspector.push(text, &mut Pseudonyms::default());
    assert!(released.blocked || inspector.finish(&mut Pseudonyms::default()).blocked);
    // What counts only from some confidence on for one role counts earlier for another.
    let policy = self::policy(
        r#"{"rules": [{"rules": ["EMAIL"], "action": "redact", "min_confidence": 0.1},
            {"rules": ["EMAIL"], "action": "redact", "roles": ["user"], "min_confidence": 1.0}]}"#,
    );
    for (role, found) in [(Some("user"), 0), (Some("tool"), 1), (None, 1)] {
        let mut names = Pseudonyms::default();
        let applied = policy.inspect_as(text, request, role, false, &mut names).applied;
        assert_eq!(applied.len(), found, "{role:?}");
    }
}

#[test]
fn masks_keep_the_last_four_characters_of_long_values_only() {
    let policy = with_action("mask");
    assert_eq!(redacted(&policy, "4111 1111 1111 1111"), "**** **** **** 1111");
    assert_eq!(redacted(&policy, "a@b.co"), "*@*.**");
}

#[test]
fn hashes_are_stable_under_one_key_and_differ_under_another() {
    let hash = |key: &[u8], text: &str| redacted(&with_action("hash").with_hash_key(key), text);
    let first = hash(b"one", "ann@example.com");
    assert!(first.starts_with("[EMAIL:") && first.len() == "[EMAIL:]".len() + 12, "{first}");
    assert_eq!(first, hash(b"one", "ann@example.com"));
    assert_ne!(first, hash(b"two", "ann@example.com"));
    assert_ne!(first, hash(b"one", "bob@example.com"));
    assert_eq!(redacted(&with_action("hash"), "ann@example.com"), "[EMAIL]");
}

#[test]
fn thousands_of_values_have_a_name_each_and_come_back() {
    let policy = with_action("pseudonymise");
    let mut names = Pseudonyms::default();
    names.reserve("[EMAIL_2] [EMAIL_4000] [x] [EMAIL_2] [PHONE_1]");
    // In no order of theirs, and each twice.
    let address = |n: u32| format!("<u{}@example.com> ", n * 7919 % 4000);
    let text: String = (0..8000).map(address).collect();
    let inspection = policy.inspect(&text, Direction::Request, &mut names);
    let sent = apply(&text, &inspection.edits);
    assert!(
        !sent.contains('@') && sent.starts_with("<[EMAIL_1]> <[EMAIL_3]> <[EMAIL_4]>"),
        "{sent}"
    );
    assert!(!sent.contains("[EMAIL_2]") && !sent.contains("[EMAIL_4000]"));
    assert!(sent.contains("[EMAIL_4002]") && !sent.contains("[EMAIL_4003]"));
    assert_eq!(Arc::new(names).restore(&sent), text);
}

#[test]
fn pseudonyms_are_restored_however_the_response_is_cut() {
    let policy = with_action("pseudonymise");
    let mut names = Pseudonyms::default();
    let inspection = policy.inspect(TEXT, Direction::Request, &mut names);
    let sent = apply(TEXT, &inspection.edits);
    let names = Arc::new(names);
    assert_eq!(names.restore(&sent), TEXT);
    let answer = "I wrote to [EMAIL_2], not [EMAIL_1]; see [1] and [EMAIL_9] [EMAI";
    let expected = "I wrote to bob@example.com, not ann@example.com; see [1] and [EMAIL_9] [EMAI";
    for first in 0..=answer.len() {
        for second in first..=answer.len() {
            let mut restorer = Restorer::new(names.clone());
            let mut out = restorer.push(&answer[..first]);
            out += &restorer.push(&answer[first..second]);
            out += &restorer.push(&answer[second..]);
            out += &restorer.finish();
            assert_eq!(out, expected, "cut at {first} and {second}");
        }
    }
}

#[test]
fn a_block_ends_a_stream_before_the_finding_however_it_is_cut() {
    let policy = Arc::new(policy(r#"{"rules": [{"rules": ["secrets"], "action": "block"}]}"#));
    let text = "The key is sk_live_4eC39HqLyjWDarjtT1zdp7dcXq and more";
    for cut in 0..=text.len() {
        let mut inspector = policy.inspector(Direction::Response, false, None);
        let mut names = Pseudonyms::default();
        let first = inspector.push(&text[..cut], &mut names);
        let second = inspector.push(&text[cut..], &mut names);
        let last = inspector.finish(&mut names);
        assert_eq!(first.text + &second.text + &last.text, "The key is ", "cut at {cut}");
        assert!(last.blocked);
    }
}

#[test]
fn shadow_rules_report_and_change_nothing() {
    let policy = policy(r#"{"rules": [{"rules": ["pii"], "action": "block", "shadow": true}]}"#);
    let inspection = policy.inspect(TEXT, Direction::Request, &mut Pseudonyms::default());
    assert_eq!(inspection.applied.len(), 3);
    assert!(inspection.applied.iter().all(|a| a.shadow && a.action == Action::Block));
    assert!(!inspection.blocked && inspection.edits.is_empty());
}

#[test]
fn later_entries_and_exceptions_narrow_earlier_ones() {
    let policy = policy(
        r#"{"rules": [{"rules": ["pii"], "action": "redact", "except": ["pii.credit_card"]},
                      {"rules": ["EMAIL"], "action": "flag", "direction": "response"}]}"#,
    );
    // The later one says nothing of requests.
    let request = "[EMAIL] paid with 4111 1111 1111 1111, [EMAIL] did not";
    assert_eq!(redacted(&policy, TEXT), request);
    let response = policy.inspect(TEXT, Direction::Response, &mut Pseudonyms::default());
    assert_eq!((response.applied.len(), apply(TEXT, &response.edits).as_str()), (2, TEXT));
}

#[test]
fn allowed_values_patterns_and_domains_pass() {
    let policy = policy(
        r#"{"allow": {"exact": ["4111 1111 1111 1111"], "domains": ["example.com"], "regex": ["10\\.0\\.[0-9.]+"]}}"#,
    );
    assert_eq!(redacted(&policy, TEXT), TEXT);
    assert_eq!(redacted(&policy, "10.0.3.4 and 10.1.3.4"), "10.0.3.4 and [IP_ADDRESS]");
    assert_eq!(
        redacted(&policy, "a@sub.example.com b@notexample.com"),
        "a@sub.example.com [EMAIL]"
    );
}

#[test]
fn optional_rules_rest_while_the_pool_is_saturated() {
    let policy = policy(r#"{"rules": [{"rules": ["pii"], "action": "redact", "optional": true}]}"#);
    let count = |saturated| {
        let mut names = Pseudonyms::default();
        policy.inspect_as(TEXT, Direction::Request, None, saturated, &mut names).applied.len()
    };
    assert_eq!((count(false), count(true)), (3, 0));
}

#[test]
fn a_leaked_system_prompt_is_found_in_a_stream() {
    let policy = Arc::new(Policy::default());
    let prompt = SystemPrompt::new(
        "You are Ada. Never mention the blue door, and answer in exactly three sentences always.",
    );
    let count = |text: &str| {
        let mut inspector =
            policy.inspector(Direction::Response, false, prompt.clone().map(Arc::new));
        let mut names = Pseudonyms::default();
        let mut applied = 0;
        for piece in text.split_inclusive(' ') {
            applied += inspector.push(piece, &mut names).applied.len();
        }
        applied + inspector.finish(&mut names).applied.len()
    };
    assert!(
        count("Sure: \"never mention the blue door and answer in exactly three sentences\"") > 0
    );
    assert_eq!(count("There is a blue door in the house, and it has three windows above it."), 0);
}

#[test]
fn foreign_hosts_are_removed_and_own_ones_stay() {
    let policy = policy(r#"{"link_hosts": ["example.com"]}"#);
    let text = "![a](https://img.example.com/x?d=1) ![b](https://evil.example/x?d=1)";
    let inspection = policy.inspect(text, Direction::Response, &mut Pseudonyms::default());
    assert_eq!(
        apply(text, &inspection.edits),
        "![a](https://img.example.com/x?d=1) ![b]([EXTERNAL_IMAGE])"
    );
}

#[test]
fn responses_over_their_limit_are_blocked_at_the_same_byte() {
    let policy = Arc::new(policy(r#"{"max_response_bytes": 20}"#));
    let text = "one two three four five six seven";
    let mut outputs = Vec::new();
    for size in 1..=text.len() {
        let mut inspector = policy.inspector(Direction::Response, false, None);
        let mut names = Pseudonyms::default();
        let mut out = String::new();
        for piece in text.as_bytes().chunks(size) {
            out += &inspector.push(std::str::from_utf8(piece).unwrap(), &mut names).text;
        }
        let last = inspector.finish(&mut names);
        assert!(last.blocked);
        outputs.push(out + &last.text);
    }
    outputs.dedup();
    assert_eq!(outputs, ["one two three four "]);
}

#[test]
fn nothing_that_carries_text_shows_it_when_debugged() {
    let policy = Arc::new(with_action("pseudonymise"));
    let mut names = Pseudonyms::default();
    let mut inspector = policy.inspector(
        Direction::Response,
        false,
        SystemPrompt::new("one two three four five").map(Arc::new),
    );
    let released = inspector.push(TEXT, &mut names);
    let inspection = policy.inspect(TEXT, Direction::Request, &mut names);
    let mut restorer = Restorer::new(Arc::new(names.clone()));
    restorer.push("[EMAIL_");
    let shown =
        format!("{names:?} {inspector:?} {released:?} {inspection:?} {restorer:?} {policy:?}");
    assert!(
        !shown.contains("ann@") && !shown.contains("4111") && !shown.contains("paid"),
        "{shown}"
    );
}

#[test]
fn addresses_that_overlap_without_an_end_do_not_hold_a_stream_back() {
    let policy = Arc::new(with_action("redact"));
    let mut inspector = policy.inspector(Direction::Response, false, None);
    let (mut names, mut released) = (Pseudonyms::default(), 0);
    for count in 1..4000 {
        released += inspector.push("a@b.co", &mut names).applied.len();
        // A segment, and the findings that hang together with the one before.
        assert!(inspector.held_back() <= 3 * 4096, "{} after {count}", inspector.held_back());
    }
    assert!(released > 1000, "{released}");
}
