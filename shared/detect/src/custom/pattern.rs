//! Custom regular expressions.

use std::fmt;
use std::ops::Range;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::{Anchored, Input};

use crate::rule::RuleIndex;

/// Most bytes of a regex as written, and compiled.
const MAX_PATTERN: usize = 1024;
const MAX_COMPILED: usize = 1 << 20;
/// Longest match, in bytes: a longer one is not reported.
const MAX_MATCH: usize = 512;

/// Compiles a regex within fixed limits; the error says what is wrong.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("longer than {MAX_PATTERN} bytes"));
    }
    let config = Regex::config()
        .nfa_size_limit(Some(MAX_COMPILED))
        .onepass_size_limit(Some(MAX_COMPILED / 4))
        .hybrid_cache_capacity(MAX_COMPILED);
    let regex =
        Regex::builder().configure(config).build(pattern).map_err(|error| error.to_string())?;
    let empty = regex.search(&Input::new("").anchored(Anchored::Yes)).is_some();
    if empty { Err("matches the empty text".to_owned()) } else { Ok(regex) }
}

/// One compiled regex, and the automaton that says whether a match could still grow.
pub(super) struct Pattern {
    pub(super) rule: RuleIndex,
    regex: Regex,
    dfa: DFA,
}

/// What the automaton of one pattern remembers in one stream.
#[derive(Default)]
pub(super) struct Liveness(Option<Cache>);

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Liveness")
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pattern").field("rule", &self.rule).finish_non_exhaustive()
    }
}

impl Pattern {
    pub(super) fn compile(rule: RuleIndex, pattern: &str) -> Result<Self, String> {
        let config = DFA::config()
            .cache_capacity(MAX_COMPILED)
            .skip_cache_capacity_check(true)
            .unicode_word_boundary(true);
        let dfa =
            DFA::builder().configure(config).build(pattern).map_err(|error| error.to_string())?;
        Ok(Self { rule, regex: regex(pattern)?, dfa })
    }

    /// Takes every match from `at` on that later text can't change; answers where to go on.
    pub(super) fn advance(
        &self,
        text: &[u8],
        at: usize,
        complete: bool,
        liveness: &mut Liveness,
        mut take: impl FnMut(Range<usize>),
    ) -> usize {
        let mut at = at;
        loop {
            let found = self.next(text, at);
            let upto = found.as_ref().map_or(text.len(), |span| span.start + 1);
            if !complete && let Some(live) = self.first_live(text, at..upto, liveness) {
                return live;
            }
            let Some(span) = found else { return text.len() };
            at = span.end;
            take(span);
        }
    }

    /// The next match of at most [`MAX_MATCH`] bytes.
    fn next(&self, text: &[u8], mut at: usize) -> Option<Range<usize>> {
        loop {
            let found = self.regex.search(&Input::new(text).span(at..text.len()))?;
            if found.len() <= MAX_MATCH {
                return Some(found.range());
            }
            let start = found.start();
            let bounded = Input::new(text).span(start..start + MAX_MATCH).anchored(Anchored::Yes);
            if let Some(found) = self.regex.search(&bounded) {
                return Some(found.range());
            }
            at = start + 1;
        }
    }

    /// The first start in `starts` from which a match could still grow past the end of the text.
    fn first_live(
        &self,
        text: &[u8],
        starts: Range<usize>,
        liveness: &mut Liveness,
    ) -> Option<usize> {
        let cache = liveness.0.get_or_insert_with(|| self.dfa.create_cache());
        let from = starts.start.max(text.len().saturating_sub(MAX_MATCH));
        let begins = |at: &usize| text.get(*at).is_some_and(|byte| !(0x80..0xC0).contains(byte));
        (from..starts.end).filter(begins).find(|start| self.is_live(text, *start, cache))
    }

    /// Errors of the automaton count as alive: they only hold text back longer.
    fn is_live(&self, text: &[u8], start: usize, cache: &mut Cache) -> bool {
        let input = Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let Ok(mut state) = self.dfa.start_state_forward(cache, &input) else { return true };
        for byte in text.get(start..).unwrap_or_default() {
            match self.dfa.next_state(cache, state, *byte) {
                Ok(next) if next.is_dead() => return false,
                Ok(next) if next.is_quit() => return true,
                Ok(next) => state = next,
                Err(_) => return true,
            }
        }
        true
    }
}
