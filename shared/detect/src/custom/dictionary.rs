//! Dictionaries of terms.

use std::ops::Range;

use aho_corasick::MatchKind;
use aho_corasick::automaton::{Automaton, OverlappingState};
use aho_corasick::nfa::contiguous::NFA;

use crate::policy::PolicyError;
use crate::rule::RuleIndex;

/// Most terms of all dictionaries together.
const MAX_TERMS: usize = 100_000;
/// Longest term, in bytes.
const MAX_TERM: usize = 256;

/// All dictionaries of a policy in one automaton.
#[derive(Debug)]
pub(super) struct Dictionary {
    automaton: NFA,
    /// Lower-cased terms, sorted: answers whether something is the beginning of one.
    sorted: Vec<Box<[u8]>>,
    /// Rule of each pattern of the automaton.
    rules: Vec<RuleIndex>,
    longest: usize,
}

impl Dictionary {
    /// Compiles terms with their rule and the id of their dictionary; `None` when there are none.
    pub(super) fn compile(terms: &[(&str, RuleIndex, &str)]) -> Result<Option<Self>, PolicyError> {
        let Some((_, _, first)) = terms.first() else { return Ok(None) };
        let fail = |id: &str, reason: String| PolicyError::Dictionary { id: id.to_owned(), reason };
        if terms.len() > MAX_TERMS {
            return Err(fail(first, format!("has {} terms of at most {MAX_TERMS}", terms.len())));
        }
        let unusable = |term: &str| term.trim() != term || term.is_empty() || term.len() > MAX_TERM;
        if let Some((_, _, id)) = terms.iter().find(|(term, _, _)| unusable(term)) {
            let reason =
                format!("has a term that is empty, padded or longer than {MAX_TERM} bytes");
            return Err(fail(id, reason));
        }
        let lower: Vec<Box<[u8]>> = terms
            .iter()
            .map(|(term, _, _)| term.to_ascii_lowercase().into_bytes().into())
            .collect();
        let automaton = NFA::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(&lower)
            .map_err(|error| fail(first, error.to_string()))?;
        let longest = lower.iter().map(|term| term.len()).max().unwrap_or(0);
        let mut sorted = lower;
        sorted.sort_unstable();
        let rules = terms.iter().map(|(_, rule, _)| *rule).collect();
        Ok(Some(Self { automaton, sorted, rules, longest }))
    }

    /// Takes every term from `at` on that later text can't change; answers where to go on.
    pub(super) fn advance(
        &self,
        text: &[u8],
        at: usize,
        complete: bool,
        mut take: impl FnMut(Range<usize>, RuleIndex),
    ) -> usize {
        let end = if complete { text.len() } else { self.first_live(text, at) };
        let rest = text.get(at..).unwrap_or_default();
        let mut state = OverlappingState::start();
        let input = aho_corasick::Input::new(rest);
        while self.automaton.try_find_overlapping(&input, &mut state).is_ok() {
            let Some(found) = state.get_match() else { break };
            let span = at + found.start()..at + found.end();
            let whole = is_edge(text, span.start) && is_edge(text, span.end);
            if span.start < end
                && whole
                && let Some(rule) = self.rules.get(found.pattern().as_usize())
            {
                take(span, *rule);
            }
        }
        end
    }

    /// The first place from which all the rest is the beginning of a term.
    fn first_live(&self, text: &[u8], at: usize) -> usize {
        let from = at.max(text.len().saturating_sub(self.longest));
        let live = |start: &usize| {
            let rest = text.get(*start..).unwrap_or_default();
            is_edge(text, *start) && self.begins_term(&rest.to_ascii_lowercase())
        };
        (from..text.len()).find(live).unwrap_or(text.len())
    }

    fn begins_term(&self, beginning: &[u8]) -> bool {
        let place = self.sorted.partition_point(|term| term.as_ref() < beginning);
        self.sorted.get(place).is_some_and(|term| term.starts_with(beginning))
    }
}

/// Whether no word goes over `at`. Scripts without spaces have an edge at every character.
fn is_edge(text: &[u8], at: usize) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let right = text.get(at).copied();
    if right.is_some_and(|byte| (0x80..0xC0).contains(&byte)) {
        return false;
    }
    let left = at.checked_sub(1).and_then(|i| text.get(i)).copied();
    let caseless =
        |at: Option<usize>| at.and_then(|i| text.get(i)).is_some_and(|b| (0xE3..=0xED).contains(b));
    !(left.is_some_and(word) && right.is_some_and(word))
        || caseless(Some(at))
        || caseless(at.checked_sub(3))
}
