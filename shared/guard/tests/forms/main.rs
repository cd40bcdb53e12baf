//! Forms in which servers stream a text, each held to the law under every way to cut a value: the value leaves
//! no trace in any place of any event, and what clients put together is the original with the value replaced.
#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod form;
mod leaves;

use std::sync::{Arc, LazyLock};

use form::{Form, forms};
use leaves::leaves;
use weir_detect::{Policy, RawPolicy};
use weir_guard::{Shapes, StreamGuard, Watch, inspect_request};

static REDACTING: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let policy = r#"{"rules":[{"rules":["EMAIL","CREDIT_CARD"],"action":"redact"}]}"#;
    let raw: RawPolicy = serde_json::from_str(policy).unwrap();
    Arc::new(Policy::try_from(raw).unwrap())
});

/// A text with a value, what takes its place, and what of the value must not arrive.
const VALUES: [(&str, &str, &str, &str); 2] = [
    ("It is 4111 1111 1111 1111, she said.", "4111 1111 1111 1111", "[CREDIT_CARD]", "4111 1111"),
    ("Ask ann@example.com, or Bob.", "ann@example.com", "[EMAIL]", "ann@exam"),
];

thread_local! {
    /// What the streams of a VM learn of each other.
    static SHAPES: Shapes = Shapes::default();
}

fn guard(form: &Form, watch: &Watch) -> StreamGuard {
    let guard = StreamGuard::new(watch.clone(), form.dialect(), form.operation());
    let guard = guard.sharing(SHAPES.with(Shapes::clone));
    match form.framing() {
        "array" => guard.in_array(),
        "lines" => guard.in_lines(),
        _ => guard,
    }
}

fn through<'a>(
    form: &Form,
    watch: &Watch,
    chunks: impl Iterator<Item = &'a [u8]>,
) -> (String, StreamGuard) {
    let (mut guard, mut out) = (guard(form, watch), Vec::new());
    chunks.for_each(|chunk| guard.push(chunk, &mut out));
    guard.finish(&mut out);
    (String::from_utf8(out).unwrap(), guard)
}

fn filtered(form: &Form, watch: &Watch, stream: &str) -> String {
    let bytes = stream.as_bytes();
    let (whole, guard) = through(form, watch, [bytes].into_iter());
    assert!(!guard.is_blocked(), "{}: blocked, {:?}\n{stream}", form.name, guard.report());
    for len in [1, 7, 64] {
        assert_eq!(through(form, watch, bytes.chunks(len)).0, whole, "in pieces of {len}");
    }
    whole
}

/// Ways to cut a text: in two at every place, in characters, in pieces of three and seven.
fn cuts(text: &str) -> Vec<Vec<&str>> {
    let mut cuts: Vec<Vec<&str>> =
        (1..text.len()).map(|at| vec![&text[..at], &text[at..]]).collect();
    for len in [1, 3, 7] {
        let pieces = text.as_bytes().chunks(len).map(|piece| std::str::from_utf8(piece).unwrap());
        cuts.push(pieces.collect());
    }
    cuts
}

fn hold(
    form: &Form,
    pieces: &[&str],
    (value, replacement, trace): (&str, &str, &str),
) -> Result<(), String> {
    let stream = form.stream(pieces);
    let out = filtered(form, &Watch::new(REDACTING.clone()), &stream);
    let (before, after) = (leaves(form, &stream), leaves(form, &out));
    for (place, text) in &after {
        for text in text.each.iter().chain([&text.joined]) {
            if text.contains(trace) {
                return Err(format!("{place} leaks {text:?}\n{stream}\nbecame\n{out}"));
            }
        }
    }
    for (place, text) in before {
        // What repeats all of a text says the same at its end.
        let said = |text: &leaves::Text| match form.cumulative(&place) {
            true => text.each.last().cloned().unwrap_or_default(),
            false => text.joined.clone(),
        };
        let arrived = after.get(&place).map(said).unwrap_or_default();
        let expected = said(&text).replace(value, replacement);
        if arrived != expected && !form.is_repeat(&place) {
            return Err(format!(
                "{place}: {arrived:?} in place of {expected:?}\n{stream}\nbecame\n{out}"
            ));
        }
    }
    Ok(())
}

