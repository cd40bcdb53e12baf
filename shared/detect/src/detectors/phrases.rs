//! The literals that end a suspicious phrase, found by their rarest three letters.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::signatures::{SIGNATURES, Signature};
use crate::hash::FixedHasher;

type Trigram = [u8; 3];

/// Where in its literal a trigram stands, and which signature the literal belongs to.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    signature: usize,
}

/// All signatures, indexed by trigram.
pub(crate) struct Phrases {
    trigrams: Vec<Trigram>,
    places: HashMap<Trigram, Vec<Place>, FixedHasher>,
}

impl Phrases {
    /// Indexes the built-in signatures.
    pub(crate) fn new() -> Self {
        let mut places: HashMap<Trigram, Vec<Place>, FixedHasher> = HashMap::default();
        for (signature, entry) in SIGNATURES.iter().enumerate() {
            let Some((offset, trigram)) = rarest(entry.tail.as_bytes()) else { continue };
            match places.entry(trigram) {
                Entry::Occupied(mut list) => list.get_mut().push(Place { offset, signature }),
                Entry::Vacant(slot) => {
                    slot.insert(vec![Place { offset, signature }]);
                }
            }
        }
        let mut trigrams: Vec<Trigram> = places.keys().copied().collect();
        trigrams.sort_unstable();
        Self { trigrams, places }
    }

    /// The trigrams that the anchor pass must look for, in lower case.
    pub(crate) fn trigrams(&self) -> &[Trigram] {
        &self.trigrams
    }

    /// Whether one of the literals stands around `at`.
    pub(crate) fn starts_at(&self, text: &[u8], at: usize) -> bool {
        self.matches(text, at).next().is_some()
    }

    /// The signatures whose literal has its trigram at `at`, and where the literal ends.
    pub(crate) fn matches<'p>(
        &'p self,
        text: &'p [u8],
        at: usize,
    ) -> impl Iterator<Item = (&'static Signature, usize)> + 'p {
        let trigram =
            text.get(at..).and_then(|rest| rest.first_chunk::<3>()).copied().unwrap_or_default();
        let places = self.places.get(&trigram.map(|b| b.to_ascii_lowercase()));
        places.into_iter().flatten().filter_map(move |place| {
            let signature = SIGNATURES.get(place.signature)?;
            let start = at.checked_sub(place.offset)?;
            let end = start + signature.tail.len();
            let found = text.get(start..end)?;
            let matches =
                found.iter().zip(signature.tail.bytes()).all(|(b, t)| b.to_ascii_lowercase() == t);
            matches.then_some((signature, end))
        })
    }
}

/// The three letters of `literal` that are rarest in English, and where they stand. Only its last
/// word counts: a stream may not have more than the word it is at.
fn rarest(literal: &[u8]) -> Option<(usize, Trigram)> {
    let last_word = memchr::memrchr(b' ', literal).map_or(0, |space| space + 1);
    let windows = literal.windows(3).enumerate().skip(last_word);
    let cost = |trigram: &[u8]| trigram.iter().map(|b| frequency(*b)).product::<u32>();
    let (offset, trigram) = windows.min_by_key(|(_, trigram)| cost(trigram))?;
    Some((offset, *trigram.first_chunk()?))
}

/// Rough frequency of a letter in English text, per thousand characters.
fn frequency(byte: u8) -> u32 {
    const LETTERS: [u32; 26] = [
        65, 12, 22, 34, 102, 18, 16, 49, 56, 1, 6, 32, 19, 56, 60, 15, 1, 48, 51, 73, 22, 8, 19, 1,
        16, 1,
    ];
    match byte {
        b'a'..=b'z' => LETTERS.get(usize::from(byte - b'a')).copied().unwrap_or(1),
        b' ' => 180,
        _ => 5,
    }
}
