//! Dictionaries of terms.

use std::ops::Range;

use super::beginnings::Beginnings;
use super::first_words::FirstWords;
use super::folding::Folding;
use super::terms::{Terms, is_word, word};
use crate::error::PolicyError;
use crate::rule::RuleIndex;

/// Most terms of all dictionaries together.
const MAX_TERMS: usize = 100_000;
/// Longest term, in bytes.
pub(super) const MAX_TERM: usize = 256;
/// Room for a folded term and the rest of a letter.
const ROOM: usize = MAX_TERM + 8;

/// All dictionaries of a policy.
///
/// A term can begin only where a word does, so each such place is looked up: a whole word of ASCII
/// among the first words of the terms, anything else by its first bytes in a table of bits; what
/// passes that, in the sorted terms. An automaton would look at every byte.
pub(super) struct Dictionary {
    terms: Terms,
    folding: Folding,
    first_words: FirstWords,
    beginnings: Beginnings,
    /// Bytes of the longest text that a term matches.
    longest: usize,
    /// Bytes of the longest folded term.
    longest_folded: usize,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary").field("terms", &self.terms.len()).finish_non_exhaustive()
    }
}

impl Dictionary {
    /// Compiles terms with their rule; `None` when there are none.
    #[cold]
    #[inline(never)]
    pub(super) fn compile(terms: &[(&str, RuleIndex)]) -> Result<Option<Self>, PolicyError> {
        if terms.is_empty() {
            return Ok(None);
        }
        if terms.len() > MAX_TERMS {
            let problem =
                format_args!("have {} terms together, of at most {MAX_TERMS}", terms.len());
            return Err(PolicyError::new(format_args!("dictionaries"), problem));
        }
        let folding = Folding::of(terms.iter().map(|(term, _)| *term));
        let longest = terms.iter().map(|(term, _)| folding.longest(term)).max().unwrap_or(0);
        let folded = |(term, rule): &(&str, RuleIndex)| (folding.fold(term.as_bytes()), *rule);
        let terms = Terms::of(terms.iter().map(folded).collect());
        let first_words = FirstWords::of(&terms);
        let beginnings = Beginnings::of(&terms, &folding);
        let longest_folded = terms.iter().map(<[u8]>::len).max().unwrap_or(0);
        Ok(Some(Self { terms, folding, first_words, beginnings, longest, longest_folded }))
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
        let mut start = at;
        while start < end {
            let (next, terms) = self.candidates(text, start, true);
            if let Some(terms) = terms {
                self.terms_at(text, start, &terms, &mut take);
            }
            start = next;
        }
        end
    }

    /// The next place after `start` where a term could begin, and those that may begin at `start`.
    /// Unless `ended`, more may follow a word that ends with the text.
    #[inline(never)]
    fn candidates(&self, text: &[u8], start: usize, ended: bool) -> (usize, Option<Range<usize>>) {
        let rest = text.get(start..).unwrap_or_default();
        let (length, hash) = word(rest);
        // No edge lies inside a word.
        let next = start + length.max(1);
        if !is_edge(text, start) {
            return (next, None);
        }
        let whole = match rest.get(length) {
            Some(byte) => *byte < 0x80,
            None => ended,
        };
        if length > 0 && whole {
            return (next, self.first_words.terms(rest, (length, hash), &self.terms));
        }
        let may_begin = self.beginnings.may_begin(rest, ended);
        (next, may_begin.then(|| 0..self.terms.len()))
    }

    /// Takes every one of `terms` that stands at `start` and ends with a word.
    fn terms_at(
        &self,
        text: &[u8],
        start: usize,
        terms: &Range<usize>,
        take: &mut impl FnMut(Range<usize>, RuleIndex),
    ) {
        let rest = text.get(start..text.len().min(start + self.longest)).unwrap_or_default();
        let mut room = [0; ROOM];
        let mut beginning = self.folding.fold_into(rest, self.longest_folded, &mut room);
        // The last term that is not after the text; terms that are beginnings of it are beginnings
        // of what both have in common.
        while !beginning.is_empty() {
            let place = self.terms.before(terms, beginning, false);
            let before = place.checked_sub(1).filter(|before| *before >= terms.start);
            let Some((term, rule)) = before.and_then(|before| self.terms.get(before)) else {
                return;
            };
            let common = term.iter().zip(beginning).take_while(|(a, b)| a == b).count();
            if common == term.len() {
                let span = start..start + self.folding.unfolded(rest, common);
                if is_edge(text, span.end) {
                    take(span.clone(), rule);
                    let others = (0..place - 1).rev().map_while(|other| self.terms.get(other));
                    others
                        .take_while(|(other, _)| *other == term)
                        .for_each(|(_, rule)| take(span.clone(), rule));
                }
            }
            let shorter = if common == term.len() { common.saturating_sub(1) } else { common };
            beginning = beginning.get(..shorter).unwrap_or_default();
        }
    }

    /// The first place from which all the rest is the beginning of a term.
    fn first_live(&self, text: &[u8], at: usize) -> usize {
        let mut start = at.max(text.len().saturating_sub(self.longest));
        while start < text.len() {
            let (next, terms) = self.candidates(text, start, false);
            if let Some(terms) = terms {
                let rest = text.get(start..).unwrap_or_default();
                let mut room = [0; ROOM];
                let folded = self.folding.fold_into(rest, self.longest_folded + 1, &mut room);
                let place = self.terms.before(&terms, folded, true);
                if self.terms.get(place).is_some_and(|(term, _)| term.starts_with(folded)) {
                    return start;
                }
            }
            start = next;
        }
        text.len()
    }
}

