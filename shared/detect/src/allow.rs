//! What is never reported: exact values, patterns, email and host domains.

use crate::scan::position;
use hashbrown::HashSet;
use regex_automata::{Anchored, Input};

use crate::custom::{Engine, Folding};
use crate::hash::FixedHasher;

/// Compiled allow lists.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    exact: HashSet<Vec<u8>, FixedHasher>,
    folding: Folding,
    patterns: Vec<Engine>,
    domains: Vec<Vec<u8>>,
}

impl Allowed {
    /// Values (case-insensitive), whole-match patterns, and domains with their subdomains.
    pub(crate) fn new(exact: &[String], patterns: Vec<Engine>, domains: &[String]) -> Self {
        let lower = |text: &String| text.trim_start_matches("*.").to_ascii_lowercase().into_bytes();
        let folding = Folding::of(exact.iter().map(String::as_str));
        Self {
            exact: exact.iter().map(|text| folding.fold(text.as_bytes())).collect(),
            folding,
            patterns,
            domains: domains.iter().map(lower).collect(),
        }
    }

    /// Whether the matched text is allowed.
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        if self.exact.is_empty() && self.patterns.is_empty() && self.domains.is_empty() {
            return false;
        }
        self.exact.contains(&self.folding.fold(text))
            || self.patterns.iter().any(|pattern| matches_whole(pattern, text))
            || self.domains.iter().any(|domain| is_at(text, domain))
    }
}

fn matches_whole(pattern: &Engine, text: &[u8]) -> bool {
    let input = Input::new(text).anchored(Anchored::Yes);
    pattern.search(&input).is_some_and(|found| found.end() == text.len())
}

/// An email address or URL of the domain or one of its subdomains.
fn is_at(text: &[u8], domain: &[u8]) -> bool {
    let lower = text.to_ascii_lowercase();
    let host = match position(&lower, b"://") {
        Some(scheme) => {
            lower.get(scheme + 3..).unwrap_or_default().split(|b| b"/?#:".contains(b)).next()
        }
        None => memchr::memrchr(b'@', &lower).and_then(|at| lower.get(at + 1..)),
    };
    host.and_then(|host| host.strip_suffix(domain))
        .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
}
