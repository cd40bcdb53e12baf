//! Whether two byte strings are equal.

use wide::bytemuck::cast;
use wide::i8x16;

/// Bytes that are compared at once.
const BLOCK: usize = 32;

/// Whether `a` and `b` are equal. `==` on slices of any length is a loop over single bytes in Wasm, at
/// eight instructions each.
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    // The last block overlaps the one before it.
    match (a.last_chunk(), b.last_chunk()) {
        (Some(last), Some(other)) => {
            equal(last, other)
                && a.as_chunks().0.iter().zip(b.as_chunks().0).all(|(a, b)| equal(a, b))
        }
        _ => same_short(a, b),
    }
}

#[inline(always)]
fn equal(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> bool {
    let ([a, b], [c, d]): ([i8x16; 2], [i8x16; 2]) = (cast(*a), cast(*b));
    (a.simd_eq(c) & b.simd_eq(d)).all()
}

/// The same of two that are equally long, and shorter than a block.
fn same_short(a: &[u8], b: &[u8]) -> bool {
    let long = |bytes: &[u8]| {
        let half = |half: &[u8; 16]| u128::from_ne_bytes(*half);
        Some((half(bytes.first_chunk()?), half(bytes.last_chunk()?)))
    };
    let short = |bytes: &[u8]| {
        let half = |half: &[u8; 8]| u64::from_ne_bytes(*half);
        Some((half(bytes.first_chunk()?), half(bytes.last_chunk()?)))
    };
    match a.len() {
        16.. => long(a) == long(b),
        8.. => short(a) == short(b),
        _ => a.iter().eq(b),
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::same;

    #[test]
    fn every_byte_counts() {
        for length in 0..70_u8 {
            let text: Vec<u8> = (0..length).collect();
            assert!(same(&text, &text.clone()));
            assert!(!same(&text, &[text.as_slice(), b"x"].concat()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x40;
                assert!(!same(&text, &other), "byte {at} of {length}");
            }
        }
    }
}
