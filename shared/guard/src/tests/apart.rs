//! Texts that are told apart: several at a time, one after the other, and one that others interrupt.

use weir_wire::path::{Dialect, Operation};

use super::policy;
use super::streams::{DONE, redacting, through};
use crate::{Shapes, StreamGuard, Watch};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CARD: [&str; 3] = ["see 4111", " 1111 11", "11 1111 end"];
const MAIL: [&str; 3] = ["ask ann@", "example", ".com now"];

fn event(form: &str, source: u32, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    format!("data: {}\n\n", form.replace("AT", &source.to_string()).replace("TEXT", &text))
}

fn of(dialect: Dialect, stream: &str) -> String {
    let operation = (dialect == Dialect::Gemini).then_some(Operation::GenerateContent);
    through(&mut StreamGuard::new(redacting(), dialect, operation), stream)
}

fn assert_gone(out: &str, form: &str) {
    assert!(out.contains("[CREDIT_CARD]") && out.contains("[EMAIL]"), "{form}: {out}");
    assert!(!out.contains("1111") && !out.contains("ann@"), "{form}: {out}");
}

#[test]
fn texts_of_several_sources_at_a_time_are_each_one_text() {
    for (dialect, form) in [
        (
            Dialect::OpenAi,
            r#"{"type":"tool-input-delta","toolCallId":"call_AT","inputTextDelta":TEXT}"#,
        ),
        (Dialect::OpenAi, r#"{"type":"TOOL_CALL_ARGS","toolCallId":"AT","delta":TEXT}"#),
        (
            Dialect::OpenAi,
            r#"{"type":"content-delta","index":AT,"delta":{"message":{"content":{"text":TEXT}}}}"#,
        ),
        (Dialect::OpenAi, r#"{"event_type":"content.delta","index":AT,"delta":{"text":TEXT}}"#),
        (Dialect::OpenAi, r#"{"choices":[{"index":"AT","delta":{"content":TEXT}}]}"#),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"tool_calls":[{"index":"AT","function":{"arguments":TEXT}}]}}]}"#,
        ),
        (
            Dialect::Anthropic,
            r#"{"type":"content_block_delta","index":"AT","delta":{"type":"text_delta","text":TEXT}}"#,
        ),
        (Dialect::Gemini, r#"{"candidates":[{"index":"AT","content":{"parts":[{"text":TEXT}]}}]}"#),
    ] {
        let turn =
            |(card, mail): (&str, &str)| [event(form, 0, card), event(form, 1, mail)].concat();
        let stream: String = CARD.into_iter().zip(MAIL).map(turn).collect();
        assert_gone(&of(dialect, &stream), form);
    }
}

#[test]
fn elements_without_an_index_are_told_apart_by_their_place() {
    for (dialect, form) in [
        (Dialect::OpenAi, r#"{"choices":[{"delta":{"content":ONE}},{"delta":{"content":TEXT}}]}"#),
        (
            Dialect::Gemini,
            r#"{"candidates":[{"content":{"parts":[{"text":ONE}]}},{"content":{"parts":[{"text":TEXT}]}}]}"#,
        ),
    ] {
        let both = |(card, mail): (&str, &str)| {
            event(&form.replace("ONE", &format!("\"{card}\"")), 0, mail)
        };
        let stream: String = CARD.into_iter().zip(MAIL).map(both).collect();
        assert_gone(&of(dialect, &stream), form);
    }
}

/// What stands side by side where they meet would hide both values.
#[test]
fn texts_that_come_whole_one_after_the_other_are_not_one() {
    let cards = ["4111111111111111", "5500005555555559"];
    for (dialect, form) in [
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"annotations":[{"url_citation":{"title":TEXT}}]}}]}"#,
        ),
        (
            Dialect::OpenAi,
            r#"{"choices":[{"delta":{"provider_specific_fields":{"citation":{"cited_text":TEXT}}}}]}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","stringValue":TEXT}]}}]}}]}"#,
        ),
    ] {
        let stream: String = cards.iter().map(|card| event(form, 0, card)).collect();
        let out = of(dialect, &stream);
        assert_eq!(
            out,
            stream.replace(cards[0], "[CREDIT_CARD]").replace(cards[1], "[CREDIT_CARD]")
        );
    }
}