#[test]
fn a_value_leaves_no_trace_and_all_else_arrives() {
    let mut wrong = Vec::new();
    for form in forms() {
        'form: for (text, value, replacement, trace) in VALUES {
            for pieces in cuts(text) {
                let held =
                    std::panic::catch_unwind(|| hold(&form, &pieces, (value, replacement, trace)));
                if let Err(why) = held.unwrap_or_else(|_| Err("panicked".to_owned())) {
                    wrong.push(format!("== {}: {why}", form.name));
                    break 'form;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} forms\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_holds_no_value_passes_byte_for_byte() {
    let mut wrong = Vec::new();
    for form in forms() {
        for pieces in [
            &["The", " river", " is", " long.", "\n\n", "It", " 4111"][..],
            &["One whole sentence of many words, at once. "; 3],
        ] {
            let stream = form.stream(pieces);
            let out = filtered(&form, &Watch::new(REDACTING.clone()), &stream);
            if out != stream
                && !form.is_cumulative()
                && leaves(&form, &out) != leaves(&form, &stream)
            {
                wrong.push(format!("== {}\n{stream}\nbecame\n{out}", form.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{} forms\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn names_of_a_request_are_put_back_however_they_are_cut() {
    let policy = r#"{"rules":[{"rules":["EMAIL"],"action":"pseudonymise"}]}"#;
    let raw: RawPolicy = serde_json::from_str(policy).unwrap();
    let policy = Arc::new(Policy::try_from(raw).unwrap());
    let body = br#"{"messages":[{"role":"user","content":"I am \"Ann\" <ann@example.com>"}]}"#;
    let watch = inspect_request(&policy, body, true, false).watch;
    let (said, expected) = ("Ask [EMAIL_1], or Bob.", "Ask ann@example.com, or Bob.");
    let mut wrong = Vec::new();
    for form in forms() {
        for pieces in cuts(said) {
            let stream = form.stream(&pieces);
            let out = filtered(&form, &watch, &stream);
            let after = leaves(&form, &out);
            let is_name = |place: &str| form.is_repeat(place);
            let left = after.iter().find(|(place, text)| {
                let last = text.each.last().is_some_and(|text| text.contains("EMAIL_1"));
                !is_name(place)
                    && (text.joined.contains("EMAIL_1") && !form.cumulative(place) || last)
            });
            let arrived = after.iter().any(|(place, text)| match form.cumulative(place) {
                true => text.each.last().is_some_and(|text| text.contains(expected)),
                false => text.joined.contains(expected),
            });
            if left.is_some() || !arrived {
                wrong.push(format!("== {} {left:?}\n{stream}\nbecame\n{out}", form.name));
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{} forms\n{}", wrong.len(), wrong.join("\n"));
}

/// A chunk that brings `member` of a choice.
fn chunk(choice: usize, member: &str, text: &str) -> String {
    let text = serde_json::to_string(text).unwrap();
    let delta = member.replace("TEXT", &text);
    format!("data: {{\"id\":\"x\",\"choices\":[{{\"index\":{choice},\"delta\":{delta}}}]}}\n\n")
}

#[test]
fn texts_whose_pieces_alternate_are_each_one_text() {
    let members = [
        r#"{"content":TEXT}"#,
        r#"{"reasoning_content":TEXT}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":TEXT}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":TEXT}}]}"#,
        r#"{"refusal":TEXT}"#,
    ];
    let form = forms().remove(0);
    let watch = Watch::new(REDACTING.clone());
    for (text, value, replacement, _) in VALUES {
        for len in [1, 2, 5, 11] {
            let pieces = cuts(text).into_iter().find(|cut| cut[0].len() == len).unwrap();
            let of = |choices: usize, members: &[&str]| -> String {
                let turn = |piece: &&str| -> String {
                    (0..choices)
                        .flat_map(|choice| members.iter().map(move |member| (choice, member)))
                        .map(|(choice, member)| chunk(choice, member, piece))
                        .collect()
                };
                pieces.iter().map(turn).collect()
            };
            for stream in [of(4, &members[..1]), of(1, &members), of(2, &members[1..4])] {
                let out = filtered(&form, &watch, &stream);
                for (place, before) in leaves(&form, &stream) {
                    let arrived = &leaves(&form, &out)[&place].joined;
                    assert_eq!(
                        *arrived,
                        before.joined.replace(value, replacement),
                        "{stream}\nbecame\n{out}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_stands_in_place_of_an_identifier_is_text() {
    let form = forms().remove(0);
    let watch = Watch::new(REDACTING.clone());
    let plain = chunk(0, r#"{"content":TEXT}"#, "a ");
    let stream =
        |id: &str| plain.repeat(3) + &plain.replace("\"x\"", &format!("\"{id}\"")) + &plain;
    for (id, became) in [
        ("chatcmpl-4111111111111111", "chatcmpl-4111111111111111"),
        ("ann@example.com", "[EMAIL]"),
        ("of 4111 1111 1111 1111", "of [CREDIT_CARD]"),
        (r"\u0061nn@example.com", "[EMAIL]"),
    ] {
        assert_eq!(filtered(&form, &watch, &stream(id)), stream(became));
    }
    for member in ["object", "model", "system_fingerprint", "service_tier"] {
        let named =
            |value: &str| plain.replace("\"id\"", &format!("\"{member}\":\"{value}\",\"id\""));
        let out = filtered(&form, &watch, &named("for ann@example.com"));
        assert_eq!(out, named("for [EMAIL]"), "{member}");
    }
    let end = plain.replace("}}]}", "},\"finish_reason\":\"as ann@example.com says\"}]}");
    assert!(!filtered(&form, &watch, &end).contains("ann@"));
}
