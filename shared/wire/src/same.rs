//! Whether two byte strings are equal.

/// Bytes that are compared at once.
const BLOCK: usize = 16;

/// Whether `a` and `b` are equal. `==` on slices of any length is a loop over single bytes in Wasm, at
/// eight instructions each.
#[inline]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let equal =
        |(a, b): (&[u8; BLOCK], &[u8; BLOCK])| u128::from_ne_bytes(*a) == u128::from_ne_bytes(*b);
    // The last block overlaps the one before it.
    match (a.last_chunk(), b.last_chunk()) {
        (Some(last), Some(other)) => {
            equal((last, other)) && a.as_chunks().0.iter().zip(b.as_chunks().0).all(equal)
        }
        _ => same_short(a, b),
    }
}

/// The same of two that are equally long, and shorter than a block.
fn same_short(a: &[u8], b: &[u8]) -> bool {
    let ends = |bytes: &[u8]| {
        let half = |half: &[u8; BLOCK / 2]| u64::from_ne_bytes(*half);
        Some((half(bytes.first_chunk()?), half(bytes.last_chunk()?)))
    };
    match (ends(a), ends(b)) {
        (Some(one), Some(other)) => one == other,
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
