//! The operator's own rules by the crates that everybody uses for them, on the same texts. They only find: a policy, whose rows stand
//! above theirs, also decides, and says where a stream may go on.

use aho_corasick::AhoCorasick;
use regex::Regex;
use serde_json::{Value, json};

use crate::timing::best;

/// An automaton of all terms that says every place where one stands, in either case, whole words only.
pub(crate) fn aho_corasick(name: &str, terms: &[String], text: &str) -> Value {
    let Ok(automaton) = AhoCorasick::builder().ascii_case_insensitive(true).build(terms) else {
        return json!({ "failed": name });
    };
    let word = |at: Option<usize>| {
        let byte = at.and_then(|at| text.as_bytes().get(at));
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    let find = || {
        let all = automaton.find_overlapping_iter(text);
        all.filter(|found| !word(found.start().checked_sub(1)) && !word(Some(found.end()))).count()
    };
    let mut row = row(&format!("aho-corasick, {name}"), text, find);
    if let Some(row) = row.as_object_mut() {
        row.insert("kib".to_owned(), json!(automaton.memory_usage() / 1024));
    }
    row
}

/// The regex crate's own choice among its engines.
pub(crate) fn regex(name: &str, pattern: &str, text: &str) -> Value {
    let Ok(regex) = Regex::new(pattern) else { return json!({ "failed": name }) };
    row(&format!("regex, {name}"), text, || regex.find_iter(text).count())
}

fn row(name: &str, text: &str, find: impl Fn() -> usize) -> Value {
    json!({
        "rules and text": name,
        "findings": find(),
        "whole_mb_per_s": text.len() as f64 / best(find) / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_what_a_policy_finds_on_the_benchmarks_texts() {
        let chat = crate::texts::chat(20_000);
        let names = crate::texts::names(5000);
        let found = |row: &Value| row["findings"].as_u64().unwrap();
        let dictionary = json!([{"id": "names", "entity": "NAME", "terms": names}]);
        let text =
            format!("{chat} {}", names.iter().take(50).cloned().collect::<Vec<_>>().join(", "));
        let ours = crate::custom::measured("ours", "dictionaries", &dictionary, &text);
        let theirs = aho_corasick("ours", &names, &text);
        // A policy counts one of those that overlap.
        assert!(found(&ours) >= 50 && found(&theirs) >= found(&ours), "{ours} {theirs}");
        let pattern = r"\bthe\b";
        let written = json!([{"id": "regex", "entity": "REGEX", "pattern": pattern}]);
        let ours = crate::custom::measured("ours", "regexes", &written, &chat);
        assert_eq!(found(&ours), found(&regex("ours", pattern, &chat)));
    }
}
