//! Custom regular expressions.

use std::ops::Range;

use regex_automata::{Anchored, Input};

use super::engine::Engine;
use crate::rule::RuleIndex;

/// Longest match, in bytes: a longer one is not reported.
const MAX_MATCH: usize = 512;

/// Bytes that are searched at a time after a match, and where none is found for long.
const WINDOW: usize = MAX_MATCH + 64;
const MAX_WINDOW: usize = 8 * MAX_MATCH;

/// One compiled regex.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) rule: RuleIndex,
    engine: Engine,
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
        mut take: impl FnMut(Range<usize>),
    ) -> usize {
        let mut at = at;
        loop {
            let found = self.next(text, at);
            let upto = found.as_ref().map_or(text.len(), |span| span.start + 1);
            if !complete && let Some(live) = self.first_live(text, at..upto) {
                return live;
            }
            let Some(span) = found else { return text.len() };
            at = span.end;
            take(span);
        }
    }

    /// The next match of at most [`MAX_MATCH`] bytes.
    ///
    /// Searched for in windows that hold all of any such match, so that no place is looked at for a
    /// match beyond: as a whole, the time could grow with the square of the text's length.
    fn next(&self, text: &[u8], mut at: usize) -> Option<Range<usize>> {
        let mut size = WINDOW;
        loop {
            let end = text.len().min(at.saturating_add(size));
            let found = self.engine.search(&Input::new(text).span(at..end));
            let Some(found) = found else {
                if end == text.len() {
                    return None;
                }
                at = end - MAX_MATCH + 1;
                size = MAX_WINDOW.min(size * 2);
                continue;
            };
            let start = found.start();
            let reach = text.len().min(start + MAX_MATCH);
            if reach > end {
                at = start;
            } else if found.len() <= MAX_MATCH {
                return Some(found.range());
            } else {
                let bounded = Input::new(text).span(start..reach).anchored(Anchored::Yes);
                if let Some(found) = self.engine.search(&bounded) {
                    return Some(found.range());
                }
                at = start + 1;
            }
            size = WINDOW;
        }
    }

    /// The first start in `starts` from which a match could still grow past the end of the text.
    fn first_live(&self, text: &[u8], starts: Range<usize>) -> Option<usize> {
        let from = starts.start.max(text.len().saturating_sub(MAX_MATCH));
        let begins = |at: &usize| text.get(*at).is_some_and(|byte| !(0x80..0xC0).contains(byte));
        self.engine.first_live(text, (from..starts.end).filter(begins))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn pattern(pattern: &str) -> Pattern {
        Pattern::compile(RuleIndex(0), pattern).unwrap()
    }

    fn found(pattern: &Pattern, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        pattern.advance(text.as_bytes(), 0, true, |span| found.push(span));
        found
    }

    /// The first match from each place in turn.
    fn slowly(pattern: &Pattern, text: &str) -> Vec<Range<usize>> {
        let (mut found, mut at) = (Vec::new(), 0);
        while at < text.len() {
            let end = text.len().min(at + MAX_MATCH);
            let here = Input::new(text).span(at..end).anchored(Anchored::Yes);
            match pattern.engine.search(&here) {
                Some(span) => {
                    found.push(span.range());
                    at = span.end();
                }
                None => at += 1,
            }
        }
        found
    }

    #[test]
    fn the_same_matches_are_found_in_windows_as_from_each_place_in_turn() {
        let near = |letters: usize| format!("{}b", "a".repeat(letters));
        let texts = [
            near(100).repeat(50),
            near(511).repeat(5),
            near(512).repeat(5),
            near(1500).repeat(5),
            format!("{}{}", "x ".repeat(4000), near(600)),
            format!("{}b{}", "a".repeat(5000), "é".repeat(3000)),
        ];
        for source in ["a.*b", "[^b]*b|a", "(?s)a.{500,600}b", r"\ba+b\b", "[ab]+", "b$", "é{2,}|b"]
        {
            let pattern = pattern(source);
            for text in &texts {
                assert_eq!(found(&pattern, text), slowly(&pattern, text), "{source}");
            }
        }
    }

    #[test]
    fn a_regex_that_could_go_on_to_the_end_of_a_long_text_comes_to_an_end() {
        let text = format!("{}b", "a".repeat(400_000));
        // From each of its places all of the text would be looked at: 80 billion steps.
        let ends = [("a.*b", MAX_MATCH), ("[^bc]*c|ab", 2)];
        for (source, length) in ends {
            let last = text.len() - length..text.len();
            assert_eq!(found(&pattern(source), &text), std::slice::from_ref(&last), "{source}");
        }
    }
}