#[test]
fn a_last_event_that_repeats_all_pieces_is_no_piece() {
    let card = "4111111111111111";
    let chat = |card: &str| {
        format!(
            "data: {{\"object\":\"chat.completion\",\"choices\":[{{\"index\":0,\"finish_reason\":\"stop\",\"message\":{{\"content\":\"{card}\"}}}}]}}\n\n"
        )
    };
    for (piece, last) in [
        (r#"{"choices":[{"index":0,"delta":{"content":TEXT}}]}"#, chat(card)),
        (r#"{"text":TEXT}"#, event(r#"{"text":TEXT,"done":true}"#, 0, card)),
    ] {
        let stream = [event(piece, 0, &card[..6]), event(piece, 0, &card[6..]), last].concat();
        let out = of(Dialect::OpenAi, &(stream + DONE));
        assert_eq!(out.matches("[CREDIT_CARD]").count(), 2, "{out}");
        assert!(!out.contains("1111"), "{out}");
    }
}

#[test]
fn a_text_that_others_interrupt_goes_on_after_what_it_said_before() {
    let chat = |member: &str, text: &str| {
        let form = format!(r#"{{"choices":[{{"index":0,"delta":{{"{member}":TEXT}}}}]}}"#);
        event(&form, 0, text)
    };
    for (before, after, value) in [
        ("go to postgres:", "//u:p4ssW0rd@db.example.com/x ", "p4ssW0rd"),
        ("the (password: ", "hunter2Xq9!zK and", "hunter2"),
        ("My SSN is ", "536904399.", "536904399"),
    ] {
        for count in [1, 8, 20] {
            let others = chat("reasoning_content", "Well. ").repeat(count);
            let stream = [chat("content", before), others, chat("content", after)].concat();
            let out = of(Dialect::OpenAi, &(stream + DONE));
            // A colon is waited for, but not for ever.
            let given_up = count > 8 && before.ends_with(':');
            assert!(given_up || !out.contains(value), "{count}: {out}");
        }
    }
}

/// A form that one stream has shown is read at once in the next.
#[test]
fn thinking_without_a_signature_is_edited_in_every_stream() {
    let rules = r#"{"rules":[{"rules":["pii"],"action":"redact"}]}"#;
    let stream = concat!(
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"ask ann@example.com now\"}}\n\n",
    );
    let shapes = Shapes::default();
    for _ in 0..3 {
        let watch = Watch::new(policy(rules));
        let guard = StreamGuard::new(watch, Dialect::Anthropic, Some(Operation::Messages));
        let out = through(&mut guard.sharing(shapes.clone()), stream);
        assert_eq!(out, stream.replace("ann@example.com", "[EMAIL]"));
    }
}

#[test]
fn texts_of_which_nothing_waits_make_room_for_others() {
    let form = r#"{"type":"tool-input-delta","toolCallId":"call_AT","inputTextDelta":TEXT}"#;
    let call = |number| event(form, number, "All of it. ") + &event(form, number, "\n");
    let stream: String = (0..3000).map(call).collect();
    assert_eq!(of(Dialect::OpenAi, &stream), stream);
}

#[test]
fn a_word_that_every_event_says_holds_nothing_up() {
    let form = r#"{"code":AT,"msg":"success","result":"ok","data":{"answer":TEXT}}"#;
    let mut guard = StreamGuard::new(redacting(), Dialect::OpenAi, None);
    let mut out = Vec::new();
    for _ in 0..100 {
        guard.push(event(form, 0, "a word ").as_bytes(), &mut out);
        assert!(guard.held() < 300, "{}", guard.held());
    }
}
