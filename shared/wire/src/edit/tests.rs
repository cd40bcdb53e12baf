//! Edits as data.

use serde::Deserialize;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_testkit::cases;

use super::{Edit, EditError, apply, insert_model, json_string, replace_model, request_usage};
use crate::path::Operation;
use crate::request::{RequestFacts, RequestScanner, ScanLimits};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    edit: String,
    #[serde(default)]
    operation: Option<String>,
    body: String,
    /// Null: nothing to edit.
    edited: Option<String>,
}

fn facts(operation: Operation, body: &str) -> RequestFacts {
    let mut scanner = RequestScanner::new(operation, ScanLimits::default());
    scanner.feed(body.as_bytes()).unwrap();
    scanner.finish().unwrap()
}

#[test]
fn edits_change_their_span_and_nothing_else() {
    for case in cases::<Case>(include_str!("../../../../testdata/wire/edits.json")) {
        let operation = match case.operation.as_deref() {
            Some("Responses") => Operation::Responses,
            _ => Operation::ChatCompletions,
        };
        let facts = facts(operation, &case.body);
        let edit = match case.edit.as_str() {
            "replace_model" => replace_model(&facts, "new \"one\""),
            "insert_model" => Some(insert_model(&facts, "default")),
            _ => request_usage(&facts),
        };
        let edited = edit.map(|edit| apply(case.body.as_bytes(), &[edit]).unwrap());
        let edited = edited.map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(edited, case.edited, "{}", case.name);
        if let Some(edited) = edited {
            serde_json::from_str::<serde_json::Value>(&edited).unwrap();
        }
    }
}

#[test]
fn several_edits_are_made_in_any_order() {
    let edit = |span, text: &str| Edit { span, replacement: text.as_bytes().to_vec() };
    let edits = [edit(4..5, "E"), edit(0..0, "<"), edit(1..3, ""), edit(6..6, ">")];
    assert_eq!(apply(b"abcdef", &edits).unwrap(), b"<adEf>");
    assert_eq!(apply(b"abcdef", &[]).unwrap(), b"abcdef");
}

#[test]
fn edits_that_do_not_fit_are_refused() {
    let edit = |span| Edit { span, replacement: Vec::new() };
    let out = |start, end| Err(EditError::OutOfBounds { start, end, len: 3 });
    assert_eq!(apply(b"abc", &[edit(2..4)]), out(2, 4));
    assert_eq!(apply(b"abc", &[edit(4..4)]), out(4, 4));
    #[allow(clippy::reversed_empty_ranges, reason = "what is refused")]
    let reversed = edit(2..1);
    assert_eq!(apply(b"abc", &[reversed]), out(2, 1));
    assert_eq!(apply(b"abc", &[edit(0..2), edit(1..3)]), Err(EditError::Overlap { at: 1 }));
}

#[test]
fn strings_are_escaped_so_that_they_read_back() {
    let all: String = (0..=0x2FF).filter_map(char::from_u32).chain(['\u{2028}', '😀']).collect();
    let read: String = serde_json::from_slice(&json_string(&all)).unwrap();
    assert_eq!(read, all);
    assert_eq!(json_string("a\"\\\n\u{1}é"), "\"a\\\"\\\\\\n\\u0001é\"".as_bytes());
}
