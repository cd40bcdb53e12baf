//! Where a term may begin: by the whole first word.

use std::ops::Range;

use super::bits::Bits;
use super::terms::{Terms, narrow, word};

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
