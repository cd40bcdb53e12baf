//! Custom regular expressions.

use std::fmt;
use std::ops::Range;

use regex_automata::{Anchored, Input};

use super::engine::{Engine, Memory};
use crate::rule::RuleIndex;

/// Longest match, in bytes: a longer one is not reported.
const MAX_MATCH: usize = 512;

/// One compiled regex.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) rule: RuleIndex,
    engine: Engine,
}

/// What the automaton of one pattern remembers in one stream.
#[derive(Default)]
pub(super) struct Liveness(Memory);

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Liveness")
    }
}

impl Pattern {
    pub(super) fn compile(rule: RuleIndex, pattern: &str) -> Result<Self, String> {
        Ok(Self { rule, engine: Engine::compile(pattern)? })
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
            let found = self.next(text, at, liveness);
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
    fn next(&self, text: &[u8], mut at: usize, liveness: &mut Liveness) -> Option<Range<usize>> {
        let Liveness(memory) = liveness;
        loop {
            let found = self.engine.search(memory, &Input::new(text).span(at..text.len()))?;
            if found.len() <= MAX_MATCH {
                return Some(found.range());
            }
            let start = found.start();
            let bounded = Input::new(text).span(start..start + MAX_MATCH).anchored(Anchored::Yes);
            if let Some(found) = self.engine.search(memory, &bounded) {
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
        let from = starts.start.max(text.len().saturating_sub(MAX_MATCH));
        let begins = |at: &usize| text.get(*at).is_some_and(|byte| !(0x80..0xC0).contains(byte));
        let rest = |start| Input::new(text).span(start..text.len()).anchored(Anchored::Yes);
        let Liveness(memory) = liveness;
        let is_live = |start: &usize| self.engine.is_live(memory, &rest(*start));
        (from..starts.end).filter(begins).find(is_live)
    }
}