/// Whether no word goes over `at`. Scripts without spaces have an edge at every character.
fn is_edge(text: &[u8], at: usize) -> bool {
    let word = |byte: u8| is_word(byte) || byte >= 0x80;
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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn dictionary(terms: &[&str]) -> Dictionary {
        let rule = |place: usize| RuleIndex(u16::try_from(place).unwrap());
        let terms: Vec<_> = terms.iter().enumerate().map(|(at, term)| (*term, rule(at))).collect();
        Dictionary::compile(&terms).unwrap().unwrap()
    }

    fn found(terms: &[&str], text: &str) -> Vec<String> {
        let mut found = Vec::new();
        dictionary(terms).advance(text.as_bytes(), 0, true, |span, rule| {
            found.push(format!("{}:{}", &text[span], rule.position()));
        });
        found.sort_unstable();
        found
    }

    #[test]
    fn every_term_that_is_whole_words_is_found_however_they_overlap() {
        let terms = ["Blue", "blue bird", "bird", "b", "C++", "@acme", "x", "秘密", "blue"];
        assert_eq!(found(&terms, "a BLUE bird"), ["BLUE bird:1", "BLUE:0", "BLUE:8", "bird:2"]);
        let by_case = ["Zürich", "straße", "Συσ"];
        assert_eq!(
            found(&by_case, "ZÜRICH zürich, STRAẞE! strasse ΣΥΣ συς zürichs"),
            ["STRAẞE:1", "ZÜRICH:0", "zürich:0", "ΣΥΣ:2", "συς:2"]
        );
        assert_eq!(found(&terms, "bluebird, blues"), Vec::<String>::new());
        assert_eq!(found(&terms, "c++ (x) to me@acme.b"), ["@acme:5", "b:3", "c++:4", "x:6"]);
        assert_eq!(found(&terms, "この秘密は"), ["秘密:7"]);
        assert_eq!(
            found(&["ab", "abc de", "abc"], "abc d, abc de"),
            ["abc de:1", "abc:2", "abc:2"]
        );
    }

    #[test]
    fn terms_of_one_first_word_are_found_whatever_stands_between_them_in_the_order() {
        let terms = ["blue bird", "blue-x", "blue1", "blue:x", "blue", "bluebird", "blueé"];
        assert_eq!(
            found(&terms, "Blue bird, BLUE-X blue1 (blue:x) bluebird blueé blue_"),
            [
                "BLUE-X:1",
                "BLUE:4",
                "Blue bird:0",
                "Blue:4",
                "blue1:2",
                "blue:4",
                "blue:x:3",
                "bluebird:5",
                "blueé:6"
            ]
        );
    }

    /// Against a slow search that asks the tables of Unicode about every pair of letters.
    #[cfg(not(target_arch = "wasm32"))]
    mod against_a_slow_search {
        use super::*;
        use proptest::prelude::*;
        use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

        fn same_letter(a: char, b: char) -> bool {
            let mut class = ClassUnicode::new([ClassUnicodeRange::new(a, a)]);
            class.try_case_fold_simple().unwrap();
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&b))
        }

        fn slowly(terms: &[&str], text: &str) -> Vec<String> {
            let mut found = Vec::new();
            for (start, _) in text.char_indices().filter(|(at, _)| is_edge(text.as_bytes(), *at)) {
                for (rule, term) in terms.iter().enumerate() {
                    let mut letters = text[start..].chars();
                    let same = |letter| letters.next().is_some_and(|c| same_letter(letter, c));
                    if term.chars().all(same) {
                        let end = text.len() - letters.as_str().len();
                        if is_edge(text.as_bytes(), end) {
                            found.push(format!("{}:{rule}", &text[start..end]));
                        }
                    }
                }
            }
            found.sort_unstable();
            found
        }

        /// The same from a text that comes in pieces of some letters.
        fn in_pieces(dictionary: &Dictionary, text: &str, letters: usize) -> Vec<String> {
            let (mut found, mut at, mut known) = (Vec::new(), 0, 0);
            let mut ends: Vec<_> = text.char_indices().step_by(letters).map(|(at, _)| at).collect();
            ends.extend([text.len(), text.len()]);
            for (step, end) in ends.iter().enumerate() {
                known = known.max(*end);
                let complete = step + 1 == ends.len();
                at = dictionary.advance(&text.as_bytes()[..known], at, complete, |span, rule| {
                    found.push(format!("{}:{}", &text[span], rule.position()));
                });
            }
            found.sort_unstable();
            found
        }

        fn text(most: usize) -> impl Strategy<Value = String> {
            const LETTERS: &str = "kKsSaAüÜßẞⱥȺſıIiσςΣдД秘1_ -\u{212a}";
            let letter = prop::sample::select(LETTERS.chars().collect::<Vec<_>>());
            prop::collection::vec(letter, 1..most).prop_map(|letters| letters.into_iter().collect())
        }

        proptest! {
            #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

            #[test]
            fn the_same_is_found(terms in prop::collection::vec(text(5), 1..8), text in text(40)) {
                let terms: Vec<&str> = terms.iter().map(|term| term.trim()).filter(|t| !t.is_empty()).collect();
                prop_assume!(!terms.is_empty());
                prop_assert_eq!(found(&terms, &text), slowly(&terms, &text));
            }

            #[test]
            fn the_same_is_found_in_pieces(terms in prop::collection::vec(text(8), 1..8), text in text(60), letters in 1_usize..9) {
                let terms: Vec<&str> = terms.iter().map(|term| term.trim()).filter(|t| !t.is_empty()).collect();
                prop_assume!(!terms.is_empty());
                prop_assert_eq!(in_pieces(&dictionary(&terms), &text, letters), slowly(&terms, &text));
            }
        }
    }
}
