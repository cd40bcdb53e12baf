//! Where a term may begin: by its first bytes, in all their spellings.

use super::bits::Bits;
use super::folding::{Folding, whole};
use super::terms::Terms;

/// Bytes of a beginning that is looked up: two characters of a script without spaces.
pub(super) const BEGINNING: usize = 6;

/// The beginnings of all terms.
pub(super) struct Beginnings {
    bits: Bits,
    /// Lengths of beginnings that occur: terms shorter than [`BEGINNING`] are theirs as a whole.
    lengths: [bool; BEGINNING + 1],
    /// First bytes that occur, in either case.
    firsts: [u64; 4],
}

impl Beginnings {
    /// Every way in which a text can begin that one of `terms` matches, so that no letter of a text
    /// has to be folded to look it up.
    #[cold]
    #[inline(never)]
    pub(super) fn of(terms: &Terms, folding: &Folding) -> Self {
        let ways = distinct(terms).map(|beginning| folding.ways(beginning, BEGINNING)).sum();
        let bits = Bits::for_numbers(ways);
        let mut table = Self { bits, lengths: [false; BEGINNING + 1], firsts: [0; 4] };
        for beginning in distinct(terms) {
            folding.spellings(beginning, BEGINNING, &mut |beginning| table.add(beginning));
        }
        table
    }

    #[inline(never)]
    fn add(&mut self, beginning: &[u8]) {
        self.bits.add(Self::number(beginning));
        if let Some(length) = self.lengths.get_mut(beginning.len()) {
            *length = true;
        }
        let first = beginning.first().copied().unwrap_or(0);
        for first in [first.to_ascii_lowercase(), first.to_ascii_uppercase()] {
            if let Some(word) = self.firsts.get_mut(usize::from(first >> 6)) {
                *word |= 1 << (first & 63);
            }
        }
    }

    /// Whether a term may begin like `text`. Unless `ended`, more may follow.
    pub(super) fn may_begin(&self, text: &[u8], ended: bool) -> bool {
        let Some(first) = text.first() else { return false };
        let known = self.firsts.get(usize::from(first >> 6));
        if known.is_none_or(|bits| bits >> (first & 63) & 1 == 0) {
            return false;
        }
        if text.len() < BEGINNING && !ended {
            return true;
        }
        let lengths = (1..=BEGINNING).filter(|len| self.lengths.get(*len) == Some(&true));
        let mut beginnings = lengths.filter_map(|len| text.get(..len));
        beginnings.any(|beginning| self.bits.may_have(Self::number(beginning)))
    }

    /// A beginning without regard to ASCII case.
    fn number(beginning: &[u8]) -> u64 {
        beginning.iter().fold(beginning.len() as u64, |number, byte| {
            number << 8 | u64::from(byte.to_ascii_lowercase())
        })
    }
}

/// The first letters of all terms, each beginning once: sorted terms begin alike one after another.
fn distinct(terms: &Terms) -> impl Iterator<Item = &str> {
    let mut last = "";
    terms.iter().filter_map(move |term| {
        let term = whole(term);
        // So many letters are as many bytes at least.
        let end = term.char_indices().nth(BEGINNING).map_or(term.len(), |(end, _)| end);
        let beginning = term.get(..end).unwrap_or(term);
        (beginning != std::mem::replace(&mut last, beginning)).then_some(beginning)
    })
}
