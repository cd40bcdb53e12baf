//! Streams that share what they learn of the form of events.

use weir_wire::path::{Dialect, Operation};

use super::all;
use crate::{Shapes, StreamGuard, Watch};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn through(shapes: &Shapes, action: &str, stream: &str) -> (String, String) {
    let watch = Watch::new(all(action));
    let mut guard = StreamGuard::new(watch, Dialect::OpenAi, Some(Operation::ChatCompletions))
        .sharing(shapes.clone());
    let mut out = Vec::new();
    stream.as_bytes().chunks(700).for_each(|chunk| guard.push(chunk, &mut out));
    guard.finish(&mut out);
    (String::from_utf8(out).unwrap(), guard.report().summary())
}

fn event(id: &str, created: &str, rest: &str) -> String {
    format!("data: {{\"id\":\"{id}\",\"created\":{created},\"model\":\"m\",{rest}}}\n\n")
}

/// A role, the pieces, a finish reason and the usage.
fn stream(id: &str, created: &str, pieces: &[&str], tokens: &str) -> String {
    let choice = |delta: &str, finish: &str| {
        let rest =
            format!("\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]");
        event(id, created, &rest)
    };
    let mut stream = choice("{\"role\":\"assistant\",\"content\":\"\"}", "null");
    for piece in pieces {
        stream += &choice(&format!("{{\"content\":\"{piece}\"}}"), "null");
    }
    stream += &choice("{}", "\"stop\"");
    let usage =
        format!("\"choices\":[],\"usage\":{{\"prompt_tokens\":{tokens},\"of\":{{\"c\":1}}}}");
    stream + &event(id, created, &usage) + "data: [DONE]\n\n"
}

#[test]
fn what_another_stream_has_taught_changes_nothing() {
    let shapes = Shapes::default();
    let pieces: [&[&str]; 6] = [
        &["Hel", "lo", " wor", "ld"],
        &["Card", " 41", "11 1", "111 ", "1111", " 1111", " now"],
        &["a\\n", "b\\\\", "c \\\"d\\\"", " gr\u{fc}n", " \\u00e9", "x"],
        &["mail ann@example.com", "", " ", "!"],
        &["{\\\"a\\\": \\\"ann@", "example.com\\\"}"],
        &["4111 1111 1111 1111"],
    ];
    for action in ["redact", "block", "flag"] {
        for (number, pieces) in pieces.iter().enumerate() {
            let ids = ["chatcmpl-1", "", "a longer name of one response", "gr\u{fc}n", "a\\\"b"];
            for id in ids {
                for created in ["1700000000", "0", "1.5e3", "-1"] {
                    let stream = stream(id, created, pieces, &number.to_string());
                    let alone = through(&Shapes::default(), action, &stream);
                    assert_eq!(through(&shapes, action, &stream), alone, "{stream}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_json_is_not_taken_for_an_event_that_is() {
    let shapes = Shapes::default();
    let good = stream("x", "17", &["Hello", " there"], "3");
    assert_eq!(through(&shapes, "redact", &good), (good.clone(), String::new()));
    let wrong = [
        ("\"id\":\"x\"", "\"id\":\"\\x\""),
        ("\"id\":\"x\"", "\"id\":\"\t\""),
        ("\"created\":17", "\"created\":017"),
        ("\"created\":17", "\"created\":"),
        ("\"created\":17", "\"created\":1 7"),
        ("\"content\":\" there\"", "\"content\":\"\\x\""),
        ("\"content\":\" there\"", "\"content\":\"\u{1}\""),
        ("\"content\":\" there\"", "\"content\":\"a\",\"content\":\"b\""),
        ("\"prompt_tokens\":3", "\"prompt_tokens\":03"),
    ];
    for (from, to) in wrong {
        assert!(good.contains(from));
        let (_, report) = through(&shapes, "redact", &good.replace(from, to));
        assert!(report.contains("unscannable.not-json"), "{to}: {report}");
    }
}

#[test]
fn texts_of_several_choices_stay_apart() {
    let shapes = Shapes::default();
    for _ in 0..2 {
        let piece = |index: u32, text: &str| {
            event(
                "x",
                "1",
                &format!(
                    "\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}}}}]"
                ),
            )
        };
        let texts = [(0, "a 4111 1111 "), (1, "c 4111 1111"), (0, "1111 1111 b"), (1, "!")];
        let stream: String = texts.iter().map(|(index, text)| piece(*index, text)).collect();
        let (out, report) = through(&shapes, "redact", &(stream + "data: [DONE]\n\n"));
        assert_eq!(report, "redact pii.credit_card=1", "{out}");
        assert!(
            out.contains("4111 1111") && out.contains("[CREDIT_CARD]\"") && out.contains("\" b\""),
            "{out}"
        );
    }
}
