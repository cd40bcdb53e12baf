//! Letters without regard to case, as Unicode's simple case folding has it: one letter for one.
//!
//! Only the letters of the operator's own terms are folded, so the table is as small as they are
//! few. The spellings of a letter may differ in length (`ß` and `ẞ`), hence so may a text and what
//! it folds to; spans are counted in the text.

use std::collections::BinaryHeap;

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// The letters of some texts, and what each of their spellings folds to.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    /// Letters outside ASCII that fold to another, with that one, sorted.
    letters: Vec<(char, char)>,
    /// The same the other way round, sorted.
    spellings: Vec<(char, char)>,
}

impl Folding {
    /// The folding that `texts` need.
    pub(crate) fn of<'t>(texts: impl Iterator<Item = &'t str>) -> Self {
        let mut used = Vec::new();
        for letter in texts.flat_map(str::chars).map(|letter| letter.to_ascii_lowercase()) {
            if let Err(place) = used.binary_search(&letter) {
                used.insert(place, letter);
            }
        }
        let mut letters = Vec::new();
        for letter in used {
            let all = spellings(letter);
            let Some(folded) = all.first().map(char::to_ascii_lowercase) else { continue };
            let others = all.iter().filter(|other| !other.is_ascii() && **other != folded);
            letters.extend(others.map(|other| (*other, folded)));
        }
        // Heaps: the code of the standard library's sorts is ten times as large.
        let mut letters = BinaryHeap::from(letters).into_sorted_vec();
        letters.dedup();
        let spellings = letters.iter().map(|(letter, to)| (*to, *letter));
        let spellings = spellings.collect::<BinaryHeap<_>>().into_sorted_vec();
        Self { letters, spellings }
    }

    fn letter(&self, letter: char) -> char {
        if letter.is_ascii() {
            return letter.to_ascii_lowercase();
        }
        let place = self.letters.binary_search_by_key(&letter, |(spelling, _)| *spelling);
        let entry = place.ok().and_then(|place| self.letters.get(place));
        entry.map_or(letter, |(_, folded)| *folded)
    }

    /// What a text folds to. A letter that is cut at its end may be dropped.
    pub(crate) fn fold(&self, text: &[u8]) -> Vec<u8> {
        if self.letters.is_empty() || text.is_ascii() {
            return text.to_ascii_lowercase();
        }
        let letters = whole(text).chars().map(|letter| self.letter(letter));
        letters.collect::<String>().into_bytes()
    }

    /// At least the first `most` bytes of what a text folds to, if it has so many and there is room
    /// for them and a letter.
    #[inline(never)]
    pub(super) fn fold_into<'r>(&self, text: &[u8], most: usize, room: &'r mut [u8]) -> &'r [u8] {
        let head = text.get(..most).unwrap_or(text);
        let mut length = 0;
        if self.letters.is_empty() || head.is_ascii() {
            for (slot, byte) in room.iter_mut().zip(head) {
                *slot = byte.to_ascii_lowercase();
            }
            length = head.len();
        } else {
            for letter in whole(text).chars().map(|letter| self.letter(letter)) {
                let Some(rest) = room.get_mut(length..).filter(|rest| rest.len() >= 4) else {
                    break;
                };
                length += letter.encode_utf8(rest).len();
                if length >= most {
                    break;
                }
            }
        }
        room.get(..length).unwrap_or_default()
    }

    /// How many bytes of `text` the first `length` bytes are that it folds to.
    pub(super) fn unfolded(&self, text: &[u8], length: usize) -> usize {
        if self.letters.is_empty() || text.get(..length).is_some_and(<[u8]>::is_ascii) {
            return length;
        }
        let mut left = length;
        let read = whole(text).chars().take_while(|letter| {
            let taken = self.letter(*letter).len_utf8();
            let goes_on = left > 0;
            left = left.saturating_sub(taken);
            goes_on
        });
        read.map(char::len_utf8).sum()
    }

    /// Bytes of the longest text that folds to what `text` does.
    pub(super) fn longest(&self, text: &str) -> usize {
        let longest = |letter| self.all(letter).map(char::len_utf8).max().unwrap_or(0);
        text.chars().map(longest).sum()
    }

    /// Every letter that folds to what `letter` does; of ASCII only the small ones.
    fn all(&self, letter: char) -> impl Iterator<Item = char> {
        let folded = self.letter(letter);
        let first = self.spellings.partition_point(|(to, _)| *to < folded);
        let others = self.spellings.iter().skip(first).take_while(move |(to, _)| *to == folded);
        std::iter::once(folded).chain(others.map(|(_, spelling)| *spelling))
    }

    /// At most how many beginnings of `most` bytes [`Self::spellings`] tells of.
    pub(super) fn ways(&self, text: &str, most: usize) -> usize {
        text.chars().take(most).map(|letter| self.all(letter).count()).product()
    }

    /// Calls `take` with the first `most` bytes of every text that folds to what `text` does.
    pub(super) fn spellings(&self, text: &str, most: usize, take: &mut impl FnMut(&[u8])) {
        let mut beginnings = vec![Vec::new()];
        for letter in text.chars().take(most) {
            let short = |beginning: &Vec<u8>| beginning.len() < most;
            let (grow, mut done): (Vec<_>, Vec<_>) = beginnings.into_iter().partition(short);
            if grow.is_empty() {
                beginnings = done;
                break;
            }
            for spelling in self.all(letter) {
                let mut bytes = [0; 4];
                let bytes = spelling.encode_utf8(&mut bytes).as_bytes();
                done.extend(grow.iter().map(|beginning| [beginning, bytes].concat()));
            }
            beginnings = done;
        }
        beginnings.iter().for_each(|all| take(all.get(..most).unwrap_or(all)));
    }
}

