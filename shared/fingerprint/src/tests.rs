//! Chunking, boundaries, and what must and must not share a fingerprint.

use std::collections::BTreeSet;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{
    Chain, MAX_COVERED_BYTES, MAX_FINGERPRINTS, Prefix, PrefixChain, Seed, boundaries,
    covered_tokens, text_hash,
};

/// Bytes without repetition.
fn bytes(len: usize) -> Vec<u8> {
    (0..len as u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u8).collect()
}

fn turns(pieces: &[&[u8]]) -> Prefix {
    let mut chain = PrefixChain::new();
    pieces.iter().for_each(|piece| chain.push_turns(piece));
    chain.finish()
}

fn seed() -> Seed {
    Seed::new("m", None, None, 0)
}

#[test]
fn boundaries_grow_with_the_prompt() {
    let all: Vec<u64> = boundaries(0, u64::MAX).collect();
    assert_eq!(all.len(), MAX_FINGERPRINTS);
    assert_eq!(all[..3], [256, 512, 768]);
    assert_eq!(all[63..66], [16 * 1024, 17 * 1024, 18 * 1024]);
    assert_eq!(all[111..114], [64 * 1024, 68 * 1024, 72 * 1024]);
    assert_eq!(all.last(), Some(&MAX_COVERED_BYTES));
    for pair in all.windows(2).filter(|pair| pair[0] >= 4096) {
        assert!((pair[1] - pair[0]) * 16 <= pair[0], "{pair:?}");
    }
}

#[test]
fn cuts_change_nothing() {
    let text = bytes(3000);
    let whole = turns(&[&text]);
    for cut in 0..text.len() {
        let (head, tail) = text.split_at(cut);
        assert_eq!(turns(&[head, tail]), whole, "cut at {cut}");
    }
    for size in [1, 7, 31, 32, 33, 255, 256, 257] {
        assert_eq!(turns(&text.chunks(size).collect::<Vec<_>>()), whole, "pieces of {size}");
    }
}

#[test]
fn prompts_share_what_they_have_in_common_and_no_more() {
    let text = bytes(40_000);
    let whole = turns(&[&text]).fingerprints(seed());
    for change in [0, 255, 256, 4095, 4096, 16_383, 20_000, 39_999] {
        let mut other = text.clone();
        other[change] ^= 1;
        let other = turns(&[&other]);
        let shared = whole.iter().zip(other.fingerprints(seed())).filter(|(a, b)| **a == *b);
        let expected = other.boundaries().filter(|end| *end <= change as u64).count();
        assert_eq!(shared.count(), expected, "changed at {change}");
    }
}

#[test]
fn the_preamble_comes_first_whenever_it_is_pushed() {
    let (rules, text) = (bytes(1000), bytes(9000));
    let mut early = PrefixChain::new();
    early.push_preamble(&rules);
    early.push_turns(&text);
    let mut late = PrefixChain::new();
    late.push_turns(&text);
    late.push_preamble(&rules);
    let (early, late) = (early.finish(), late.finish());
    assert_eq!(early, late);
    let ends: Vec<u64> = early.boundaries().collect();
    assert_eq!(ends[..5], [256, 512, 768, 1256, 1512]);
    assert_eq!(early.fingerprints(seed()).len(), ends.len());
    assert_eq!(early.preamble_bytes(), 1000);
    assert_eq!(early.bytes(), 10_000);
}

#[test]
fn long_preambles_keep_the_number_of_fingerprints_bounded() {
    for (preamble, all) in [(300, 600_000), (100_000, 700_000), (600_000, 900_000), (500, 900)] {
        let count = boundaries(preamble, all).count();
        assert!(count <= MAX_FINGERPRINTS, "{count} of {preamble} + {all}");
    }
}

#[test]
fn the_conversation_ends_with_the_first_user_message() {
    let conversation = |first: &[u8], rest: &[u8], cut: usize| {
        let mut chain = PrefixChain::new();
        let (pushed, pending) = first.split_at(cut);
        chain.push_turns(pushed);
        chain.end_first_user_message(pending);
        chain.push_turns(pending);
        chain.push_turns(rest);
        chain.end_first_user_message(b"");
        chain.finish().conversation(seed())
    };
    let expected = conversation(b"first message", b"", 0);
    for cut in 0..=13 {
        assert_eq!(conversation(b"first message", b"and an answer", cut), expected);
    }
    assert_ne!(conversation(b"first messagf", b"", 0), expected);
}

#[test]
fn tokens_are_covered_in_proportion() {
    assert_eq!(covered_tokens(0, 0, 1024, 256), 64);
    assert_eq!(covered_tokens(3, 0, 1024, 256), 256);
    assert_eq!(covered_tokens(3, 0, 1024, 512), 512);
    assert_eq!(covered_tokens(4, 0, 1024, 256), 0);
    assert_eq!(covered_tokens(0, 0, 0, 9), 0);
}

#[test]
fn similar_texts_have_different_hashes() {
    let mut seen = BTreeSet::new();
    for len in 0..200 {
        assert!(seen.insert(text_hash(&vec![0; len])), "zeros of {len}");
    }
    for at in 0..200 * 8 {
        let mut text = vec![0; 200];
        text[at / 8] |= 1 << (at % 8);
        assert!(seen.insert(text_hash(&text)), "bit {at}");
        let mut chain = Chain::new();
        chain.push(&text);
        assert_eq!(chain.digest(), text_hash(&text));
    }
    for n in 0..50_000_u32 {
        assert!(seen.insert(text_hash(format!("conversation {n}").as_bytes())), "{n}");
    }
}

#[test]
fn every_bit_of_a_text_moves_half_of_its_hash() {
    let text = bytes(96);
    let whole = text_hash(&text);
    let mut moved = 0;
    for at in 0..96 * 8 {
        let mut other = text.clone();
        other[at / 8] ^= 1 << (at % 8);
        let bits = (text_hash(&other) ^ whole).count_ones();
        assert!((10..=54).contains(&bits), "bit {at} moves {bits}");
        moved += bits;
    }
    let mean = f64::from(moved) / (96.0 * 8.0);
    assert!((30.0..34.0).contains(&mean), "{mean}");
}
