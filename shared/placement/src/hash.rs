//! The hashes by which workers and gateways agree without talking to each other.
//!
//! Both are fixed for ever: two builds that disagree would place the same conversation differently.

/// Odd constant near 2^64 divided by the golden ratio, as in Fibonacci hashing and SplitMix64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Identity of a replica across snapshots, workers and gateways: a hash of its address (`ip:port`).
#[must_use]
pub fn replica_key(address: &[u8]) -> u64 {
    let (words, rest) = address.as_chunks::<8>();
    let mut hash = GOLDEN ^ u64::try_from(address.len()).unwrap_or(0);
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let tail = rest.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    mix(hash, tail)
}

/// One well-spread value from two: the finaliser of SplitMix64 (Steele, Lea, Flood 2014) over their
/// sum.
pub(crate) fn mix(left: u64, right: u64) -> u64 {
    let mut z = left.wrapping_mul(GOLDEN).wrapping_add(right).wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
