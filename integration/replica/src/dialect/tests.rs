//! What holds for every dialect: a stream says what the document says.

use super::*;
use crate::reply::{Choice, Cut, Part, ToolCall};
use serde_json::json;

const STREAMED: [Dialect; 4] =
    [Dialect::Chat, Dialect::Completions, Dialect::Responses, Dialect::Messages];

fn completion(parts: Vec<Part>, choices: usize) -> Completion {
    let choice = Choice { parts, finish: "stop".to_owned() };
    Completion {
        id: 7,
        created: 1,
        model: "m".to_owned(),
        choices: vec![choice; choices],
        cut: Cut::Chars(2),
        usage: Usage { prompt: 20, cached: 16, completion: 5 },
        include_usage: true,
        logprobs: None,
    }
}

fn tool_call() -> Part {
    let [id, name, arguments] = ["c", "f", r#"{"a":"é"}"#].map(str::to_owned);
    Part::ToolCall(ToolCall { id, name, arguments })
}

fn documents(steps: &[Step]) -> Vec<Value> {
    let text: String = steps.iter().map(|step| std::str::from_utf8(&step.bytes).unwrap()).collect();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}

/// All strings at `pointer` of the events, joined.
fn streamed(events: &[Value], pointer: &str) -> String {
    events.iter().filter_map(|event| event.pointer(pointer)?.as_str()).collect()
}

#[test]
fn streamed_text_is_the_text_of_the_document() {
    let cases = [
        (Dialect::Chat, "/choices/0/message/content", "/choices/0/delta/content"),
        (Dialect::Completions, "/choices/0/text", "/choices/0/text"),
        (Dialect::Messages, "/content/0/text", "/delta/text"),
        (Dialect::Responses, "/output/0/content/0/text", "/delta"),
    ];
    let reply = completion(vec![Part::Content("naïve text".to_owned())], 1);
    for (dialect, whole, delta) in cases {
        let document = reply.document(dialect);
        assert_eq!(document.pointer(whole).unwrap(), "naïve text", "{document}");
        assert_eq!(streamed(&documents(&reply.stream(dialect)), delta), "naïve text");
    }
}

#[test]
fn the_last_step_is_the_proper_end_and_nothing_else() {
    let reply = completion(vec![Part::Content("a b".to_owned())], 2);
    let ends = [
        "data: [DONE]\n\n",
        "data: [DONE]\n\n",
        "event: response.completed\n",
        "event: message_stop\n",
    ];
    for (dialect, end) in STREAMED.into_iter().zip(ends) {
        let steps = reply.stream(dialect);
        let last = std::str::from_utf8(&steps.last().unwrap().bytes).unwrap();
        assert!(last.starts_with(end) && last.matches("data: ").count() == 1, "{last}");
    }
}

#[test]
fn every_piece_is_paced_as_one_token() {
    let reply = completion(vec![Part::Content("abcdef".to_owned()), tool_call()], 2);
    for dialect in STREAMED {
        let paced = reply.stream(dialect).iter().filter(|step| step.paced).count();
        assert_eq!(paced, 3 + 5, "{dialect:?}");
    }
}

#[test]
fn chat_choices_are_interleaved_and_keep_their_index() {
    let reply = completion(vec![Part::Content("abcd".to_owned())], 2);
    let events = documents(&reply.stream(Dialect::Chat));
    let with_text = events.iter().filter(|event| {
        event.pointer("/choices/0/delta/content").is_some_and(|content| content != "")
    });
    let order: Vec<_> = with_text.map(|event| event["choices"][0]["index"].clone()).collect();
    assert_eq!(order, [0, 1, 0, 1]);
}

#[test]
fn tool_arguments_arrive_in_pieces_behind_the_name() {
    let reply = completion(vec![tool_call()], 1);
    let chat = documents(&reply.stream(Dialect::Chat));
    let call = "/choices/0/delta/tool_calls/0/function";
    assert_eq!(streamed(&chat, &format!("{call}/arguments")), r#"{"a":"é"}"#);
    assert_eq!(streamed(&chat, &format!("{call}/name")), "f");
    let messages = documents(&reply.stream(Dialect::Messages));
    assert_eq!(streamed(&messages, "/delta/partial_json"), r#"{"a":"é"}"#);
    assert_eq!(reply.document(Dialect::Messages)["content"][0]["input"], json!({"a": "é"}));
}

#[test]
fn channels_keep_apart() {
    let parts = vec![Part::Reasoning("why".into()), Part::Refusal("no".into())];
    let reply = completion(parts, 1);
    let message = &reply.document(Dialect::Chat)["choices"][0]["message"];
    assert_eq!(message["reasoning_content"], "why");
    assert_eq!((&message["refusal"], &message["content"]), (&json!("no"), &Value::Null));
    let kinds: Vec<_> = documents(&reply.stream(Dialect::Responses))
        .iter()
        .filter_map(|event| event["type"].as_str()?.strip_suffix(".done").map(str::to_owned))
        .filter(|kind| !kind.contains("item") && !kind.contains("part"))
        .collect();
    assert_eq!(kinds, ["response.reasoning_text", "response.refusal"]);
}

#[test]
fn usage_is_told_in_the_dialects_own_terms() {
    let reply = completion(vec![Part::Content("a".to_owned())], 1);
    let cases = [
        (Dialect::Chat, "/usage/prompt_tokens_details/cached_tokens", 16),
        (Dialect::Chat, "/usage/total_tokens", 25),
        (Dialect::Completions, "/usage/prompt_tokens", 20),
        (Dialect::Responses, "/usage/input_tokens_details/cached_tokens", 16),
        (Dialect::Messages, "/usage/cache_read_input_tokens", 16),
        (Dialect::Messages, "/usage/input_tokens", 4),
        (Dialect::Messages, "/usage/output_tokens", 5),
    ];
    for (dialect, pointer, expected) in cases {
        assert_eq!(reply.document(dialect).pointer(pointer), Some(&json!(expected)), "{pointer}");
    }
    let silent = Completion { include_usage: false, ..reply };
    let events = documents(&silent.stream(Dialect::Chat));
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[test]
fn logprobs_repeat_each_token_with_its_bytes() {
    let reply = completion(vec![Part::Content("aé".to_owned())], 1);
    let reply = Completion { logprobs: Some(1), cut: Cut::Chars(1), ..reply };
    let tokens = &reply.document(Dialect::Chat)["choices"][0]["logprobs"]["content"];
    assert_eq!(tokens[1]["bytes"], json!([0xc3, 0xa9]));
    assert_eq!(tokens[1]["top_logprobs"][0]["token"], "é");
    let streamed = documents(&reply.stream(Dialect::Chat));
    assert_eq!(streamed[2]["choices"][0]["logprobs"]["content"], json!([tokens[1]]));
    let offsets = &reply.document(Dialect::Completions)["choices"][0]["logprobs"]["text_offset"];
    assert_eq!(offsets, &json!([0, 1]));
}
