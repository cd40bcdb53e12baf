//! Events of which nobody here has heard, and those that clients ignore.

use super::streams::{CONTENT, DONE, chunks, openai, redacting, through};
use crate::Watch;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn data_that_is_no_json_follows_the_policy() {
    let stream = "data: no json\n\n";
    let out = through(&mut openai(redacting()), stream);
    assert!(out.contains("content_policy_violation") && out.contains("unscannable."), "{out}");
    let policy =
        super::policy(r#"{"on_unscannable":"flag","rules":[{"rules":["pii"],"action":"redact"}]}"#);
    let mut guard = openai(Watch::new(policy));
    assert_eq!(through(&mut guard, stream), stream);
    assert!(guard.report().summary().starts_with("flag unscannable."));
}

#[test]
fn events_that_nobody_here_has_heard_of_are_inspected_and_pass() {
    for event in [
        r#"{"type":"telepathy","text":"a@b.com"}"#,
        r#"{"type":"response.telepathy.delta","delta":"a@b.com"}"#,
        r#"{"type":"response.telepathy.seen","thoughts":[{"of":"a@b.com"}]}"#,
        r#"{"type":"telepathy a@b.com","id":"a@b.com"}"#,
        r#"{"detail":[{"loc":["body"],"msg":"a@b.com"}]}"#,
        r#"["a@b.com"]"#,
        r#"{"content":"a@b.com","stop":false,"tokens":[1]}"#,
    ] {
        let mut guard = openai(redacting());
        let out = through(&mut guard, &format!("data: {event}\n\n{DONE}"));
        assert_eq!(out, format!("data: {}\n\n{DONE}", event.replace("a@b.com", "[EMAIL]")));
    }
}

#[test]
fn a_text_that_goes_on_in_events_that_nobody_here_has_heard_of_is_one_text() {
    for form in [
        r#"{"type":"telepathy","text":TEXT}"#,
        r#"{"type":"response.telepathy.delta","delta":TEXT}"#,
        r#"{"type":"response.telepathy.delta","delta":{"thought":TEXT}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":TEXT}}"#,
        r#"{"content":TEXT,"stop":false}"#,
        r#"{"delta":{"text":TEXT}}"#,
    ] {
        let event =
            |text: &str| format!("data: {}\n\n", form.replace("TEXT", &format!("\"{text}\"")));
        let stream: String = ["see 4111", " 1111 1111", " 1111 end"].map(event).concat();
        let out = through(&mut openai(redacting()), &stream);
        assert!(out.contains("[CREDIT_CARD]") && !out.contains("1111"), "{out}");
    }
}

#[test]
fn what_stands_beside_the_data_is_inspected_as_text() {
    for (stream, expected) in [
        (": ask a@b.com\n\n", ": ask [EMAIL]\n\n"),
        ("id: a@b.com\ndata: {}\n\n", "id: [EMAIL]\ndata: {}\n\n"),
        ("event: a@b.com\ndata: {}\n\n", "event: [EMAIL]\ndata: {}\n\n"),
        ("data: {}\n: a@b.com\n\n", "data: {}\n: [EMAIL]\n\n"),
        ("x a@b.com: y\r\ndata: {}\r\n\r\n", "x [EMAIL]: y\r\ndata: {}\r\n\r\n"),
        (
            "note: a@b.com\ndata: {\"detail\":\"c@d.com\"}\n\n",
            "note: [EMAIL]\ndata: {\"detail\":\"[EMAIL]\"}\n\n",
        ),
        // A JSON body that calls itself a stream, in one line, in several, and without an end.
        (r#"{"content":"\u0061@b.com"}"#, r#"{"content":"[EMAIL]"}"#),
        ("{\n\"content\": \"a@b.com\"\n}\n\n", "{\n\"content\": \"[EMAIL]\"\n}\n\n"),
        ("mail a@b.com", "mail [EMAIL]"),
    ] {
        for len in 1..=stream.len() {
            let mut guard = openai(redacting());
            let mut out = Vec::new();
            stream.as_bytes().chunks(len).for_each(|chunk| guard.push(chunk, &mut out));
            guard.finish(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "in pieces of {len}");
        }
    }
}

#[test]
fn what_stands_beside_the_data_may_end_a_stream() {
    let policy = super::policy(r#"{"rules":[{"rules":["pii"],"action":"block"}]}"#);
    let out = through(&mut openai(Watch::new(policy)), ": a@b.com\n\ndata: {}\n\n");
    assert!(out.contains("content_policy_violation") && !out.contains("a@b.com"), "{out}");
}

#[test]
fn what_clients_ignore_passes_without_a_trace() {
    let text = chunks(0, CONTENT, &["Hel", "lo", " wor", "ld"]);
    for event in [
        "data:\n\n",
        "data: \n\n",
        "data\n\n",
        "event: ping\n\n",
        "event: ping\ndata:\n\n",
        "event: ping\ndata: {}\n\n",
        "data: {\"type\":\"keepalive\",\"at\":1700000000}\n\n",
        "data: {\"detail\":\"still working\"}\n\n",
        "data: {\"type\":\"response.image_generation_call.generating\",\"item_id\":\"i\"}\n\n",
        ": ping\n\n",
        "id: 1\nretry: 3000\n\n",
    ] {
        for at in text.match_indices("data:").map(|(at, _)| at) {
            let stream = format!("{}{event}{}{DONE}", &text[..at], &text[at..]);
            let mut guard = openai(redacting());
            assert_eq!(through(&mut guard, &stream), stream);
            assert!(guard.report().is_empty(), "{event}");
        }
    }
}

/// As DashScope and others stream by default.
#[test]
fn an_event_that_says_all_of_the_text_so_far_never_says_the_beginning_of_a_value() {
    let so_far = [
        "It",
        "It is",
        "It is 4111",
        "It is 4111 11",
        "It is 4111 1111 1111",
        "It is 4111 1111 1111 1111",
        "It is 4111 1111 1111 1111, she",
        "It is 4111 1111 1111 1111, she said to ann@exam",
        "It is 4111 1111 1111 1111, she said to ann@example.com",
    ];
    for form in [
        r#"{"output":{"choices":[{"message":{"role":"assistant","content":"TEXT"}}]},"usage":{"a":1}}"#,
        r#"{"output":{"text":"TEXT","finish_reason":"null"}}"#,
        r#"{"text":["TEXT"]}"#,
        r#""TEXT""#,
    ] {
        let event = |text: &&str| format!("data: {}\n\n", form.replace("TEXT", text));
        let stream: String = so_far.iter().map(event).collect();
        let mut guard = openai(redacting());
        let mut whole = Vec::new();
        for chunk in stream.as_bytes().chunks(17) {
            guard.push(chunk, &mut whole);
        }
        guard.finish(&mut whole);
        let out = String::from_utf8(whole).unwrap();
        assert!(!out.contains("4111") && !out.contains("ann@"), "{out}");
        let last = event(&"It is [CREDIT_CARD], she said to [EMAIL]");
        assert!(out.ends_with(&last), "{form}: {out}");
        assert_eq!(out.matches("data: ").count(), so_far.len(), "{out}");
        let summary = guard.report().summary();
        assert_eq!(summary, "redact pii.credit_card=1 redact pii.email=1", "{form}");
    }
    // What holds no value passes as it came, but for a word that grows; pieces that are alike are pieces.
    for (texts, grows) in [
        (&["Searching the web", "Searching the web", "Searching the web"][..], false),
        (&["Reading all of it,", "Reading all of it, then", "Reading all of it, then more"], false),
        (&["Reading pages", "Reading pages12", "Reading pages12 now"], true),
        (&["        ", "            ", "x "], false),
        (&["ha", "haha", "hahaha "], false),
    ] {
        let event = |text: &&str| format!("data: {{\"text\":\"{text}\"}}\n\n");
        let stream: String = texts.iter().map(event).collect();
        let out = through(&mut openai(redacting()), &stream);
        assert_eq!(out != stream, grows, "{out}");
        assert!(out.ends_with(&event(texts.last().unwrap())), "{out}");
    }
    let twice = "data: {\"text\":\"It is 4111 1111 1111 1111\"}\n\n".repeat(2);
    let out = through(&mut openai(redacting()), &twice);
    assert_eq!(out, twice.replace("4111 1111 1111 1111", "[CREDIT_CARD]"));
}
