use weir_wire::path::{Dialect, Operation};

use super::all;
use crate::{StreamGuard, Watch, inspect_request};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

pub(super) fn through(guard: &mut StreamGuard, stream: &str) -> String {
    let mut out = Vec::new();
    guard.push(stream.as_bytes(), &mut out);
    guard.finish(&mut out);
    String::from_utf8(out).unwrap()
}

pub(super) fn openai(watch: Watch) -> StreamGuard {
    StreamGuard::new(watch, Dialect::OpenAi, Some(Operation::ChatCompletions))
}

pub(super) fn redacting() -> Watch {
    Watch::new(all("redact"))
}

/// Chat chunks of choice `index` whose `member` brings each of the `pieces`, then the end.
pub(super) fn chunks(index: u32, member: &str, pieces: &[&str]) -> String {
    let chunk = |piece: &&str| {
        let text = serde_json::to_string(piece).unwrap();
        let delta = member.replace("TEXT", &text);
        format!("data: {{\"id\":\"x\",\"choices\":[{{\"index\":{index},\"delta\":{delta}}}]}}\n\n")
    };
    let end = format!(
        "data: {{\"id\":\"x\",\"choices\":[{{\"index\":{index},\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    pieces.iter().map(chunk).collect::<String>() + &end
}

pub(super) const CONTENT: &str = r#"{"content":TEXT}"#;
const ARGUMENTS: &str = r#"{"tool_calls":[{"index":0,"function":{"arguments":TEXT}}]}"#;
pub(super) const DONE: &str = "data: [DONE]\n\n";

/// The concatenated strings under `key` of every event.
fn collected(stream: &str, key: &str) -> String {
    let mut text = String::new();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data != "[DONE]" {
            let value: serde_json::Value = serde_json::from_str(data).unwrap();
            collect(&value, key, &mut text);
        }
    }
    text
}

fn collect(value: &serde_json::Value, key: &str, text: &mut String) {
    match value {
        serde_json::Value::Object(members) => {
            members.iter().for_each(|(name, member)| {
                match member.as_str().filter(|_| name == key) {
                    Some(piece) => text.push_str(piece),
                    None => collect(member, key, text),
                }
            })
        }
        serde_json::Value::Array(elements) => {
            elements.iter().for_each(|element| collect(element, key, text));
        }
        _ => {}
    }
}

#[test]
fn a_benign_stream_of_tokens_passes_byte_for_byte() {
    let role = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
    let text = chunks(0, CONTENT, &["Hel", "lo", ",", " wor", "ld", "!", " How", " are\n", "you?"]);
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3}}\n\n";
    let stream = [": hello\n\n", "id: 7\nretry: 10\n", role, &text, usage, DONE].concat();
    assert_eq!(through(&mut openai(redacting()), &stream), stream);
}

#[test]
fn a_value_over_many_events_is_redacted_where_it_starts() {
    for member in [CONTENT, r#"{"reasoning_content":TEXT}"#, r#"{"refusal":TEXT}"#] {
        let key = member.split('"').nth(1).unwrap();
        let pieces = ["Card", " 41", "11 1", "111 ", "1111", " 1111", " now"];
        let stream = chunks(0, member, &pieces) + DONE;
        let out = through(&mut openai(redacting()), &stream);
        assert_eq!(collected(&out, key), "Card [CREDIT_CARD] now");
        assert_eq!(out.matches("data:").count(), stream.matches("data:").count());
        assert!(out.ends_with(DONE));
    }
}

#[test]
fn choices_and_tool_calls_do_not_mix() {
    let one = chunks(0, CONTENT, &["a 4111 1111 ", "1111 1111 b"]);
    let two = chunks(1, CONTENT, &["c 4111 1111", "!"]);
    // Interleaved event by event.
    let mut lines: Vec<_> = one.split_inclusive("\n\n").collect();
    for (at, event) in two.split_inclusive("\n\n").enumerate() {
        lines.insert(at * 2 + 1, event);
    }
    let out = through(&mut openai(redacting()), &lines.concat());
    assert_eq!(out.matches("[CREDIT_CARD]").count(), 1, "{out}");
    assert!(
        out.contains("4111 1111") && out.contains("[CREDIT_CARD]\"") && out.contains("\" b\""),
        "{out}"
    );
}

#[test]
fn arguments_in_pieces_stay_json() {
    let arguments =
        r#"{"to": "ann\u0040example.com", "card": 4111111111111111, "ok": [true, 1.5]}"#;
    for len in 1..12 {
        let pieces: Vec<_> =
            arguments.as_bytes().chunks(len).map(|p| std::str::from_utf8(p).unwrap()).collect();
        let out = through(&mut openai(redacting()), &(chunks(0, ARGUMENTS, &pieces) + DONE));
        let expected = r#"{"to": "[EMAIL]", "card": "[CREDIT_CARD]", "ok": [true, 1.5]}"#;
        assert_eq!(collected(&out, "arguments"), expected, "pieces of {len}");
    }
}

