//! Keyed fingerprints of texts, at several GB/s.
//!
//! The text is folded block by block with NH, the universal hash of UMAC (RFC 4418, section 5.2), in
//! two passes; the sums go through the keyed SipHash of the standard library together with all
//! that is to be told apart besides the text. Without the key nobody can look for two texts that
//! agree, and two that were not chosen with it agree with a probability of about 2⁻⁶⁰.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use wide::bytemuck::cast;
use wide::{u32x4, u64x4};

/// Bytes that are folded into one pair of sums.
const BLOCK: usize = 1024;
/// Bytes that are multiplied together.
const GROUP: usize = 32;
/// Words that are hashed at a time: those of texts up to three blocks.
const WORDS: usize = 8;
/// Vectors of the key: those of a block, and one more by which the second pass is shifted.
const KEY: usize = BLOCK / 16 + 1;

/// What stands for a text, and never is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) u128);

/// Makes fingerprints with a key of its own.
pub(super) struct Fingerprinter {
    key: Box<[u32x4; KEY]>,
    random: RandomState,
}

impl Fingerprinter {
    pub(super) fn new(random: RandomState) -> Self {
        let word = |place: usize, lane: u32| (random.hash_one((place, lane)) >> 32) as u32;
        let vector = |place| u32x4::new([0, 1, 2, 3].map(|lane| word(place, lane)));
        Self { key: Box::new(std::array::from_fn(vector)), random }
    }

    /// What `about` is told apart by.
    pub(super) fn hash(&self, about: impl Hash) -> u64 {
        self.random.hash_one(about)
    }

    /// The fingerprint of `text`, of which `about` says what it is.
    pub(super) fn of(&self, text: &[u8], about: u64) -> Fingerprint {
        let mut low = self.random.build_hasher();
        // Several words at a time: a call costs more than the words that it is given.
        let mut words = [[0; 8]; WORDS];
        let mut filled = 0;
        let sums = text.chunks(BLOCK).map(|block| self.fold(block));
        for two in std::iter::once([about, text.len() as u64]).chain(sums) {
            if let Some([first, second]) = words.get_mut(filled..filled + 2) {
                (*first, *second) = (two[0].to_le_bytes(), two[1].to_le_bytes());
            }
            filled += 2;
            if filled == WORDS {
                low.write(words.as_flattened());
                filled = 0;
            }
        }
        low.write(words.get(..filled).unwrap_or_default().as_flattened());
        let mut high = low.clone();
        high.write_u8(1);
        Fingerprint(u128::from(high.finish()) << 64 | u128::from(low.finish()) | 1)
    }

    /// The two sums of a block; what is missing of its last group counts as zero.
    #[inline]
    fn fold(&self, block: &[u8]) -> [u64; 2] {
        let mut sums = [u64x4::ZERO; 2];
        let (groups, rest) = block.as_chunks::<GROUP>();
        let [first, keys @ ..] = &*self.key;
        let (mut shared, mut keys) = (*first, keys.as_chunks::<2>().0.iter());
        for (group, keys) in groups.iter().zip(&mut keys) {
            add(&mut sums, group, &mut shared, keys);
        }
        if let Some(keys) = keys.next().filter(|_| !rest.is_empty()) {
            let mut group = [0; GROUP];
            for (to, from) in group.iter_mut().zip(rest) {
                *to = *from;
            }
            add(&mut sums, &group, &mut shared, keys);
        }
        sums.map(|sum| sum.to_array().into_iter().fold(0, u64::wrapping_add))
    }
}

/// Adds a group. The vector of the key that it shares with the one before is `shared`.
#[inline(always)]
fn add(
    [first, second]: &mut [u64x4; 2],
    group: &[u8; GROUP],
    shared: &mut u32x4,
    [middle, last]: &[u32x4; 2],
) {
    // In one load each: from single words, the compiler makes four.
    let [a, b]: [u32x4; 2] = cast(*group);
    *first += (a + *shared).widening_mul(b + *middle);
    *second += (a + *middle).widening_mul(b + *last);
    *shared = *last;
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// NH as RFC 4418 writes it: words `i` and `i + 4` of each eight are multiplied.
    fn slowly(key: &[u32], block: &[u8]) -> u64 {
        let mut padded = block.to_vec();
        padded.resize(block.len().next_multiple_of(GROUP), 0);
        let words: Vec<u32> =
            padded.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        let mut sum = 0_u64;
        for (eight, keys) in words.chunks(8).zip(key.chunks(8)) {
            for i in 0..4 {
                let a = u64::from(eight[i].wrapping_add(keys[i]));
                let b = u64::from(eight[i + 4].wrapping_add(keys[i + 4]));
                sum = sum.wrapping_add(a.wrapping_mul(b));
            }
        }
        sum
    }

    #[test]
    fn blocks_are_folded_as_the_rfc_says() {
        let fingerprinter = Fingerprinter::new(RandomState::new());
        let key: Vec<u32> = fingerprinter.key.iter().flat_map(|vector| vector.to_array()).collect();
        let text: Vec<u8> = (0..BLOCK as u32).map(|n| (n.wrapping_mul(97) >> 3) as u8).collect();
        for length in [1, 4, 31, 32, 33, 100, 1000, BLOCK] {
            let block = &text[..length];
            let sums = [slowly(&key, block), slowly(&key[4..], block)];
            assert_eq!(fingerprinter.fold(block), sums, "{length} bytes");
        }
    }

    #[test]
    fn texts_that_differ_in_a_bit_a_length_or_what_they_are_differ() {
        let fingerprinter = Fingerprinter::new(RandomState::new());
        let text = vec![b'a'; 3 * BLOCK + 40];
        let whole = fingerprinter.of(&text, 1);
        assert_eq!(whole, fingerprinter.of(&text.clone(), 1));
        assert_ne!(whole, fingerprinter.of(&text, 2));
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 1;
            assert_ne!(whole, fingerprinter.of(&other, 1), "byte {at}");
        }
        for length in [0, 1, BLOCK, text.len() - 1] {
            assert_ne!(whole, fingerprinter.of(&text[..length], 1));
        }
        let padded = [text.as_slice(), &[0]].concat();
        assert_ne!(whole, fingerprinter.of(&padded, 1));
    }
}