/// The letter in all its spellings, the first in the order of Unicode first.
fn spellings(letter: char) -> Vec<char> {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(letter, letter)]);
    // It only fails where the tables are left out, which the features of the crate rule out.
    let _ = class.try_case_fold_simple();
    class.ranges().iter().flat_map(|range| range.start()..=range.end()).collect()
}

/// The text up to a letter that is cut off.
pub(super) fn whole(text: &[u8]) -> &str {
    match std::str::from_utf8(text) {
        Ok(text) => text,
        Err(cut) => {
            let whole = text.get(..cut.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(whole).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn letters_of_the_texts_fold_in_every_spelling_and_others_stay() {
        let folding = Folding::of(["Zürich", "straße", "ΟΔΟΣ", "ⱥ"].into_iter());
        for (a, b) in [
            ("ZÜRICH", "zürich"),
            ("STRAẞE", "Straße"),
            ("οδος", "ΟΔΟΣ"),
            ("οδοσ", "ΟΔΟς"),
            ("Ⱥ", "ⱥ"),
            ("ſ", "S"),
        ] {
            assert_eq!(folding.fold(a.as_bytes()), folding.fold(b.as_bytes()), "{a} {b}");
        }
        assert_ne!(folding.fold("É".as_bytes()), folding.fold("é".as_bytes()));
        assert_ne!(folding.fold("ı".as_bytes()), folding.fold("i".as_bytes()));
    }

    #[test]
    fn a_place_in_the_folded_text_is_found_again_in_the_text() {
        let folding = Folding::of(["kẞⱥü"].into_iter());
        let text = "K\u{212a}ẞßȺⱥÜü!";
        let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
        for end in ends {
            let length = folding.fold(&text.as_bytes()[..end]).len();
            assert_eq!(folding.unfolded(text.as_bytes(), length), end);
        }
    }

    #[test]
    fn beginnings_are_those_of_every_spelling() {
        let folding = Folding::of(["kö", "aß"].into_iter());
        let all = |text: &str| {
            let mut all = Vec::new();
            folding.spellings(text, 4, &mut |bytes| all.push(bytes.to_vec()));
            all.sort();
            all
        };
        let cut = |text: &str| text.bytes().take(4).collect::<Vec<u8>>();
        assert_eq!(all("KÖ"), ["kÖ", "kö", "\u{212a}Ö", "\u{212a}ö"].map(cut));
        assert_eq!(all("a ße").len(), 2);
        assert_eq!(folding.longest("kß"), 6);
    }
}
