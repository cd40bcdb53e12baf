//! Streams that are made up.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::accumulate::Api;

/// What one choice of a model says: a kind of text, and its pieces.
pub(crate) type Said = Vec<(usize, Vec<String>)>;

/// Words of prose, with what looks like the beginning of a value.
const WORDS: [&str; 20] = [
    " It",
    " is",
    " the",
    " river,",
    "\n",
    " 4111",
    " 17",
    " a@",
    "x",
    ".",
    " sk-",
    " [EMAIL",
    "_1]",
    " \u{e9}\u{1F600}",
    " \"q\\\"",
    " https://",
    " {",
    "}",
    " not so much",
    " and so on, for ever.",
];

/// Values that are redacted, in pieces, and what takes their place.
pub(crate) const VALUES: [(&[&str], &str); 3] = [
    (&[" ann", "@exam", "ple.com"], "[EMAIL]"),
    (&[" 4111 11", "11 1111", " 1111"], "[CREDIT_CARD]"),
    (&[" DE89 3704 0044", " 0532 0130 ", "00"], "[IBAN]"),
];

/// Pieces of a text; with values, if asked.
fn pieces(values: bool) -> impl Strategy<Value = Vec<String>> {
    let word = (0..WORDS.len()).prop_map(|word| vec![WORDS[word].to_owned()]);
    let value = (0..VALUES.len()).prop_map(|value| {
        let (pieces, _) = VALUES[value];
        let pieces = pieces.iter().map(|piece| (*piece).to_owned());
        [" so".to_owned()].into_iter().chain(pieces).chain([" then".to_owned()]).collect()
    });
    let one = prop_oneof![4 => word, u32::from(values) => value];
    let benign = move |text: &Vec<String>| values || !text.concat().contains("4111 1");
    prop::collection::vec(one, 1..7).prop_map(|list| list.concat()).prop_filter("benign", benign)
}

/// What a choice says: kinds of text one after the other.
pub(crate) fn said(values: bool) -> impl Strategy<Value = Said> {
    prop::collection::vec((0..4usize, pieces(values)), 1..5)
}

/// The arguments of a call that say a text.
fn arguments(text: &str) -> String {
    json!({"n": 17, "of": {"text": text}, "body": json!({"deep": text}).to_string()}).to_string()
}

