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
use weir_guard::{StreamGuard, Watch};

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

fn guard(form: &Form) -> StreamGuard {
    let watch = Watch::new(REDACTING.clone());
    let guard = StreamGuard::new(watch, form.dialect(), form.operation());
    match form.framing() {
        "array" => guard.in_array(),
        "lines" => guard.in_lines(),
        _ => guard,
    }
}

fn through<'a>(form: &Form, chunks: impl Iterator<Item = &'a [u8]>) -> (String, StreamGuard) {
    let (mut guard, mut out) = (guard(form), Vec::new());
    chunks.for_each(|chunk| guard.push(chunk, &mut out));
    guard.finish(&mut out);
    (String::from_utf8(out).unwrap(), guard)
}

fn filtered(form: &Form, stream: &str) -> String {
    let bytes = stream.as_bytes();
    let (whole, guard) = through(form, [bytes].into_iter());
    assert!(!guard.is_blocked(), "{}: blocked, {:?}\n{stream}", form.name, guard.report());
    for len in [1, 7, 64] {
        assert_eq!(through(form, bytes.chunks(len)).0, whole, "in pieces of {len}");
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
    let out = filtered(form, &stream);
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
            let out = filtered(&form, &stream);
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