#[test]
fn benign_arguments_keep_their_escapes() {
    let arguments = r#"{"code": "if a \"b\" \\ \n\t\u00e9 \/ {}", "n": -1.5e3, "\u006bey": null}"#;
    for len in [1, 3, 7, 100] {
        let pieces: Vec<_> =
            arguments.as_bytes().chunks(len).map(|p| std::str::from_utf8(p).unwrap()).collect();
        let stream = chunks(0, ARGUMENTS, &pieces) + DONE;
        assert_eq!(collected(&through(&mut openai(redacting()), &stream), "arguments"), arguments);
    }
}

#[test]
fn a_block_ends_the_stream_with_an_error_and_an_end() {
    let stream =
        chunks(0, CONTENT, &["fine so far ", "4111 1111 1111 1111", " secret rest"]) + DONE;
    let mut guard = openai(Watch::new(all("block")));
    let out = through(&mut guard, &stream);
    assert_eq!(collected(&out, "content"), "fine so far ");
    assert!(out.contains("content_policy_violation"), "{out}");
    assert!(out.ends_with(DONE) && !out.contains("rest") && !out.contains("4111"));
    assert!(guard.is_blocked());
    assert_eq!(through(&mut guard, "data: {\"more\":1}\n\n"), "");
}

#[test]
fn log_probabilities_stay_where_nothing_is_replaced_and_go_where_something_is() {
    let chunk = |text: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"logprobs\":{{\"content\":[{{\"token\":\"{text}\"}}]}}}}]}}\n\n"
        )
    };
    let benign =
        ["It", " is", " fi", "ne", "."].map(chunk).concat() + &chunks(0, CONTENT, &[]) + DONE;
    assert_eq!(through(&mut openai(redacting()), &benign), benign);
    let card = ["It", " is", " 4111", "1111", "1111", "1111", " ok"].map(chunk).concat() + DONE;
    let out = through(&mut openai(redacting()), &card);
    assert_eq!(collected(&out, "content"), "It is [CREDIT_CARD] ok");
    assert_eq!(collected(&out, "token"), "It is");
}

