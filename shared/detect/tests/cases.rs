//! Detectors and bypasses, as data: what is found, and what is left of the text.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use weir_detect::{Direction, Policy, Pseudonyms, Scanner, Selection, apply};

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default = "request")]
    direction: Direction,
    text: String,
    find: Vec<String>,
    redacted: String,
}

fn request() -> Direction {
    Direction::Request
}

#[derive(Deserialize)]
struct Vectors {
    context: String,
    valid: Vec<String>,
    invalid: Vec<String>,
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../testdata/detect/cases.json")).unwrap()
}

#[test]
fn every_case_is_found_and_redacted() {
    let policy = Policy::default();
    for case in cases() {
        let inspection = policy.inspect(&case.text, case.direction, &mut Pseudonyms::default());
        let found: Vec<&str> = inspection.applied.iter().map(|a| a.finding.id()).collect();
        assert_eq!(found, case.find, "{}", case.name);
        assert_eq!(apply(&case.text, &inspection.edits), case.redacted, "{}", case.name);
    }
}

#[test]
fn every_case_comes_out_the_same_character_by_character() {
    let policy = Arc::new(Policy::default());
    for case in cases() {
        let mut inspector = policy.inspector(case.direction, false, None);
        let mut names = Pseudonyms::default();
        let mut out = String::new();
        for character in case.text.chars() {
            out.push_str(&inspector.push(character.encode_utf8(&mut [0; 4]), &mut names).text);
        }
        out.push_str(&inspector.finish(&mut names).text);
        assert_eq!(out, case.redacted, "{}", case.name);
    }
}

#[test]
fn numbers_with_a_right_check_digit_are_found_and_others_are_not() {
    let vectors: BTreeMap<String, Vectors> =
        serde_json::from_str(include_str!("../../../testdata/detect/validators.json")).unwrap();
    let scanner = Arc::new(Scanner::new());
    let selection = Arc::new(Selection::all(&scanner, 0.5));
    for (rule, vectors) in vectors {
        let finds = |number: &str| {
            let text = format!("my {} {number} here", vectors.context);
            let span = text.find(number).map(|at| at..at + number.len());
            let findings = scanner.scan(&text, &selection);
            findings.iter().any(|f| f.id() == rule && Some(f.span.clone()) == span)
        };
        let missed: Vec<_> = vectors.valid.iter().filter(|n| !finds(n)).collect();
        let wrong: Vec<_> = vectors.invalid.iter().filter(|n| finds(n)).collect();
        assert!(
            missed.is_empty() && wrong.is_empty(),
            "{rule}: missed {missed:?}, wrong {wrong:?}"
        );
    }
}

#[test]
fn ordinary_words_are_released_as_soon_as_they_end() {
    let policy = Arc::new(Policy::default());
    let mut inspector = policy.inspector(Direction::Response, false, None);
    let mut names = Pseudonyms::default();
    let text = "The quick brown fox (who is lazy) doesn't jump; it says: \"no\" and rests.\nThen - as always - sleeps ";
    let mut word = 0;
    for character in text.chars() {
        inspector.push(character.encode_utf8(&mut [0; 4]), &mut names);
        word = if character.is_whitespace() { 0 } else { word + 1 };
        assert!(inspector.held_back() <= word, "{} bytes held in {text:?}", inspector.held_back());
    }
}

#[test]
fn a_stream_goes_on_right_behind_a_private_key() {
    let line = "AAAAIQDx3lBm2uT9wQ0p6sYk1nJt8vR4zKc7hXgE5aMoWdUf";
    let policy = Arc::new(Policy::default());
    for key in [
        format!("-----BEGIN PRIVATE KEY-----\n{line}\n{line}\n-----END PRIVATE KEY-----"),
        format!("Private-Lines: 1\n{line}\nPrivate-MAC: {}", "0123456789abcdef".repeat(4)),
    ] {
        let text = format!("{key}\nIt is the key of (my) host, and it says so. That is it. ");
        let mut inspector = policy.inspector(Direction::Response, false, None);
        let mut names = Pseudonyms::default();
        let mut out = String::new();
        for letter in text.chars() {
            out += &inspector.push(letter.encode_utf8(&mut [0; 4]), &mut names).text;
        }
        assert!(inspector.held_back() <= 1, "{} bytes of {key}", inspector.held_back());
        assert!(out.contains("It is the key") && !out.contains(line), "{out}");
    }
}
