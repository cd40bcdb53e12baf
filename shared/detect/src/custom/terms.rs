//! The terms of all dictionaries, and the words of ASCII in them.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use crate::rule::RuleIndex;

/// A term's bytes in the common store, and its rule.
#[derive(Clone, Copy)]
struct Term {
    start: u32,
    end: u32,
    rule: RuleIndex,
}

/// Folded terms with their rules, sorted, in one block of memory.
pub(super) struct Terms {
    bytes: Vec<u8>,
    terms: Vec<Term>,
    /// The first eight bytes of each, which most searches need alone.
    keys: Vec<u64>,
}

/// The first eight bytes as a number that is ordered as they are.
fn key(bytes: &[u8]) -> u64 {
    let mut key = [0; 8];
    for (slot, byte) in key.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    u64::from_be_bytes(key)
}

impl Terms {
    /// Sorts and stores terms.
    #[cold]
    #[inline(never)]
    pub(super) fn of(folded: Vec<(Vec<u8>, RuleIndex)>) -> Self {
        // A heap: the code of the standard library's sorts is ten times as large.
        let folded = BinaryHeap::from(folded).into_sorted_vec();
        let keys = folded.iter().map(|(term, _)| key(term)).collect();
        let mut all = Self { bytes: Vec::new(), terms: Vec::with_capacity(folded.len()), keys };
        for (term, rule) in folded {
            let start = narrow(all.bytes.len());
            all.bytes.extend_from_slice(&term);
            all.terms.push(Term { start, end: narrow(all.bytes.len()), rule });
        }
        all
    }

    pub(super) fn len(&self) -> usize {
        self.terms.len()
    }

    /// The term at a place in the order, and its rule.
    pub(super) fn get(&self, place: usize) -> Option<(&[u8], RuleIndex)> {
        self.terms.get(place).map(|term| (self.bytes_of(term), term.rule))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.terms.iter().map(|term| self.bytes_of(term))
    }

    /// How many terms, counted from the first of all, lie before those of `places` that are greater
    /// than `bytes`, or `equal` to it.
    #[inline(never)]
    pub(super) fn before(&self, places: &Range<usize>, bytes: &[u8], equal: bool) -> usize {
        let key = key(bytes);
        let keys = self.keys.get(places.clone()).unwrap_or_default();
        let first = places.start + keys.partition_point(|other| *other < key);
        let keys = self.keys.get(first..places.end).unwrap_or_default();
        let last = first + keys.partition_point(|other| *other == key);
        let smaller = |term: &Term| match self.bytes_of(term).cmp(bytes) {
            Ordering::Less => true,
            Ordering::Equal => !equal,
            Ordering::Greater => false,
        };
        first + self.terms.get(first..last).unwrap_or_default().partition_point(smaller)
    }

    /// The terms that begin with `bytes`.
    pub(super) fn beginning_with(&self, bytes: &[u8]) -> Range<usize> {
        let from = self.before(&(0..self.len()), bytes, true);
        let rest = self.terms.get(from..).unwrap_or_default();
        from..from + rest.partition_point(|term| self.bytes_of(term).starts_with(bytes))
    }

    fn bytes_of(&self, term: &Term) -> &[u8] {
        self.bytes.get(term.start as usize..term.end as usize).unwrap_or_default()
    }
}

/// At most 100,000 terms of 256 bytes are far below 4 GiB.
pub(super) fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The letters, digits and underscores of ASCII in lower case; zero for every other byte.
#[expect(clippy::indexing_slicing, reason = "a constant: a wrong index would not compile")]
static LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut place = 0;
    while place < 256 {
        let byte = place as u8;
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            table[place] = byte.to_ascii_lowercase();
        }
        place += 1;
    }
    table
};

/// Whether a byte belongs to a word of ASCII.
pub(super) fn is_word(byte: u8) -> bool {
    LOWER.get(usize::from(byte)).is_some_and(|lower| *lower != 0)
}

/// Length and hash of the ASCII letters, digits and underscores that `text` begins with.
pub(super) fn word(text: &[u8]) -> (usize, u64) {
    let mut hash = 0_u64;
    for (length, byte) in text.iter().enumerate() {
        let lower = LOWER.get(usize::from(*byte)).copied().unwrap_or(0);
        if lower == 0 {
            return (length, hash);
        }
        hash = (hash ^ u64::from(lower)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    }
    (text.len(), hash)
}
