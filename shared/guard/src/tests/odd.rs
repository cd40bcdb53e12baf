//! What servers send that is odd, and that clients read.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::streams::{CONTENT, DONE, chunks, openai, redacting, through};
use crate::{StreamGuard, Watch};

/// The same whatever the chunks are.
fn in_any_pieces(guard: impl Fn() -> StreamGuard, stream: &[u8]) -> String {
    let of = |len: usize| {
        let (mut guard, mut out) = (guard(), Vec::new());
        stream.chunks(len).for_each(|chunk| guard.push(chunk, &mut out));
        guard.finish(&mut out);
        String::from_utf8(out).unwrap()
    };
    let whole = of(stream.len());
    for len in [1, 2, 5, 64] {
        assert_eq!(of(len), whole, "in pieces of {len}");
    }
    whole
}

fn redacted(stream: &str) -> String {
    in_any_pieces(|| openai(redacting()), stream.as_bytes())
}

#[test]
fn a_character_that_is_cut_in_two_events_arrives_whole() {
    let event = |text: &str| {
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let stream = [r"Hi \ud83d", r"\ude00, 4111 1111 1111 1111 \ud83d", r"\ude01"].map(event);
    let out = redacted(&(stream.concat() + DONE));
    let expected = ["Hi ", "\u{1F600}, [CREDIT_CARD] ", r"\ud83d\ude01"].map(event);
    assert_eq!(out, expected.concat() + DONE);
    // One that never gets its other half, and one in lines.
    let out = redacted(&(event(r"a \ud83d b") + DONE));
    assert_eq!(out, event(r"a \ufffd b") + DONE);
    let lines =
        "{\"response\":\"a\\ud83d\",\"done\":false}\n{\"response\":\"\\ude00b\",\"done\":true}\n";
    let out = in_any_pieces(|| openai(redacting()).in_lines(), lines.as_bytes());
    assert_eq!(
        out,
        "{\"response\":\"a\",\"done\":false}\n{\"response\":\"\\ud83d\\ude00b\",\"done\":true}\n"
    );
}

fn whole(policy: &str, body: &str, json: bool) -> Option<String> {
    let watch = Watch::new(super::policy(policy));
    let inspected = crate::inspect_response(&watch, body.as_bytes(), json);
    let edited = || weir_wire::edit::apply(body.as_bytes(), &inspected.edits).unwrap();
    inspected.refusal.is_none().then(|| String::from_utf8(edited()).unwrap())
}

const REDACT: &str = r#"{"rules":[{"rules":["pii"],"action":"redact"}]}"#;

#[test]
fn what_clients_read_as_json_is_inspected_as_json() {
    let says = |text: &str| format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#);
    let (card, redacted) = ("4111 1111 1111 1111", "[CREDIT_CARD]");
    for (before, after) in [
        (format!("\u{feff}{}", says(card)), format!("\u{feff}{}", says(redacted))),
        (says(&format!("{card} \\ud83d.")), says(&format!("{redacted} \\ud83d."))),
        (
            says(card).replace("[{", "[{\"l\":[NaN,-Infinity],"),
            says(redacted).replace("[{", "[{\"l\":[NaN,-Infinity],"),
        ),
        (format!("\"{card}\""), format!("\"{redacted}\"")),
        (
            format!("{{\"usage\":{{\"a\":[\"{card}\",411111,{{\"b\":\"{card}\"}}]}}}}"),
            format!("{{\"usage\":{{\"a\":[\"{redacted}\",411111,{{\"b\":\"{redacted}\"}}]}}}}"),
        ),
        // Documents one after the other.
        (
            says("It is 4111 1111") + "\n" + &says(" 1111 1111, I say. ") + "\n",
            says("It is [CREDIT_CARD]") + "\n" + &says(", I say. ") + "\n",
        ),
    ] {
        for json in [true, false] {
            assert_eq!(whole(REDACT, &before, json).as_deref(), Some(&*after), "{before}");
        }
        if !after.contains(", I say") {
            let event = |data: &str| format!("data: {}\n\n", data.trim_start_matches('\u{feff}'));
            let expected = event(&after).replace("\\ud83d", "\u{fffd}");
            assert_eq!(self::redacted(&event(&before)), expected);
        }
    }
    assert_eq!(whole(REDACT, "ask ann@example.com", true), None);
    assert_eq!(whole(REDACT, &(says("x") + " ann@example.com"), true), None);
}

#[test]
fn what_is_no_json_and_passes_is_inspected_as_text() {
    let flagging = r#"{"on_unscannable":"flag","rules":[{"rules":["pii"],"action":"redact"}]}"#;
    for body in ["ask ann@example.com", "{\"a\":1} ask ann@example.com", "{'a': 'ann@example.com'}"]
    {
        let expected = body.replace("ann@example.com", "[EMAIL]");
        assert_eq!(whole(flagging, body, true), Some(expected.clone()));
        let guard = || openai(Watch::new(super::policy(flagging)));
        let out = in_any_pieces(guard, format!("data: {body}\n\n").as_bytes());
        assert_eq!(out, format!("data: {expected}\n\n"));
        let mut guard = guard();
        through(&mut guard, &format!("data: {body}\n\n"));
        let summary = guard.report().summary();
        assert!(summary.contains("flag unscannable.not-json=1"), "{summary}");
    }
}

#[test]
fn lines_of_json_end_with_an_error_on_a_line_of_its_own() {
    let blocking = || {
        let policy = super::policy(r#"{"rules":[{"rules":["pii"],"action":"block"}]}"#);
        openai(Watch::new(policy)).in_lines()
    };
    let line = |text: &str| format!("{{\"response\":\"{text}\",\"done\":false}}\n");
    for (before, end) in [("", "\n"), (&*line("Hello. "), "\n"), (&*line("Hello. "), "")] {
        let stream = before.to_owned() + line("mail a@b.com now").trim_end() + end;
        let out = in_any_pieces(blocking, stream.as_bytes());
        let lines: Vec<_> = out.strip_suffix('\n').unwrap().split('\n').collect();
        let last: serde_json::Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert_eq!(last["error"]["code"], "content_policy_violation", "{out}");
        assert!(lines.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        assert!(!out.contains("a@b.com"), "{out}");
    }
}

#[test]
fn an_error_comes_after_the_text_before_it() {
    let text = chunks(0, CONTENT, &["He", "llo wor"])
        .split_once("data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},")
        .map(|(text, _)| text.to_owned())
        .unwrap();
    for error in [
        "data: {\"error\":{\"message\":\"x\",\"code\":500}}\n\n",
        "event: error\ndata: {\"message\":\"x\"}\n\n",
        "event: error\ndata: broken\n\n",
        "data: {\"object\":\"error\",\"message\":\"x\"}\n\n",
        "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}],\"error\":{\"code\":502,\"message\":\"x\"}}\n\n",
        "data: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n",
    ] {
        let stream = format!("{text}{error}");
        assert_eq!(redacted(&stream), stream);
    }
}

#[test]
fn odd_bytes_of_a_stream_pass_as_they_came() {
    let text = chunks(0, CONTENT, &["He", "llo\u{0}", " wor", "ld. "]);
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    for stream in [
        format!("\u{feff}{text}data:[DONE]"),
        format!("{text}data: [DONE]\n"),
        text.replace("\n\n", "\r\r"),
        text.replace("\n\n", "\r\n\r\n") + "retry: 3\r\n\r\n",
        text.replace("data: ", "data:"),
        text.replace("data: ", "id: 7\nevent: message\ndata: "),
        text.replace("\"id\":\"x\",", &format!("\"id\":\"x\",\"n\":{},", "9".repeat(30))),
        text.replace("\"id\":\"x\",", &format!("\"id\":\"x\",\"deep\":{deep},")),
        text.replace("\"choices\":", "\n\"choices\":").replace("\n\"", "\ndata: \""),
        text.clone() + "event: done\n\n",
    ] {
        assert_eq!(redacted(&stream), stream);
    }
    let large = chunks(0, CONTENT, &[&"All is well. ".repeat(90_000)]);
    assert_eq!(through(&mut openai(redacting()), &large).len(), large.len());
}

#[test]
fn an_event_in_the_middle_of_which_the_stream_ends_is_dropped() {
    let text = chunks(0, CONTENT, &["He", "llo 4111", " wor"]);
    for cut in [
        "data: {\"id\":\"x\",\"cho",
        "data: {\"a\":\"4111 1111 1111 1111",
        "data: [DON",
        "data: {\"a\":tr",
    ] {
        assert_eq!(redacted(&(text.clone() + cut)), text, "{cut}");
        let allowing =
            r#"{"on_unscannable":"allow","rules":[{"rules":["pii"],"action":"redact"}]}"#;
        let allowing = || openai(Watch::new(super::policy(allowing)));
        let stream = text.clone() + cut;
        assert_eq!(in_any_pieces(allowing, stream.as_bytes()), stream);
    }
    let mut guard = openai(redacting());
    through(&mut guard, "data: {\"id\":");
    assert_eq!(guard.report().summary(), "flag unscannable.not-json=1");
}