/// Cuts a text into pieces of so many characters.
fn cut(text: &str, len: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(len).map(|piece| piece.iter().collect()).collect()
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn named(value: &Value) -> String {
    format!("event: {}\n{}", value["type"].as_str().unwrap(), data(value))
}

/// Events of several choices, one of each in turn.
fn together(choices: Vec<Vec<String>>) -> String {
    let longest = choices.iter().map(Vec::len).max().unwrap_or(0);
    let turn = |at: usize| choices.iter().filter_map(move |events| events.get(at).cloned());
    (0..longest).flat_map(turn).collect()
}

/// A stream of an API in which choices say something; `packed` says how often things come together in
/// one event.
pub(crate) fn stream(api: Api, said: &[Said], packed: usize) -> String {
    match api {
        Api::Chat | Api::Text => chat(api, said, packed),
        Api::Responses => responses(&said[0]),
        Api::Messages => messages(&said[0]),
        Api::Gemini | Api::GeminiArray => gemini(api, said, packed),
    }
}

/// The deltas of one choice.
fn deltas(said: &Said, packed: usize) -> Vec<Value> {
    let mut deltas = Vec::new();
    for (number, (kind, pieces)) in said.iter().enumerate() {
        match kind {
            0 => deltas.extend(pieces.iter().map(|piece| json!({"content": piece}))),
            1 => deltas.extend(pieces.iter().map(|piece| json!({"reasoning_content": piece}))),
            2 => deltas.extend(pieces.iter().map(|piece| json!({"refusal": piece}))),
            _ => {
                let arguments = arguments(&pieces.concat());
                let name = json!({"name": "get_weather", "arguments": ""});
                let mut call = json!({"index": number, "id": format!("call_{number}"), "type": "function", "function": name});
                if packed == 1 {
                    call["function"]["arguments"] = Value::String(arguments);
                    call["extra_content"] = json!({"google": {"thought_signature": "c2ln"}});
                    deltas.push(json!({"tool_calls": [call]}));
                    continue;
                }
                deltas.push(json!({"tool_calls": [call]}));
                let piece = |piece: String| json!({"tool_calls": [{"index": number, "function": {"arguments": piece}}]});
                deltas.extend(cut(&arguments, 1 + packed * 3).into_iter().map(piece));
            }
        }
    }
    deltas
}

fn chat(api: Api, said: &[Said], packed: usize) -> String {
    let chunk = |index: usize, delta: &Value, finish: Value| {
        let choice = match api {
            Api::Text => {
                let text = delta.as_object().unwrap().values().next().and_then(Value::as_str);
                json!({"index": index, "text": text.unwrap_or_default(), "logprobs": null, "finish_reason": finish})
            }
            _ => json!({"index": index, "delta": delta, "finish_reason": finish}),
        };
        data(
            &json!({"id": "c1", "object": "chat.completion.chunk", "created": 17, "model": "m", "choices": [choice]}),
        )
    };
    let events = |(index, said): (usize, &Said)| {
        let mut deltas = deltas(said, packed);
        if api == Api::Text {
            deltas.retain(|delta| delta.as_object().unwrap().values().all(Value::is_string));
        }
        // Some deltas come with the one before, as servers do that send less often.
        let mut merged: Vec<Value> = vec![json!({"role": "assistant", "content": ""})];
        for (number, delta) in deltas.into_iter().enumerate() {
            let last = merged.last_mut().unwrap().as_object_mut().unwrap();
            // A completion has one text only.
            let apart = api != Api::Text
                && delta.as_object().unwrap().keys().all(|key| !last.contains_key(key));
            match delta {
                Value::Object(delta) if packed > 1 && number % packed == 0 && apart => {
                    last.extend(delta)
                }
                delta => merged.push(delta),
            }
        }
        let mut events: Vec<_> = merged.iter().map(|d| chunk(index, d, Value::Null)).collect();
        if packed == 3 {
            let cited =
                json!({"annotations": [{"type": "url_citation", "url_citation": {"title": "T"}}]});
            events.insert(events.len() / 2, chunk(index, &cited, Value::Null));
        }
        events.push(chunk(index, &json!({}), json!("stop")));
        events
    };
    let usage = json!({"id": "c1", "choices": [], "usage": {"prompt_tokens": 3}});
    together(said.iter().enumerate().map(events).collect()) + &data(&usage) + "data: [DONE]\n\n"
}

fn responses(said: &Said) -> String {
    let mut number = 0;
    let mut stream = String::new();
    let mut push = |kind: &str, members: Value| {
        let mut event = json!({"type": format!("response.{kind}"), "sequence_number": number});
        event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        number += 1;
        stream.push_str(&named(&event));
    };
    push("created", json!({"response": {"id": "r", "output": []}}));
    for (index, (kind, pieces)) in said.iter().enumerate() {
        let (subject, member) = match kind {
            0 => ("output_text", "text"),
            1 => ("reasoning_summary_text", "text"),
            2 => ("refusal", "refusal"),
            _ => ("function_call_arguments", "arguments"),
        };
        let text = if *kind == 3 { arguments(&pieces.concat()) } else { pieces.concat() };
        let item = json!({"id": "i", "type": "message", "content": []});
        push("output_item.added", json!({"output_index": index, "item": item}));
        let pieces = if *kind == 3 { cut(&text, 5) } else { pieces.clone() };
        for piece in pieces {
            let place = json!({"item_id": "i", "output_index": index, "content_index": 0, "delta": piece, "logprobs": []});
            push(&format!("{subject}.delta"), place);
        }
        let done = json!({"item_id": "i", "output_index": index, "content_index": 0, member: text});
        push(&format!("{subject}.done"), done);
        push("output_item.done", json!({"output_index": index, "item": item}));
    }
    push("completed", json!({"response": {"id": "r", "usage": {"output_tokens": 3}}}));
    stream
}

fn messages(said: &Said) -> String {
    let mut stream = named(
        &json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "content": []}}),
    );
    for (index, (kind, pieces)) in said.iter().enumerate() {
        let (block, delta, member) = match kind {
            0 | 2 => (json!({"type": "text", "text": ""}), "text_delta", "text"),
            1 => (json!({"type": "thinking", "thinking": ""}), "thinking_delta", "thinking"),
            _ => (
                json!({"type": "tool_use", "id": format!("toolu_{index}"), "name": "f", "input": {}}),
                "input_json_delta",
                "partial_json",
            ),
        };
        let event = |kind: &str, name: &str, value: &Value| {
            named(&json!({"type": kind, "index": index, name: value}))
        };
        stream += &event("content_block_start", "content_block", &block);
        stream += "event: ping\ndata: {\"type\": \"ping\"}\n\n";
        let pieces = if *kind == 3 { cut(&arguments(&pieces.concat()), 7) } else { pieces.clone() };
        for piece in pieces {
            stream +=
                &event("content_block_delta", "delta", &json!({"type": delta, member: piece}));
        }
        if *kind == 1 {
            let signature = json!({"type": "signature_delta", "signature": "c2ln"});
            stream += &event("content_block_delta", "delta", &signature);
        }
        stream += &named(&json!({"type": "content_block_stop", "index": index}));
    }
    stream += &named(
        &json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
    );
    stream + &named(&json!({"type": "message_stop"}))
}

fn gemini(api: Api, said: &[Said], packed: usize) -> String {
    let chunk = |index: usize, parts: &[Value], finish: bool| {
        let mut candidate = json!({"index": index, "content": {"role": "model", "parts": parts}});
        if finish {
            candidate["finishReason"] = json!("STOP");
        }
        json!({"candidates": [candidate], "usageMetadata": {"totalTokenCount": 3 + index}, "modelVersion": "g"})
    };
    let events = |(index, said): (usize, &Said)| {
        let mut parts = Vec::new();
        for (kind, pieces) in said {
            match kind {
                0 => parts.extend(pieces.iter().map(|piece| json!({"text": piece}))),
                1 => parts.extend(pieces.iter().map(|piece| json!({"text": piece, "thought": true}))),
                2 => parts.push(json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})),
                _ => parts.push(json!({"functionCall": {"name": "f", "args": {"text": pieces.concat()}}, "thoughtSignature": "c2ln"})),
            }
        }
        let mut events: Vec<_> =
            parts.chunks(packed).map(|parts| chunk(index, parts, false).to_string()).collect();
        events.push(chunk(index, &[], true).to_string());
        events
    };
    let choices: Vec<Vec<String>> = said.iter().enumerate().map(events).collect();
    if api == Api::Gemini {
        let event = |event: String| format!("data: {event}\r\n\r\n");
        let choices = choices.into_iter().map(|events| events.into_iter().map(event).collect());
        return together(choices.collect());
    }
    let element = |event: String| format!("{event}\n,\r\n");
    let choices = choices.into_iter().map(|events| events.into_iter().map(element).collect());
    let elements = together(choices.collect());
    format!("[{}\n]\n", elements.trim_end().trim_end_matches(','))
}
