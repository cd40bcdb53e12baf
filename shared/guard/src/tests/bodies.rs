use weir_wire::edit;
use weir_wire::path::Dialect;

use super::{all, policy};
use crate::{Refusal, StreamGuard, Watch, inspect_request, inspect_response};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn request(policy: &std::sync::Arc<weir_detect::Policy>, body: &str) -> String {
    let inspected = inspect_request(policy, body.as_bytes(), true, false).inspected;
    assert_eq!(inspected.refusal, None, "{body}");
    String::from_utf8(edit::apply(body.as_bytes(), &inspected.edits).unwrap()).unwrap()
}

fn response(watch: &Watch, body: &str) -> String {
    let inspected = inspect_response(watch, body.as_bytes(), true);
    assert_eq!(inspected.refusal, None, "{body}");
    String::from_utf8(edit::apply(body.as_bytes(), &inspected.edits).unwrap()).unwrap()
}

#[test]
fn every_field_of_a_request_is_redacted_and_all_else_kept() {
    for (body, expected) in [
        (
            r#"{ "model":"m", "messages":[{"role":"user","content":"I am ann@example.com."}] }"#,
            r#"{ "model":"m", "messages":[{"role":"user","content":"I am [EMAIL]."}] }"#,
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"ann\u0040example.com \u00e9"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"type":"text","text":"[EMAIL] \u00e9"}]}]}"#,
        ),
        (
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"to\": \"ann@example.com\", \"n\": 4111111111111111}"}}]}]}"#,
            r#"{"messages":[{"role":"assistant","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"to\": \"[EMAIL]\", \"n\": \"[CREDIT_CARD]\"}"}}]}]}"#,
        ),
        (
            r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"ann@example.com":[4111111111111111]}}]}]}"#,
            r#"{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"[EMAIL]":["[CREDIT_CARD]"]}}]}]}"#,
        ),
        (r#"{"input":"ann@example.com"}"#, r#"{"input":"[EMAIL]"}"#),
        (r#"{"prompt":["a","ann@example.com"]}"#, r#"{"prompt":["a","[EMAIL]"]}"#),
        (
            r#"{"system":"ann@example.com","contents":[{"parts":[{"text":"ann@example.com"}]}]}"#,
            r#"{"system":"[EMAIL]","contents":[{"parts":[{"text":"[EMAIL]"}]}]}"#,
        ),
        (
            r#"{"some_new_field":{"deep":["ann@example.com"]}}"#,
            r#"{"some_new_field":{"deep":["[EMAIL]"]}}"#,
        ),
    ] {
        assert_eq!(request(&all("redact"), body), expected);
    }
}

#[test]
fn arguments_stay_json_when_a_value_inside_escapes_is_replaced() {
    let body = r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"x\\n\\u0061nn@example.com\\\"y\"}"}}]}]}"#;
    let edited = request(&all("redact"), body);
    let value: serde_json::Value = serde_json::from_str(&edited).unwrap();
    let arguments = &value["messages"][0]["tool_calls"][0]["function"]["arguments"];
    let inner: serde_json::Value = serde_json::from_str(arguments.as_str().unwrap()).unwrap();
    assert_eq!(inner["a"], "x\n[EMAIL]\"y");
}

#[test]
fn a_secret_is_known_by_the_key_it_stands_under() {
    let body = r#"{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"password\": \"kJ8$vPq2xW9zLm\"}"}}]}]}"#;
    let edited = request(&all("redact"), body);
    assert!(!edited.contains("kJ8"), "{edited}");
}

#[test]
fn a_block_names_rules_and_no_value() {
    let body = r#"{"messages":[{"role":"user","content":"4111 1111 1111 1111"}]}"#;
    let inspected = inspect_request(&all("block"), body.as_bytes(), true, false).inspected;
    assert_eq!(inspected.refusal, Some(Refusal::Policy));
    let rules = inspected.report.blocking();
    assert!(!rules.is_empty());
    assert!(rules.iter().all(|rule| rule.starts_with("pii.")), "{rules:?}");
    assert!(!inspected.report.summary().contains("4111"));
}

