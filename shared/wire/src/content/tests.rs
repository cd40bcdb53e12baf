use super::*;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Every text of a body, `role:text`, with `@` before arguments, `#` before numbers, `:` before keys.
fn shown(json: &str, side: Side) -> Vec<String> {
    let tape = Tape::read(json.as_bytes()).unwrap();
    let texts = Texts::of(&tape, json.as_bytes(), side);
    texts.fields.iter().map(|field| show(json, field)).collect()
}

fn show(json: &str, field: &TextField) -> String {
    let mark = match field.form {
        Form::String => "",
        Form::Arguments => "@",
        Form::Number => "#",
        Form::Key => ":",
    };
    let role = field.role.as_ref().map(Role::name).unwrap_or_default();
    format!("{role}{mark}|{}", &json[field.span.clone()])
}

#[test]
fn requests_show_every_text_with_who_says_it() {
    let cases: Vec<(&str, Vec<&str>)> = vec![
        (
            r#"{"model":"m","messages":[{"role":"system","content":"a"},{"content":[{"type":"text","text":"b"}],"role":"user","name":"c"}]}"#,
            vec!["system|a", "user|b", "user|c"],
        ),
        (
            r#"{"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"q\":1}"}}]},{"role":"tool","tool_call_id":"i","content":"r"}]}"#,
            vec![r#"assistant@|{\"q\":1}"#, "tool|r"],
        ),
        (
            r#"{"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","maximum":7}}}],"prompt":["p","q"]}"#,
            vec!["system|d", "user|p", "user|q"],
        ),
        (
            r#"{"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"type":"x"}}]}]}"#,
            vec!["system|s", "tool|r", "assistant:|input", "assistant:|type", "assistant|x"],
        ),
        (
            r#"{"instructions":"s","input":[{"type":"message","role":"user","content":"u"},{"type":"function_call_output","call_id":"c","output":"o"}]}"#,
            vec!["system|s", "user|u", "tool|o"],
        ),
        (r#"{"input":"u","metadata":{"k":"v"}}"#, vec!["user|u", ":|metadata", ":|k", "|v"]),
        (
            r#"{"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"model","parts":[{"functionCall":{"name":"n","args":{"a":"b"}}}]}]}"#,
            vec!["system|s", "model:|args", "model:|a", "model|b"],
        ),
        (r#"{"query":"q","documents":["d",{"text":"e"}]}"#, vec!["user|q", "user|d", "user|e"]),
        (
            r#"{"inputs":[{"name":"text","datatype":"BYTES","data":["x"]}]}"#,
            vec!["user|text", "user|BYTES", "user|x"],
        ),
    ];
    for (json, expected) in cases {
        assert_eq!(shown(json, Side::Request), expected, "{json}");
    }
}

#[test]
fn responses_show_every_text_but_what_steers_the_protocol() {
    let json = r#"{"id":"i","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","refusal":"b","reasoning_content":"c","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}],"audio":{"id":"x","data":"AAAA","transcript":"tr"}},"logprobs":{"content":[{"token":"a"}]},"finish_reason":"stop"}]}"#;
    assert_eq!(shown(json, Side::Response), ["|a", "|b", "|c", "|u", "|t", "|x", "|tr"]);
    let tape = Tape::read(json.as_bytes()).unwrap();
    let texts = Texts::of(&tape, json.as_bytes(), Side::Response);
    assert_eq!(texts.opaque, [json.find("\"AAAA").unwrap()]);
    let [logprobs] = &texts.logprobs[..] else { panic!("one choice has log probabilities") };
    assert_eq!(&json[logprobs.value.clone()], r#"{"content":[{"token":"a"}]}"#);
    assert!(json[logprobs.owner.clone()].starts_with(r#"{"index":0"#));
}

#[test]
fn what_cannot_be_inspected_is_named() {
    for (json, opaque) in [
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}]}"#,
            1,
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}"#,
            1,
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]}"#,
            1,
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}}]}]}"#,
            0,
        ),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}]}]}"#,
            1,
        ),
        (r#"{"prompt":[1,2]}"#, 2),
        (r#"{"prompt":[[1],[2]]}"#, 2),
        (r#"{"max_tokens":5,"logit_bias":{"5":1}}"#, 0),
    ] {
        let tape = Tape::read(json.as_bytes()).unwrap();
        let texts = Texts::of(&tape, json.as_bytes(), Side::Request);
        assert_eq!(texts.opaque.len(), opaque, "{json}");
    }
}

#[test]
fn a_key_given_twice_is_noticed_however_it_is_escaped() {
    for (json, second) in [
        (r#"{"a":1,"b":2}"#, None),
        (r#"{"a":1,"a":2}"#, Some(8)),
        (r#"{"messages":[{"content":"x","\u0063ontent":"y"}]}"#, Some(29)),
        (r#"{"metadata":{"a":1,"a":2}}"#, None),
    ] {
        let tape = Tape::read(json.as_bytes()).unwrap();
        assert_eq!(Texts::of(&tape, json.as_bytes(), Side::Request).duplicate, second, "{json}");
    }
}

#[test]
fn every_text_of_free_json_is_shown() {
    let json = r#"[{"k":"v","n":12.5e3},["w",null]]"#;
    let tape = Tape::read(json.as_bytes()).unwrap();
    let texts = Texts::of_any(&tape, json.as_bytes());
    let shown: Vec<_> = texts.fields.iter().map(|field| show(json, field)).collect();
    assert_eq!(shown, [":|k", "|v", ":|n", "#|12.5e3", "|w"]);
    assert_eq!(&json[texts.fields[1].key.clone()], "k");
}

fn event(json: &str) -> EventTexts {
    EventTexts::of(&Tape::read(json.as_bytes()).unwrap(), json.as_bytes(), None)
}

fn deltas(json: &str) -> Vec<(String, Channel)> {
    let event = event(json);
    assert!(event.known, "{json}");
    event.deltas.iter().map(|d| (json[d.span.clone()].to_owned(), d.channel)).collect()
}

#[test]
fn each_choice_tool_call_and_kind_of_text_is_a_channel_of_its_own() {
    let chunk = |index: u32, tool: u32, text: &str| {
        format!(
            r#"{{"choices":[{{"delta":{{"content":"{text}","reasoning_content":"r","tool_calls":[{{"index":{tool},"id":"i","function":{{"name":"n","arguments":"a"}}}}]}},"index":{index}}}]}}"#
        )
    };
    let first = deltas(&chunk(0, 0, "a"));
    assert_eq!(first.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["a", "r", "a"]);
    let channels = |chunk: &str| deltas(chunk).into_iter().map(|(_, c)| c).collect::<Vec<_>>();
    let mut all = channels(&chunk(0, 0, "a"));
    assert_eq!(all, channels(&chunk(0, 0, "b")), "the next chunk continues them");
    all.extend(channels(&chunk(1, 0, "a")));
    all.push(channels(&chunk(0, 1, "a"))[2]);
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 7);
    let whole = event(&chunk(0, 0, "a")).whole;
    assert!(whole.fields.is_empty(), "the name comes whole, and is no text");
}

#[test]
fn every_dialect_says_what_goes_on_and_what_ends() {
    let cases: Vec<(&str, usize, Vec<Ended>)> = vec![
        (
            r#"{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#,
            0,
            vec![Ended::Scope(Scope(1))],
        ),
        (r#"{"choices":[{"index":0,"text":"t","finish_reason":null}]}"#, 1, vec![]),
        // Some servers tell usage between their chunks.
        (r#"{"choices":[],"usage":{"prompt_tokens":1}}"#, 0, vec![]),
        (r#"{"choices":[{"index":0,"delta":{},"finish_reason":"null"}]}"#, 0, vec![]),
        (
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"t"}}"#,
            1,
            vec![],
        ),
        (
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"t"}}"#,
            0,
            vec![],
        ),
        (r#"{"type":"content_block_stop","index":1}"#, 0, vec![Ended::Scope(Scope(1))]),
        (r#"{"type":"message_stop"}"#, 0, vec![Ended::All]),
        (
            r#"{"type":"response.output_text.delta","output_index":2,"content_index":0,"delta":"t"}"#,
            1,
            vec![],
        ),
        (
            r#"{"type":"response.output_item.done","output_index":2,"item":{}}"#,
            0,
            vec![Ended::Scope(Scope(2))],
        ),
        (r#"{"type":"response.completed","response":{"output":[]}}"#, 0, vec![Ended::All]),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"t"}]},"finishReason":"STOP"}]}"#,
            1,
            vec![Ended::Scope(Scope(0))],
        ),
        (r#"{"text_output":"t","model_name":"m"}"#, 1, vec![]),
        (r#"{"error":{"message":"m"}}"#, 0, vec![Ended::All]),
    ];
    for (json, count, ended) in cases {
        let event = event(json);
        assert!(event.known, "{json}");
        assert_eq!((event.deltas.len(), event.ended), (count, ended), "{json}");
    }
    let delta = event(r#"{"type":"response.refusal.delta","delta":"t"}"#).deltas[0].channel;
    let done = event(r#"{"type":"response.refusal.done","refusal":"t"}"#);
    assert_eq!(done.ended, [Ended::Channel(delta)]);
    for json in [r#"{"type":"telepathy","text":"t"}"#, r#"{"x":1}"#, "[]"] {
        assert!(!event(json).known, "{json}");
    }
}

#[test]
fn a_signed_text_and_arguments_are_marked() {
    let thinking = r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"t"}}"#;
    assert!(event(thinking).deltas[0].signed);
    let input = r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}"#;
    assert_eq!(event(input).deltas[0].form, Form::Arguments);
}

/// An object in which one member stands a hundred thousand times: whatever is asked about the object
/// for each of them is asked once, or this would not end.
#[test]
fn an_object_of_very_many_texts_is_walked_once() {
    let texts = |json: &str, side| {
        Texts::of(&Tape::read(json.as_bytes()).unwrap(), json.as_bytes(), side).fields.len()
    };
    let thinking = vec![r#""thinking":"a""#; 100_000].join(",");
    let thinking = format!(r#"{{"content":[{{{thinking}}}]}}"#);
    assert_eq!(texts(&thinking, Side::Response), 100_000);
    let (role, parts) = ("r".repeat(100_000), vec![r#""a""#; 100_000].join(","));
    let said = format!(r#"{{"messages":[{{"role":"{role}","content":[{parts}]}}]}}"#);
    // The role itself is none that is known, so it is a text, too.
    assert_eq!(texts(&said, Side::Request), 100_001);
}
