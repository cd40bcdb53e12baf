//! Dictionaries of terms.

use std::ops::Range;

use super::folding::{Folding, whole};
use crate::policy::PolicyError;
use crate::rule::RuleIndex;

/// Most terms of all dictionaries together.
const MAX_TERMS: usize = 100_000;
/// Longest term, in bytes.
pub(super) const MAX_TERM: usize = 256;

/// All dictionaries of a policy.
///
/// A term can begin only where a word does, so each such place is looked up: its first bytes in a
/// table of bits, and what passes that in the sorted terms. An automaton would look at every byte.
pub(super) struct Dictionary {
    /// Folded terms with their rules, sorted.
    sorted: Vec<(Box<[u8]>, RuleIndex)>,
    folding: Folding,
    beginnings: Beginnings,
    /// Bytes of the longest text that a term matches.
    longest: usize,
    /// Bytes of the longest folded term.
    longest_folded: usize,
}

impl std::fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dictionary").field("terms", &self.sorted.len()).finish_non_exhaustive()
    }
}

/// Bytes of a beginning that is looked up.
const BEGINNING: usize = 4;

/// The beginnings of all terms, as bits by their hash.
struct Beginnings {
    bits: Vec<u64>,
    /// Lengths of beginnings that occur: terms shorter than [`BEGINNING`] are theirs as a whole.
    lengths: [bool; BEGINNING + 1],
}

impl Beginnings {
    /// 2¹⁸ bits, 32 KB: of ten thousand terms one in 26 other beginnings passes.
    const WORDS: usize = 4096;

    /// Every way in which a text can begin that one of the sorted terms matches, so that no letter of
    /// a text has to be folded to look it up.
    fn of<'t>(terms: impl Iterator<Item = &'t str>, folding: &Folding) -> Self {
        let mut beginnings = Self { bits: vec![0; Self::WORDS], lengths: [false; BEGINNING + 1] };
        let mut last = "";
        for term in terms {
            // So many letters are as many bytes at least. Sorted terms begin alike one after another.
            let end = term.char_indices().nth(BEGINNING).map_or(term.len(), |(end, _)| end);
            let beginning = term.get(..end).unwrap_or(term);
            if beginning == std::mem::replace(&mut last, beginning) {
                continue;
            }
            folding.spellings(beginning, BEGINNING, &mut |beginning| beginnings.add(beginning));
        }
        beginnings
    }

    fn add(&mut self, beginning: &[u8]) {
        let (word, bit) = Self::place(beginning);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
        if let Some(length) = self.lengths.get_mut(beginning.len()) {
            *length = true;
        }
    }

    /// Whether a term may begin like `text`.
    fn may_begin(&self, text: &[u8]) -> bool {
        let lengths = (1..=BEGINNING).filter(|len| self.lengths.get(*len) == Some(&true));
        lengths.filter_map(|len| text.get(..len)).any(|beginning| {
            let (word, bit) = Self::place(beginning);
            self.bits.get(word).is_some_and(|word| word & bit != 0)
        })
    }

    /// Word and bit of a beginning, without regard to ASCII case.
    fn place(beginning: &[u8]) -> (usize, u64) {
        let key = beginning.iter().fold(beginning.len() as u64, |key, byte| {
            key << 8 | u64::from(byte.to_ascii_lowercase())
        });
        // Fibonacci hashing: the upper bits of the product.
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 46;
        (usize::try_from(hash >> 6).unwrap_or(0) % Self::WORDS, 1 << (hash & 63))
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
        let folded = |term: &str| folding.fold(term.as_bytes()).into_boxed_slice();
        let mut sorted: Vec<_> = terms.iter().map(|(term, rule)| (folded(term), *rule)).collect();
        weir_sort::sort(&mut sorted);
        let beginnings = Beginnings::of(sorted.iter().map(|(term, _)| whole(term)), &folding);
        let longest_folded = sorted.iter().map(|(term, _)| term.len()).max().unwrap_or(0);
        Ok(Some(Self { sorted, folding, beginnings, longest, longest_folded }))
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
        for start in at..end {
            let rest = text.get(start..).unwrap_or_default();
            if is_edge(text, start) && self.beginnings.may_begin(rest) {
                self.terms_at(text, start, &mut take);
            }
        }
        end
    }

    /// Takes every term that stands at `start` and ends with a word.
    fn terms_at(&self, text: &[u8], start: usize, take: &mut impl FnMut(Range<usize>, RuleIndex)) {
        let rest = text.get(start..text.len().min(start + self.longest)).unwrap_or_default();
        let folded = self.folding.fold_to(rest, self.longest_folded);
        let mut beginning = folded.as_slice();
        // The last term that is not after the text; terms that are beginnings of it are beginnings
        // of what both have in common.
        while !beginning.is_empty() {
            let place = self.sorted.partition_point(|(term, _)| term.as_ref() <= beginning);
            let Some((term, rule)) = place.checked_sub(1).and_then(|at| self.sorted.get(at)) else {
                return;
            };
            let common = term.iter().zip(beginning).take_while(|(a, b)| a == b).count();
            if common == term.len() {
                let same = self.sorted.get(..place).unwrap_or_default().iter().rev();
                let span = start..start + self.folding.unfolded(rest, common);
                if is_edge(text, span.end) {
                    take(span.clone(), *rule);
                    let others = same.skip(1).take_while(|(other, _)| other == term);
                    others.for_each(|(_, rule)| take(span.clone(), *rule));
                }
            }
            let shorter = if common == term.len() { common.saturating_sub(1) } else { common };
            beginning = beginning.get(..shorter).unwrap_or_default();
        }
    }

    /// The first place from which all the rest is the beginning of a term.
    fn first_live(&self, text: &[u8], at: usize) -> usize {
        let from = at.max(text.len().saturating_sub(self.longest));
        let live = |start: &usize| {
            let rest = text.get(*start..).unwrap_or_default();
            let may_begin = rest.len() < BEGINNING || self.beginnings.may_begin(rest);
            let folded = || self.folding.fold_to(rest, self.longest_folded + 1);
            is_edge(text, *start) && may_begin && self.begins_term(&folded())
        };
        (from..text.len()).find(live).unwrap_or(text.len())
    }

    fn begins_term(&self, beginning: &[u8]) -> bool {
        let place = self.sorted.partition_point(|(term, _)| term.as_ref() < beginning);
        self.sorted.get(place).is_some_and(|(term, _)| term.starts_with(beginning))
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

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn found(terms: &[&str], text: &str) -> Vec<String> {
        let rule = |place: usize| RuleIndex(u16::try_from(place).unwrap());
        let terms: Vec<_> = terms.iter().enumerate().map(|(at, term)| (*term, rule(at))).collect();
        let dictionary = Dictionary::compile(&terms).unwrap().unwrap();
        let mut found = Vec::new();
        dictionary.advance(text.as_bytes(), 0, true, |span, rule| {
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

        fn text(most: usize) -> impl Strategy<Value = String> {
            const LETTERS: &str = "kKsSaAüÜßẞⱥȺſıIiσςΣдД秘1 -\u{212a}";
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
        }
    }
}