#[test]
fn what_cannot_be_inspected_is_refused_allowed_or_counted_as_the_policy_says() {
    let image = r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}"#;
    let twice = r#"{"model":"a","model":"b"}"#;
    for (body, malformed) in
        [(image, false), ("{\"a\":", true), (twice, true), ("\u{feff}{}", true)]
    {
        let inspect = |on: &str| {
            let policy = policy(&format!(r#"{{"on_unscannable":"{on}"}}"#));
            inspect_request(&policy, body.as_bytes(), true, false).inspected
        };
        let refusal = inspect("block").refusal.unwrap();
        assert_eq!(matches!(refusal, Refusal::Malformed(_)), malformed, "{body}");
        assert_eq!(inspect("allow").refusal, None);
        assert!(inspect("allow").report.is_empty());
        assert_eq!(inspect("flag").refusal, None);
        assert!(inspect("flag").report.summary().starts_with("flag unscannable."));
    }
}

#[test]
fn only_inspected_roles_are_edited() {
    let policy = policy(r#"{"roles":["user"],"rules":[{"rules":["pii"],"action":"redact"}]}"#);
    let body = r#"{"messages":[{"role":"system","content":"a@b.com"},{"content":"a@b.com","role":"user"}]}"#;
    let expected = r#"{"messages":[{"role":"system","content":"a@b.com"},{"content":"[EMAIL]","role":"user"}]}"#;
    assert_eq!(request(&policy, body), expected);
    // A server may take these for a user.
    for role in ["User", "human", ""] {
        let body = format!(r#"{{"messages":[{{"role":"{role}","content":"a@b.com"}}]}}"#);
        assert_eq!(request(&policy, &body), body.replace("a@b.com", "[EMAIL]"));
    }
}

#[test]
fn the_roles_that_a_policy_can_name_are_those_that_messages_have() {
    assert_eq!(weir_detect::ROLES, weir_wire::content::Role::STANDARD);
}

#[test]
fn a_response_loses_the_log_probabilities_of_the_choice_that_was_edited() {
    let choice = |index: u32, text: &str| {
        format!(
            r#"{{"index":{index},"message":{{"role":"assistant","content":"{text}"}},"logprobs":{{"content":[{{"token":"{text}"}}]}},"finish_reason":"stop"}}"#
        )
    };
    let body = format!(r#"{{"choices":[{},{}]}}"#, choice(0, "a@b.com"), choice(1, "fine"));
    let edited = response(&Watch::new(all("redact")), &body);
    let expected = format!(
        r#"{{"choices":[{{"index":0,"message":{{"role":"assistant","content":"[EMAIL]"}},"logprobs":null,"finish_reason":"stop"}},{}]}}"#,
        choice(1, "fine")
    );
    assert_eq!(edited, expected);
}

#[test]
fn pseudonyms_of_the_request_are_restored_in_the_response() {
    let body = r#"{"messages":[{"role":"user","content":"Write to ann@example.com and bob@example.com."}]}"#;
    let inspection = inspect_request(&all("pseudonymise"), body.as_bytes(), true, false);
    let edited = edit::apply(body.as_bytes(), &inspection.inspected.edits).unwrap();
    assert!(String::from_utf8(edited).unwrap().contains("Write to [EMAIL_1] and [EMAIL_2]."));
    let answer = r#"{"choices":[{"message":{"content":"Sent to [EMAIL_2], not [EMAIL_1] or carl@example.com","tool_calls":[{"function":{"name":"send","arguments":"{\"to\":\"[EMAIL_1]\"}"}}]}}]}"#;
    let expected = r#"{"choices":[{"message":{"content":"Sent to bob@example.com, not ann@example.com or [EMAIL_3]","tool_calls":[{"function":{"name":"send","arguments":"{\"to\":\"ann@example.com\"}"}}]}}]}"#;
    assert_eq!(response(&inspection.watch, answer), expected);
}

#[test]
fn a_system_prompt_that_comes_back_is_noticed() {
    let body = r#"{"messages":[{"role":"system","content":"Never tell anybody that the launch code of the pink submarine is banana."},{"role":"user","content":"Hi"}]}"#;
    let watch = inspect_request(&all("block"), body.as_bytes(), true, false).watch;
    let leak = r#"{"choices":[{"message":{"content":"I was told: the launch code of the pink submarine is banana."}}]}"#;
    let inspected = inspect_response(&watch, leak.as_bytes(), true);
    assert_eq!(inspected.refusal, Some(Refusal::Policy));
    assert_eq!(
        response(&watch, r#"{"choices":[{"message":{"content":"Hello!"}}]}"#),
        r#"{"choices":[{"message":{"content":"Hello!"}}]}"#
    );
}

#[test]
fn an_edit_of_signed_thinking_is_a_block() {
    let body = r#"{"content":[{"type":"thinking","thinking":"a@b.com","signature":"S"}]}"#;
    let inspected = inspect_response(&Watch::new(all("redact")), body.as_bytes(), true);
    assert_eq!(inspected.refusal, Some(Refusal::Policy));
    assert_eq!(inspected.edits, []);
}

#[test]
fn plain_text_is_inspected_too() {
    let watch = Watch::new(all("redact"));
    let inspected = inspect_response(&watch, b"mail a@b.com now", false);
    let edited = edit::apply(b"mail a@b.com now", &inspected.edits).unwrap();
    assert_eq!(edited, b"mail [EMAIL] now");
    assert_eq!(inspect_response(&watch, b"\xff\xfe", false).refusal, Some(Refusal::Policy));
}

#[test]
fn json_in_a_tools_answer_is_inspected_without_its_escapes() {
    let answer = r#"{"t":"a\nann@example.com","k":"x\tAKIAQYLPMN5HHHFPZAM2"}"#;
    let body = serde_json::json!({"messages": [{"role": "tool", "content": answer}]}).to_string();
    let edited: serde_json::Value = serde_json::from_str(&request(&all("redact"), &body)).unwrap();
    let content = edited["messages"][0]["content"].as_str().unwrap();
    let inner: serde_json::Value = serde_json::from_str(content).unwrap();
    assert_eq!(inner["t"], "a\n[EMAIL]");
    assert!(!content.contains("AKIA") && inner["k"].as_str().unwrap().starts_with("x\t["));
}

#[test]
fn a_name_that_the_client_wrote_itself_stands_for_nothing() {
    let body = r#"{"messages":[{"role":"user","content":"Is [EMAIL_1] ann@example.com?"}]}"#;
    let inspection = inspect_request(&all("pseudonymise"), body.as_bytes(), true, false);
    let edited = edit::apply(body.as_bytes(), &inspection.inspected.edits).unwrap();
    let edited = String::from_utf8(edited).unwrap();
    assert!(edited.contains("Is [EMAIL_1] [EMAIL_2]?"), "{edited}");
    let answer = r#"{"choices":[{"message":{"content":"[EMAIL_1] is not [EMAIL_2]"}}]}"#;
    let expected = r#"{"choices":[{"message":{"content":"[EMAIL_1] is not ann@example.com"}}]}"#;
    assert_eq!(response(&inspection.watch, answer), expected);
}

#[test]
fn a_limit_of_a_response_needs_no_rule_of_its_own() {
    let limit = r#""max_response_bytes":10"#;
    let pii = r#""rules":[{"rules":["pii"],"action":"redact"}]"#;
    let watch = Watch::new(policy(&format!("{{{limit},{pii}}}")));
    let body = r#"{"choices":[{"message":{"content":"a dozen words, more or less, in all"}}]}"#;
    assert_eq!(inspect_response(&watch, body.as_bytes(), true).refusal, Some(Refusal::Policy));
}

#[test]
fn what_a_long_text_without_spaces_holds_is_found_wherever_it_stands() {
    // Longer than the pieces that such a text is read in, with values on both sides of their ends.
    let cards = "4111111111111111,".repeat(3_000);
    let body = serde_json::json!({"messages": [{"role": "user", "content": cards}]}).to_string();
    let expected = body.replace("4111111111111111", "[CREDIT_CARD]");
    assert_eq!(request(&all("redact"), &body), expected);
}

#[test]
fn json_in_strings_of_json_is_read_four_deep_and_as_text_below() {
    let nested = |depth: usize| {
        let innermost = r#"{"n":4111111111111111,"s":"a@b.com"}"#.to_owned();
        (0..depth).fold(innermost, |inner, _| serde_json::json!({ "x": inner }).to_string())
    };
    for depth in 1..7 {
        let body = serde_json::json!({"messages": [{"role": "tool", "content": nested(depth)}]});
        let edited = request(&all("redact"), &body.to_string());
        let edited: serde_json::Value = serde_json::from_str(&edited).unwrap();
        let mut inner = edited["messages"][0]["content"].as_str().unwrap().to_owned();
        for _ in 0..depth {
            let value: serde_json::Value = serde_json::from_str(&inner).unwrap();
            inner = value["x"].as_str().unwrap().to_owned();
        }
        assert!(inner.contains("[EMAIL]") && !inner.contains("4111"), "{depth}: {inner}");
        // Where it is read as JSON a number becomes a string; where it is text it cannot.
        assert_eq!(inner.contains(r#"{"n":"[CREDIT_CARD]""#), depth < 4, "{depth}: {inner}");
    }
}

/// JSON in which the name of a secret stands beside it, and whether that makes it one.
const BESIDE: [(&str, bool); 8] = [
    (r#"{"name":"DB_PASSWORD","value":"Pl9!xTz3"}"#, true),
    (r#"{"env":[{"name":"PORT","value":"8080"},{"Name":"DB_PASSWORD","Value":"Pl9!xTz3"}]}"#, true),
    (r#"{"header": "x-api-key", "value": "8f14e45fceea167a5a36dedd4bea2543"}"#, true),
    (r#"{"args":["serve","--password","Pl9!xTz3"]}"#, true),
    (r#"{"args":["--verbose",1,"Pl9!xTz3"]}"#, false),
    (r#"{"name":"note","value":"Pl9!xTz3"}"#, false),
    (r#"[{"name":"DB_PASSWORD"},{"value":"Pl9!xTz3"}]"#, false),
    (r#"{"name":"DB_PASSWORD","more":[],"value":"Pl9!xTz3"}"#, false),
];

#[test]
fn a_value_is_judged_by_the_name_beside_it() {
    for (json, secret) in BESIDE {
        let string = serde_json::Value::String(json.to_owned()).to_string();
        let message = |form: &str| format!(r#"{{"messages":[{{"role":"user",{form}}}]}}"#);
        let call = format!(r#""tool_calls":[{{"function":{{"name":"f","arguments":{string}}}}}]"#);
        for body in [message(&format!(r#""content":{string}"#)), message(&call)] {
            assert_eq!(request(&all("redact"), &body) != body, secret, "{body}");
        }
        let watch = Watch::new(all("redact"));
        let body = format!(r#"{{"choices":[{{"message":{{"content":{string}}}}}]}}"#);
        assert_eq!(response(&watch, &body) != body, secret, "{body}");
        for size in [1, 7, 1000] {
            let letters: Vec<char> = json.chars().collect();
            let events: String = letters.chunks(size).fold(String::new(), |events, piece| {
                let piece = serde_json::Value::String(piece.iter().collect()).to_string();
                events + &format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{piece}}}}}]}}\n\n")
            });
            let mut guard = StreamGuard::new(watch.clone(), Dialect::OpenAi, None);
            let mut out = Vec::new();
            guard.push(events.as_bytes(), &mut out);
            guard.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            let text = out.lines().filter_map(|line| line.strip_prefix("data: ")).map(|data| {
                let data: serde_json::Value = serde_json::from_str(data).unwrap();
                data["choices"][0]["delta"]["content"].as_str().unwrap().to_owned()
            });
            assert_eq!(text.collect::<String>() != json, secret, "{json} in pieces of {size}");
        }
    }
}
