//! The operator's own rules: a dictionary of tens of thousands of terms, regexes.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_detect::{Policy, RawPolicy};

use crate::peers::{aho_corasick, regex as regex_crate};
use crate::texts;
use crate::timing::{BYTES, events, findings, whole};

/// Terms of the dictionary.
const TERMS: usize = 50_000;

/// Throughput of each kind of rule on ordinary text, and on text made to be slow.
pub(crate) fn measure() -> Value {
    let chat = texts::chat(BYTES);
    let names = texts::names(TERMS);
    let first_words: String = names
        .iter()
        .filter_map(|name| name.split(' ').next())
        .flat_map(|word| [word, " "])
        .collect();
    let dictionary = json!([{"id": "names", "entity": "NAME", "terms": &names}]);
    let regex = |pattern: &str| json!([{"id": "regex", "entity": "REGEX", "pattern": pattern}]);
    let near = format!("{}b", "a".repeat(2000)).repeat(BYTES / 2001);
    let (edges, line_end, two_ways) = (r"\bPRJ-[0-9]{2,4}\b", "a.*b", "[^b]*b|a");
    let cases = [
        ("50,000 names: chat", "dictionaries", dictionary.clone(), &chat),
        ("50,000 names: their first words", "dictionaries", dictionary, &first_words),
        ("edges of words: chat", "regexes", regex(edges), &chat),
        ("to the line's end: chat", "regexes", regex(line_end), &chat),
        ("adversarial: far ends", "regexes", regex(line_end), &near),
        ("adversarial: two ways", "regexes", regex(two_ways), &near),
    ];
    let ours = cases.iter().map(|(name, field, rules, text)| measured(name, field, rules, text));
    let peers = [
        aho_corasick("50,000 names: chat", &names, &chat),
        aho_corasick("50,000 names: their first words", &names, &first_words),
        regex_crate("edges of words: chat", edges, &chat),
        regex_crate("to the line's end: chat", line_end, &chat),
        regex_crate("adversarial: far ends", line_end, &near),
        regex_crate("adversarial: two ways", two_ways, &near),
    ];
    ours.chain(peers).collect()
}

pub(crate) fn measured(name: &str, field: &str, rules: &Value, text: &str) -> Value {
    let written = json!({"rules": [{"rules": ["custom"], "action": "redact"}], field: rules});
    let raw: Option<RawPolicy> = serde_json::from_value(written).ok();
    let Some(Ok(policy)) = raw.map(Policy::try_from) else { return json!({"failed": name}) };
    let policy = Arc::new(policy);
    json!({
        "rules and text": name,
        "findings": findings(&policy, text),
        "whole_mb_per_s": text.len() as f64 / whole(&policy, text) / 1e6,
        "stream_us_per_event": events(&policy, text),
    })
}
