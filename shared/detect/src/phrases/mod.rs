//! The literals that end a suspicious phrase, found by their rarest letters.

pub(crate) mod score;
pub(crate) mod signatures;

use self::signatures::Signature;
use crate::scan::anchor::{ASCII_GROUPS, PHRASE_GROUPS, Print, TRIGRAM_PLACES, trigram_place};

/// How names of passwords begin, in lower case.
pub(crate) const PASSWORD: &str = "pass";

/// Where in its literal a trigram stands, and the signature the literal belongs to.
#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    signature: &'static Signature,
}

/// All signatures, indexed by trigram.
pub(crate) struct Phrases {
    prints: Vec<Print>,
    /// For each place of a trigram the position of its list in `lists`.
    index: Box<[u8]>,
    /// The first is empty.
    lists: Vec<Vec<Place>>,
}

impl Phrases {
    /// Indexes the built-in signatures.
    pub(crate) fn new() -> Self {
        let mut index = vec![0_u8; TRIGRAM_PLACES].into_boxed_slice();
        let mut lists = vec![Vec::new()];
        let tails = choose();
        for signature in signatures::all() {
            let Some(choice) = tails.iter().find(|choice| choice.tail == signature.tail) else {
                continue;
            };
            let place = Place { offset: choice.offset, signature };
            let Some(slot) = index.get_mut(trigram_place(choice.print.trigram())) else { continue };
            if *slot == 0 {
                *slot = u8::try_from(lists.len()).unwrap_or(0);
                lists.push(Vec::new());
            }
            if let Some(list) = lists.get_mut(usize::from(*slot)) {
                list.push(place);
            }
        }
        let prints = tails.iter().map(|choice| choice.print).collect();
        Self { prints, index, lists }
    }

    /// The pieces of the literals that the anchor pass must look for.
    pub(crate) fn prints(&self) -> &[Print] {
        &self.prints
    }

    /// Whether one of the literals stands around `at`.
    #[inline]
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
        let list = self.index.get(trigram_place(trigram)).copied().unwrap_or(0);
        let places = self.lists.get(usize::from(list)).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(move |place| {
            let signature = place.signature;
            let start = at.checked_sub(place.offset)?;
            let end = start + signature.tail.len();
            let found = text.get(start..end)?;
            let matches =
                found.iter().zip(signature.tail.bytes()).all(|(b, t)| b.to_ascii_lowercase() == t);
            matches.then_some((signature, end))
        })
    }
}

/// The piece that stands for a literal, and where it begins in it.
#[derive(Clone, Copy, Debug)]
struct Choice {
    tail: &'static str,
    offset: usize,
    print: Print,
}

/// A piece for each literal, chosen so that the byte sets of each group let little ordinary text
/// pass: first the best for each alone, then better ones in the light of the others. The beginning
/// of passwords' names is found with them.
fn choose() -> Vec<Choice> {
    const SWEEPS: usize = 3;
    // Few enough for a list: a map would take more code than all else here.
    let mut chosen: Vec<Choice> = Vec::new();
    for _ in 0..SWEEPS {
        let tails = signatures::all().map(|signature| signature.tail);
        for tail in tails.chain([PASSWORD]) {
            chosen.retain(|choice| choice.tail != tail);
            let others = occupied(&chosen);
            let cost = |choice: &Choice| {
                let group = others.get(choice.print.group).copied().unwrap_or_default();
                passing(&with(group, &choice.print)) - passing(&group)
            };
            chosen.extend(candidates(tail).min_by(|a, b| cost(a).total_cmp(&cost(b))));
        }
    }
    chosen
}

/// Pieces of a literal's last word: a stream may not have more than the word it is at. In ASCII
/// it is the word's beginning; scripts without spaces break into characters.
fn candidates(tail: &'static str) -> impl Iterator<Item = Choice> {
    let literal = tail.as_bytes();
    let cut = literal.iter().rposition(|byte| b" <|".contains(byte));
    let last_word = cut.map_or(0, |cut| cut + 1);
    let last = literal.len().saturating_sub(3);
    let caseless = literal.get(last).is_some_and(|byte| (0xE3..=0xED).contains(byte));
    let (offsets, groups) = match (literal.is_ascii(), caseless) {
        (true, _) => {
            let begins = |at: &usize| {
                let letter = |at: usize| literal.get(at).is_some_and(u8::is_ascii_alphabetic);
                letter(*at) && !at.checked_sub(1).is_some_and(letter)
            };
            let at = (last_word..=last).rev().find(begins).unwrap_or(last);
            (at..at + 1, 0..ASCII_GROUPS)
        }
        (false, false) => (last_word..last + 1, ASCII_GROUPS..PHRASE_GROUPS - 1),
        (false, true) => (last..last + 1, PHRASE_GROUPS - 1..PHRASE_GROUPS),
    };
    offsets.flat_map(move |offset| {
        let bytes = std::array::from_fn(|place| literal.get(offset + place).copied());
        groups.clone().map(move |group| Choice { tail, offset, print: Print { bytes, group } })
    })
}

/// For each position the low halves of bytes that occur there, as bits.
type Nibbles = [u16; 4];

fn occupied(chosen: &[Choice]) -> [Nibbles; PHRASE_GROUPS] {
    let mut groups = [Nibbles::default(); PHRASE_GROUPS];
    for choice in chosen {
        if let Some(group) = groups.get_mut(choice.print.group) {
            *group = with(*group, &choice.print);
        }
    }
    groups
}

fn with(mut sets: Nibbles, print: &Print) -> Nibbles {
    for (set, byte) in sets.iter_mut().zip(print.bytes) {
        *set |= byte.map_or(u16::MAX, |byte| 1 << (byte & 15));
    }
    sets
}

/// The share of letters of English text at which a group's sets are all met.
fn passing(sets: &Nibbles) -> f32 {
    let letters = |set: &u16| {
        let met = (b'a'..=b'z').filter(|letter| set >> (letter & 15) & 1 == 1);
        met.map(frequency).sum::<f32>() / 1000.0
    };
    sets.iter().map(letters).product()
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
    fn every_literal_has_a_piece_in_its_last_word() {
        let chosen = choose();
        for signature in signatures::all() {
            let choice = chosen.iter().find(|choice| choice.tail == signature.tail);
            let choice = choice.unwrap_or_else(|| panic!("{} has none", signature.tail));
            let last = signature.tail.rsplit([' ', '<', '|']).next().unwrap();
            assert!(signature.tail.len() - choice.offset <= last.len(), "{}", signature.tail);
        }
    }

    #[test]
    fn few_words_of_ordinary_prose_pass_the_block_test() {
        let share: f32 = occupied(&choose()).iter().map(passing).sum();
        assert!(share < 0.5, "{share}");
    }
}