#[test]
fn events_that_repeat_the_text_agree_with_the_stream() {
    let delta = |text: &str| {
        format!(
            "event: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":0,\"delta\":\"{text}\"}}\n\n"
        )
    };
    let text = "Mail ann@example.com today";
    let done = format!(
        "event: response.output_text.done\ndata: {{\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":0,\"text\":\"{text}\"}}\n\n"
    );
    let completed = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{{\"output\":[{{\"type\":\"message\",\"content\":[{{\"type\":\"output_text\",\"text\":\"{text}\",\"logprobs\":[{{\"token\":\"ann\"}}]}}]}}]}}}}\n\n"
    );
    let stream =
        [delta("Mail ann@"), delta("example.com to"), delta("day"), done, completed].concat();
    let mut guard = StreamGuard::new(redacting(), Dialect::OpenAi, Some(Operation::Responses));
    let out = through(&mut guard, &stream);
    assert_eq!(collected(&out, "delta"), "Mail [EMAIL] today");
    assert_eq!(collected(&out, "text"), "Mail [EMAIL] todayMail [EMAIL] today");
    assert_eq!(collected(&out, "token"), "");
    let last_delta = out.rfind("output_text.delta").unwrap();
    assert!(last_delta < out.find("output_text.done").unwrap(), "{out}");
}

#[test]
fn anthropic_streams_are_redacted_block_by_block() {
    let event =
        |kind: &str, data: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{data}}}\n\n");
    let stream = [
        event("message_start", r#""message":{"id":"m","content":[]}"#),
        event("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#),
        event("content_block_delta", r#""index":0,"delta":{"type":"text_delta","text":"Hi a@"}"#),
        event("content_block_delta", r#""index":0,"delta":{"type":"text_delta","text":"b.com"}"#),
        event("content_block_stop", r#""index":0"#),
        event(
            "content_block_start",
            r#""index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}"#,
        ),
        event(
            "content_block_delta",
            r#""index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":\"a@b"}"#,
        ),
        event(
            "content_block_delta",
            r#""index":1,"delta":{"type":"input_json_delta","partial_json":".com\"}"}"#,
        ),
        event("content_block_stop", r#""index":1"#),
        event("message_delta", r#""delta":{"stop_reason":"end_turn"}"#),
        event("message_stop", r#""x":1"#),
    ]
    .concat();
    let mut guard = StreamGuard::new(redacting(), Dialect::Anthropic, Some(Operation::Messages));
    let out = through(&mut guard, &stream);
    assert_eq!(collected(&out, "text"), "Hi [EMAIL]");
    assert_eq!(collected(&out, "partial_json"), r#"{"a":"[EMAIL]"}"#);
    let kinds = |s: &str| {
        s.lines().filter_map(|l| l.strip_prefix("event: ").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&out), kinds(&stream));
}

#[test]
fn signed_thinking_is_blocked_rather_than_edited() {
    let stream = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"a@b.com is hers\"}}\n\n";
    let mut guard = StreamGuard::new(redacting(), Dialect::Anthropic, Some(Operation::Messages));
    let out = through(&mut guard, stream);
    assert!(out.starts_with("event: error\n") && !out.contains("a@b.com"), "{out}");
}

#[test]
fn a_placeholder_that_the_model_splits_is_restored() {
    let body = r#"{"messages":[{"role":"user","content":"I am ann@example.com"}]}"#;
    let watch = inspect_request(&all("pseudonymise"), body.as_bytes(), true, false).watch;
    let stream = chunks(0, CONTENT, &["Hello [", "EMA", "IL_", "1], [x] fine"]) + DONE;
    let out = through(&mut openai(watch.clone()), &stream);
    assert_eq!(collected(&out, "content"), "Hello ann@example.com, [x] fine");
    let stream = chunks(0, ARGUMENTS, &["{\"to\":\"[EM", "AIL_1]\"}"]) + DONE;
    assert_eq!(
        collected(&through(&mut openai(watch), &stream), "arguments"),
        r#"{"to":"ann@example.com"}"#
    );
}

#[test]
fn nothing_is_lost_without_done_or_when_the_stream_is_cut() {
    let stream = chunks(0, CONTENT, &["one", " two", " thr"]);
    let cut = &stream[..stream.rfind("data:").unwrap()];
    let out = through(&mut openai(redacting()), cut);
    assert_eq!(out, cut);
    let unended = cut.trim_end();
    assert_eq!(through(&mut openai(redacting()), unended), unended);
}

#[test]
fn data_in_several_lines_and_odd_line_ends_are_edited_in_place() {
    let stream = "\u{feff}data:{\"choices\":[{\"index\":0,\r\ndata: \"delta\":{\"content\":\"a@b.com\"},\"finish_reason\":\"stop\"}]}\r\n\r\n:x\r\rdata: [DONE]\n\n";
    assert_eq!(through(&mut openai(redacting()), stream), stream.replace("a@b.com", "[EMAIL]"));
}

#[test]
fn nothing_is_lost_of_events_with_several_texts() {
    let chunk = |first: &str, second: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{first}\"}}}},{{\"index\":1,\"delta\":{{\"refusal\":\"{second}\"}}}}]}}\n\n"
        )
    };
    let stream =
        chunk("Hello wor", "a@") + &chunk("ld is", "b.com no") + &chunk(" it", "t so") + DONE;
    let out = through(&mut openai(redacting()), &stream);
    assert_eq!(collected(&out, "content"), "Hello world is it");
    assert_eq!(collected(&out, "refusal"), "[EMAIL] not so");
}

#[test]
fn an_event_that_only_looks_like_the_one_before_is_read_as_a_whole() {
    let text = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    // The second has more members inside of what was text before, one of them with a value.
    let other = text(r#"x","refusal":"a@b.com"#);
    let stream = [text("one"), other, text(" two"), text(r#" \"q\" "#), text("\\\\"), text(" end")]
        .concat()
        + DONE;
    let out = through(&mut openai(redacting()), &stream);
    assert_eq!(collected(&out, "content"), "onex two \"q\" \\ end");
    assert_eq!(collected(&out, "refusal"), "[EMAIL]");
}

#[test]
fn answers_in_json_mode_are_inspected_without_their_escapes_and_stay_json() {
    let answer = r#"{"t": "a\nann@example.com", "c": "n\t4111 1111 1111 1111", "n": 4111111111111111 , "ok": true}"#;
    let expected =
        r#"{"t": "a\n[EMAIL]", "c": "n\t[CREDIT_CARD]", "n": "[CREDIT_CARD]" , "ok": true}"#;
    for len in [1, 2, 5, 200] {
        let pieces: Vec<_> =
            answer.as_bytes().chunks(len).map(|p| std::str::from_utf8(p).unwrap()).collect();
        let out = through(&mut openai(redacting()), &(chunks(0, CONTENT, &pieces) + DONE));
        assert_eq!(collected(&out, "content"), expected, "pieces of {len}");
    }
}

#[test]
fn what_only_begins_like_json_is_inspected_as_text() {
    for (text, expected) in [
        ("{ann@example.com}", "{[EMAIL]}"),
        ("{nann@example.com}", "{[EMAIL]}"),
        ("{4111 1111 1111 1111}", "{[CREDIT_CARD]}"),
        (r#"{"a": 4111 1111 1111 1111}"#, r#"{"a": [CREDIT_CARD]}"#),
        (r#"{"a": 4111"#, r#"{"a": 4111"#),
        ("{name} is true", "{name} is true"),
    ] {
        for len in [1, 3, 100] {
            let pieces: Vec<_> =
                text.as_bytes().chunks(len).map(|p| std::str::from_utf8(p).unwrap()).collect();
            let out = through(&mut openai(redacting()), &(chunks(0, CONTENT, &pieces) + DONE));
            assert_eq!(collected(&out, "content"), expected, "pieces of {len}");
        }
    }
}

#[test]
fn a_stream_with_carriage_returns_passes_byte_for_byte() {
    let lines = chunks(0, CONTENT, &["It", " is", " fi", "ne", "."]) + DONE;
    for end in ["\r\n", "\r"] {
        let stream = lines.replace('\n', end);
        assert_eq!(through(&mut openai(redacting()), &stream), stream);
    }
}
