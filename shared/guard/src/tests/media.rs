//! Encoded media wherever they stand.

use weir_wire::edit;

use super::policy;
use super::streams::{DONE, openai, through};
use crate::{Watch, inspect_request, inspect_response};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A picture in whose Base64 a card's number stands.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4+/4111111111111111/gP+AAAAAElFTkSuQmCC";

fn watch(on_unscannable: &str) -> Watch {
    Watch::new(policy(&format!(
        r#"{{"rules":[{{"rules":["pii","secrets","encoded"],"action":"redact"}}],"on_unscannable":"{on_unscannable}"}}"#
    )))
}

fn whole(body: &str) -> (String, String) {
    let inspected = inspect_response(&watch("flag"), body.as_bytes(), true);
    let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
    (String::from_utf8(edited).unwrap(), inspected.report.summary())
}

fn bodies() -> Vec<String> {
    let url = format!("data:image/png;base64,{PNG}");
    let escaped = PNG.replace('/', "\\/");
    vec![
        format!(
            r#"{{"choices":[{{"message":{{"content":"x","images":[{{"type":"image_url","image_url":{{"url":"{url}"}}}}]}}}}]}}"#
        ),
        format!(r#"{{"choices":[{{"message":{{"content":"{url}"}}}}]}}"#),
        format!(r#"{{"output":[{{"type":"image_generation_call","id":"i","result":"{PNG}"}}]}}"#),
        format!(
            r#"{{"output":[{{"type":"image_generation_call","id":"i","result":"{escaped}"}}]}}"#
        ),
        format!(r#"{{"a_new_field":[{{"picture":"{PNG}"}}]}}"#),
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"mimeType":"image/png","data":"{PNG}"}}}}]}}}}]}}"#
        ),
        format!(
            r#"{{"output":[{{"type":"mcp_call","id":"m","output":"[{{\"type\":\"image\",\"data\":\"{PNG}\",\"mimeType\":\"image/png\"}}]"}}]}}"#
        ),
    ]
}

#[test]
fn a_picture_is_counted_and_never_edited() {
    for body in bodies() {
        assert_eq!(whole(&body), (body.clone(), "flag unscannable.media=1".to_owned()));
        let refused = inspect_response(&watch("block"), body.as_bytes(), true);
        assert!(refused.refusal.is_some(), "{body}");
    }
}

#[test]
fn a_tools_picture_in_a_request_is_one_too() {
    let body = format!(
        r#"{{"messages":[{{"role":"tool","tool_call_id":"c","content":"{{\"content\":[{{\"type\":\"image\",\"data\":\"{PNG}\"}},{{\"text\":\"ann@example.com\"}}]}}"}}]}}"#
    );
    let policy = watch("flag").policy;
    let inspected = inspect_request(&policy, body.as_bytes(), true, false).inspected;
    let edited = edit::apply(body.as_bytes(), &inspected.edits).unwrap();
    assert_eq!(String::from_utf8(edited).unwrap(), body.replace("ann@example.com", "[EMAIL]"));
    assert!(inspected.report.summary().contains("flag unscannable.media=1"));
}

#[test]
fn text_that_begins_like_a_picture_is_text() {
    for text in [
        format!("{PNG} 4111 1111 1111 1111"),
        format!("data:image/png;base64,{} 4111 1111 1111 1111", &PNG[..59]),
        "iVBORw0KGgo 4111 1111 1111 1111".to_owned(),
        format!("{} 4111 1111 1111 1111", &PNG[..40]),
    ] {
        let (edited, _) =
            whole(&format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#));
        assert!(edited.contains("[CREDIT_CARD]") && !edited.contains("4111 1111"), "{edited}");
        assert!(!text.contains(PNG) || edited.contains(PNG), "{edited}");
    }
}

#[test]
fn what_was_found_or_cited_is_text_and_no_medium() {
    let body = r#"{"output":[{"type":"file_search_call","id":"s","results":[{"file_id":"file-1","filename":"a.pdf","text":"ask ann@example.com"}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"x","annotations":[{"type":"file_citation","file_id":"file-1","filename":"a.pdf","index":1}]}]}]}"#;
    let (edited, report) = whole(body);
    assert_eq!(edited, body.replace("ann@example.com", "[EMAIL]"));
    assert_eq!(report, "redact pii.email=1");
}

fn stream(events: &[String]) -> (String, String, String) {
    let stream: String =
        events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>() + DONE;
    let mut guard = openai(watch("flag"));
    let out = through(&mut guard, &stream);
    (stream, out, guard.report().summary())
}

#[test]
fn a_streamed_picture_is_never_edited() {
    for event in [
        format!(
            r#"{{"type":"response.image_generation_call.partial_image","item_id":"i","partial_image_b64":"{PNG}"}}"#
        ),
        format!(
            r#"{{"type":"response.output_item.done","output_index":0,"item":{{"type":"image_generation_call","result":"{PNG}"}}}}"#
        ),
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"","images":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{PNG}"}}}}]}}}}]}}"#
        ),
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"inlineData":{{"mimeType":"image/png","data":"{PNG}"}}}}]}}}}]}}"#
        ),
        format!(r#"{{"type":"telepathy","picture":"{PNG}"}}"#),
    ] {
        let (stream, out, report) = stream(std::slice::from_ref(&event));
        assert_eq!(out, stream);
        assert_eq!(report, "flag unscannable.media=1", "{event}");
    }
}

#[test]
fn pieces_of_sound_have_no_head_of_their_own() {
    let audio = |data: &str, transcript: &str| {
        format!(
            r#"{{"choices":[{{"index":0,"delta":{{"audio":{{"id":"a","data":"{data}","transcript":"{transcript}"}}}}}}]}}"#
        )
    };
    let events =
        [audio("4111111111111111", "I am "), audio("AA/4111111111111111", "ann@example.com")];
    let (_, out, _) = stream(&events);
    assert!(out.matches("4111111111111111").count() == 2 && out.contains("[EMAIL]"), "{out}");
    let delta = |data: &str| format!(r#"{{"type":"response.audio.delta","delta":"{data}"}}"#);
    let (stream, out, _) = stream(&[delta("4111111111111111"), delta("AA/4111111111111111")]);
    assert_eq!(out, stream);
}

#[test]
fn a_channel_that_begins_with_a_picture_is_one_until_text_comes() {
    let delta =
        |text: &str| format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{text}"}}}}]}}"#);
    let pieces = [
        PNG.get(..60).unwrap(),
        "AA/4111111111111111/AA",
        "AAAA==",
        " pay 4111 1111 ",
        "1111 1111 now",
    ];
    let events: Vec<String> = pieces.iter().map(|piece| delta(piece)).collect();
    let (_, out, report) = stream(&events);
    assert!(out.contains("AA/4111111111111111/AA") && out.contains("[CREDIT_CARD]"), "{out}");
    assert!(!out.contains("4111 1111"), "{out}");
    assert_eq!(report, "flag unscannable.media=1 redact pii.credit_card=1");
}

#[test]
fn an_error_event_that_is_no_json_is_a_sentence() {
    let stream = "event: error\ndata: upstream died, ask ann@example.com\n\n";
    let mut guard = openai(watch("block"));
    assert_eq!(through(&mut guard, stream), stream.replace("ann@example.com", "[EMAIL]"));
    assert_eq!(guard.report().summary(), "redact pii.email=1");
}
