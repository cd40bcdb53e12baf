//! The literals that end a suspicious phrase, found by their rarest three letters.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::signatures::{SIGNATURES, Signature};
use crate::hash::FixedHasher;
use crate::scan::anchor::Trigrams;

type Trigram = [u8; 3];

/// Where in its literal a trigram stands, and which signature the literal belongs to.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    signature: usize,
}

/// All signatures, indexed by trigram.
pub(crate) struct Phrases {
    trigrams: [Vec<Trigram>; 2],
    filter: Trigrams,
    places: HashMap<Trigram, Vec<Place>, FixedHasher>,
}

impl Phrases {
    /// Indexes the built-in signatures.
    pub(crate) fn new() -> Self {
        let mut places: HashMap<Trigram, Vec<Place>, FixedHasher> = HashMap::default();
        let mut trigrams = [Vec::new(), Vec::new()];
        for (signature, chosen) in choose().into_iter().enumerate() {
            let Some(Choice { offset, trigram, group }) = chosen else { continue };
            if let Some(trigrams) = trigrams.get_mut(group) {
                trigrams.push(trigram);
            }
            match places.entry(trigram) {
                Entry::Occupied(mut list) => list.get_mut().push(Place { offset, signature }),
                Entry::Vacant(slot) => {
                    slot.insert(vec![Place { offset, signature }]);
                }
            }
        }
        Self { filter: Trigrams::new(trigrams.iter().flatten()), trigrams, places }
    }

    /// The trigrams that the anchor pass must look for, in lower case, in two groups that are
    /// tested apart.
    pub(crate) fn trigrams(&self) -> &[Vec<Trigram>; 2] {
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
        let known = self.filter.contains(trigram);
        let places =
            known.then(|| self.places.get(&trigram.map(|b| b.to_ascii_lowercase()))).flatten();
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

/// The trigram that stands for a signature's literal.
#[derive(Clone, Copy, Debug)]
struct Choice {
    offset: usize,
    trigram: Trigram,
    group: usize,
}

/// A trigram for each signature, chosen so that the byte sets of all together let little ordinary
/// text pass: first the best for each alone, then better ones in the light of the others.
fn choose() -> Vec<Option<Choice>> {
    const SWEEPS: usize = 4;
    let mut chosen: Vec<Option<Choice>> = vec![None; SIGNATURES.len()];
    for _ in 0..SWEEPS {
        for (place, signature) in SIGNATURES.iter().enumerate() {
            if let Some(own) = chosen.get_mut(place) {
                *own = None;
            }
            let others = [sets(&chosen, 0), sets(&chosen, 1)];
            let cost = |choice: &Choice| passing_with(&others, choice);
            let best =
                candidates(signature.tail.as_bytes()).min_by(|a, b| cost(a).total_cmp(&cost(b)));
            if let Some(own) = chosen.get_mut(place) {
                *own = best;
            }
        }
    }
    chosen
}

/// The trigrams of a literal's last word: a stream may not have more than the word it is at.
fn candidates(literal: &[u8]) -> impl Iterator<Item = Choice> {
    let last_word = memchr::memrchr(b' ', literal).map_or(0, |space| space + 1);
    let windows = literal.windows(3).enumerate().skip(last_word);
    let trigrams = windows.filter_map(|(offset, trigram)| Some((offset, *trigram.first_chunk()?)));
    trigrams.flat_map(|(offset, trigram)| [0, 1].map(|group| Choice { offset, trigram, group }))
}

/// The low nibbles that occur at each position of a group: what the block test can tell apart.
fn sets(chosen: &[Option<Choice>], group: usize) -> [u16; 3] {
    let members = chosen.iter().flatten().filter(|choice| choice.group == group);
    members.fold([0; 3], |sets, choice| with(sets, choice.trigram))
}

fn with(mut sets: [u16; 3], trigram: Trigram) -> [u16; 3] {
    for (set, byte) in sets.iter_mut().zip(trigram) {
        *set |= 1 << (byte & 15);
    }
    sets
}

/// The share of English text that passes once `choice` is added to the sets of its group.
fn passing_with(groups: &[[u16; 3]; 2], choice: &Choice) -> f32 {
    let group = |(place, sets): (usize, &[u16; 3])| {
        passing(if place == choice.group { with(*sets, choice.trigram) } else { *sets })
    };
    groups.iter().enumerate().map(group).sum()
}

fn passing(sets: [u16; 3]) -> f32 {
    let letters = |set: u16| (b'a'..=b'z').filter(move |letter| set >> (letter & 15) & 1 == 1);
    sets.iter().map(|set| letters(*set).map(frequency).sum::<f32>()).product()
}

/// Rough frequency of a letter in English text, per thousand letters.
fn frequency(letter: u8) -> f32 {
    const LETTERS: [u8; 26] = [
        82, 15, 28, 43, 127, 22, 20, 61, 70, 2, 8, 40, 24, 67, 75, 19, 1, 60, 63, 91, 28, 10, 24,
        2, 20, 1,
    ];
    letter
        .checked_sub(b'a')
        .and_then(|place| LETTERS.get(usize::from(place)))
        .map_or(0.0, |f| f32::from(*f))
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn every_signature_has_a_trigram_of_its_last_word() {
        for (signature, choice) in SIGNATURES.iter().zip(choose()) {
            let choice = choice.unwrap_or_else(|| panic!("{} has none", signature.tail));
            let last = signature.tail.rsplit(' ').next().unwrap();
            assert!(
                last.contains(std::str::from_utf8(&choice.trigram).unwrap()),
                "{}",
                signature.tail
            );
        }
    }

    #[test]
    fn ordinary_prose_rarely_passes_the_block_test() {
        let chosen = choose();
        let groups = [sets(&chosen, 0), sets(&chosen, 1)];
        let share: f32 = groups.iter().map(|group| passing(*group)).sum();
        // Frequencies are per thousand, so three of them per thousand million.
        assert!(share < 0.08e9, "{share}");
    }
}
