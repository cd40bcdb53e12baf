//! Against what a real vocabulary makes of texts.

use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::estimate;
use crate::{TextCounter, TextCounts};

/// Texts of our own with their number of o200k tokens (from `fit/`, `count`).
const TEXTS: &str = include_str!("../../../../testdata/wire/tokens.jsonl");

fn estimated(text: &str) -> u32 {
    let mut counter = TextCounter::new();
    counter.push(text.as_bytes());
    estimate(&counter.counts())
}

/// Texts of ten groups that nothing was fitted to, with the same.
const GROUPS: &str = include_str!("../../../../testdata/tokens/groups.jsonl");

/// The relative error of each text in a file, with what names it.
fn errors_in(texts: &str, name: &str) -> Vec<(String, f64)> {
    let lines = texts.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let error = |case: &Value| {
        let tokens = case["tokens"].as_f64().unwrap();
        (f64::from(estimated(case["text"].as_str().unwrap())) - tokens) / tokens
    };
    lines.map(|case| (case[name].as_str().unwrap().to_owned(), error(&case))).collect()
}

fn errors() -> Vec<(String, f64)> {
    errors_in(TEXTS, "name")
}

#[test]
fn each_group_is_off_by_less_than_a_tenth_on_average_and_no_text_by_a_fifth() {
    let mut groups: std::collections::BTreeMap<String, Vec<f64>> = Default::default();
    for (group, error) in errors_in(GROUPS, "group") {
        groups.entry(group).or_default().push(error.abs());
    }
    assert_eq!(groups.len(), 10);
    for (group, errors) in groups {
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        assert!(mean < 0.10, "{group}: mean error {:.1} % {errors:.3?}", mean * 100.0);
        assert!(errors.iter().all(|error| *error < 0.20), "{group}: {errors:.3?}");
    }
}

#[test]
fn no_kind_of_text_is_far_off() {
    for (name, error) in errors() {
        assert!(error.abs() < 0.25, "{name} is off by {:.0} %", error * 100.0);
    }
}

#[test]
fn texts_are_off_by_less_than_a_tenth_on_average() {
    let errors = errors();
    assert!(errors.len() > 15);
    let mean = errors.iter().map(|(_, error)| error.abs()).sum::<f64>() / errors.len() as f64;
    assert!(mean < 0.10, "mean error {:.1} %: {errors:.2?}", mean * 100.0);
}

#[test]
fn nothing_is_nothing_and_ids_are_themselves() {
    assert_eq!(estimate(&TextCounts::default()), 0);
    assert_eq!(estimate(&TextCounts { token_ids: 7, ..TextCounts::default() }), 7);
    assert_eq!(estimated("\u{1}"), 1);
}

#[test]
fn huge_counts_saturate() {
    let mut counter = TextCounter::new();
    counter.push(b"word 1,");
    let counts = counter.counts().scaled(u64::MAX, 1);
    assert_eq!(estimate(&counts), u32::MAX);
}
