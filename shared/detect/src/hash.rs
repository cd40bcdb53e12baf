//! A hash function without a random seed: the crate has no source of randomness.

use std::hash::{BuildHasher, Hasher};

use xxhash_rust::xxh3::Xxh3;

/// Builds [`Xxh3`] hashers with a fixed seed. Use it only for keys that no client chooses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FixedHasher;

impl BuildHasher for FixedHasher {
    type Hasher = ShortHasher;

    fn build_hasher(&self) -> ShortHasher {
        ShortHasher(0)
    }
}

/// A multiply-and-rotate hasher for keys of a few bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShortHasher(u64);

impl Hasher for ShortHasher {
    fn write(&mut self, bytes: &[u8]) {
        let digest = if bytes.len() <= 8 {
            bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte))
        } else {
            digest(bytes)
        };
        self.write_u64(digest);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// A 64-bit digest of `bytes`.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(bytes);
    hasher.digest()
}
