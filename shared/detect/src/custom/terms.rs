//! The terms of all dictionaries, and the tables by which places in a text are told from those where
//! one may begin. Both tables grow with the number of terms: see [`FirstWords`] and [`Beginnings`].

use std::cmp::Ordering;
use std::ops::Range;

use super::folding::{Folding, whole};
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
    pub(super) fn of(mut folded: Vec<(Vec<u8>, RuleIndex)>) -> Self {
        weir_sort::sort(&mut folded);
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
    fn beginning_with(&self, bytes: &[u8]) -> Range<usize> {
        let from = self.before(&(0..self.len()), bytes, true);
        let rest = self.terms.get(from..).unwrap_or_default();
        from..from + rest.partition_point(|term| self.bytes_of(term).starts_with(bytes))
    }

    fn bytes_of(&self, term: &Term) -> &[u8] {
        self.bytes.get(term.start as usize..term.end as usize).unwrap_or_default()
    }
}

/// At most 100,000 terms of 256 bytes are far below 4 GiB.
fn narrow(length: usize) -> u32 {
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

/// A set of numbers of which some others seem to be in it, too.
struct Bits {
    bits: Vec<u64>,
    /// How far a hash is shifted to the number of a bit.
    shift: u32,
}

impl Bits {
    /// Bits for each number, at least: of other numbers one in 16 to 32 passes.
    const EACH: usize = 16;
    /// Most bits, 4 MiB of memory, which only terms of very many spellings would exceed.
    const MOST: usize = 1 << 25;

    fn for_numbers(count: usize) -> Self {
        let size = (count * Self::EACH).next_power_of_two().clamp(64, Self::MOST);
        Self { bits: vec![0; size / 64], shift: 64 - size.trailing_zeros() }
    }

    fn add(&mut self, number: u64) {
        let (word, bit) = self.place(number);
        if let Some(word) = self.bits.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_have(&self, number: u64) -> bool {
        let (word, bit) = self.place(number);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Word and bit: Fibonacci hashing, the upper bits of the product.
    fn place(&self, number: u64) -> (usize, u64) {
        let place = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift;
        (usize::try_from(place >> 6).unwrap_or(0), 1 << (place & 63))
    }
}

/// The first words of the terms that begin with a word of ASCII after which another ASCII character
/// follows or nothing.
///
/// A place in a text with such a word, whole, can only begin a term that has the same: there is no
/// edge inside it, and what follows it is no letter. Found by a hash table with at least twice as
/// many slots as words. With 100,000 terms it all takes 2.5 MiB at most.
pub(super) struct FirstWords {
    /// Places in `words`, counted from one; zero is free.
    slots: Vec<u32>,
    words: Vec<FirstWord>,
    /// The words with the bytes that follow them in a term.
    continued: Bits,
}

struct FirstWord {
    /// The terms that begin with its letters, as a range of the sorted.
    from: u32,
    to: u32,
    length: u16,
    /// A term ends with it or less than [`NEXT`] bytes after it.
    ends: bool,
}

impl FirstWord {
    /// Whether it is `word`, in either case.
    fn is(&self, word: &[u8], terms: &Terms) -> bool {
        let term = terms.get(self.from as usize).and_then(|(term, _)| term.get(..word.len()));
        usize::from(self.length) == word.len()
            && term.is_some_and(|term| term.eq_ignore_ascii_case(word))
    }
}

/// Bytes after a first word that are looked up with it.
const NEXT: usize = 4;

/// A word with the bytes after it, without regard to ASCII case.
fn continued(hash: u64, next: [u8; NEXT]) -> u64 {
    hash.rotate_left(31) ^ u64::from(u32::from_be_bytes(next.map(|byte| byte.to_ascii_lowercase())))
}

impl FirstWords {
    #[cold]
    #[inline(never)]
    pub(super) fn of(terms: &Terms) -> Self {
        let plain = terms.iter().filter(|term| Self::begins_with_one(term)).count();
        let mut table = Self {
            slots: vec![0; (plain * 2).next_power_of_two()],
            words: Vec::new(),
            continued: Bits::for_numbers(plain),
        };
        for term in terms.iter().filter(|term| Self::begins_with_one(term)) {
            table.add(terms, term);
        }
        table
    }

    fn begins_with_one(term: &[u8]) -> bool {
        let (length, _) = word(term);
        length > 0 && term.get(length).is_none_or(|byte| *byte < 0x80)
    }

    /// Adds the first word of a term.
    fn add(&mut self, terms: &Terms, term: &[u8]) {
        let (length, hash) = word(term);
        let (first, rest) = term.split_at_checked(length).unwrap_or_default();
        let next = rest.first_chunk::<NEXT>();
        if let Some(next) = next {
            self.continued.add(continued(hash, *next));
        }
        for slot in self.probes(hash) {
            let Some(slot) = self.slots.get_mut(slot) else { return };
            if *slot == 0 {
                let Range { start, end } = terms.beginning_with(first);
                let length = u16::try_from(length).unwrap_or(u16::MAX);
                let (from, to) = (narrow(start), narrow(end));
                self.words.push(FirstWord { from, to, length, ends: next.is_none() });
                *slot = narrow(self.words.len());
                return;
            }
            let known = (*slot as usize).checked_sub(1).and_then(|place| self.words.get_mut(place));
            // Those of the same first word need not stand together: `blue bird`, `blue1`, `blue:x`.
            if let Some(known) = known.filter(|known| known.is(first, terms)) {
                known.ends |= next.is_none();
                return;
            }
        }
    }

    /// The slots that a word may stand in, in turn.
    fn probes(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().saturating_sub(1);
        // The upper bits depend on all letters.
        let first = (hash ^ hash >> 32) as usize;
        (0..=mask).map(move |step| first.wrapping_add(step) & mask)
    }

    /// The terms that may begin like `text`, which begins with a whole word of this length and hash.
    pub(super) fn terms(
        &self,
        text: &[u8],
        (length, hash): (usize, u64),
        terms: &Terms,
    ) -> Option<Range<usize>> {
        let (first, rest) = text.split_at_checked(length)?;
        // A letter beyond ASCII may fold to one of it.
        let next = rest.first_chunk::<NEXT>().filter(|next| next.is_ascii());
        let goes_on = next.is_none_or(|next| self.continued.may_have(continued(hash, *next)));
        for slot in self.probes(hash) {
            let place = (*self.slots.get(slot)? as usize).checked_sub(1)?;
            let word = self.words.get(place)?;
            if (word.ends || goes_on) && word.is(first, terms) {
                return Some(word.from as usize..word.to as usize);
            }
        }
        None
    }
}

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
