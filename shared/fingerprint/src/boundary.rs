//! Where fingerprints end: at growing distances, at most 224 of them in 512 KiB.

/// The most fingerprints one prompt has: 64 + 48 + 112.
pub const MAX_FINGERPRINTS: usize = 224;

/// The prompt bytes after which no further boundary follows.
pub const MAX_COVERED_BYTES: u64 = 512 * 1024;

/// The boundaries of a prompt of `bytes` bytes whose first `preamble_bytes` are its preamble,
/// ascending.
pub fn boundaries(preamble_bytes: u64, bytes: u64) -> impl Iterator<Item = u64> {
    candidates(preamble_bytes, bytes).filter_map(|(position, kept)| kept.then_some(position))
}

/// Tokens covered by the fingerprint at `index` in a prompt of `bytes` bytes (of which
/// `preamble_bytes` come first) that has `tokens` tokens in all; 0 for an index out of range.
pub fn covered_tokens(index: usize, preamble_bytes: u64, bytes: u64, tokens: u64) -> u64 {
    let covered = boundaries(preamble_bytes, bytes).nth(index).unwrap_or(0);
    covered.saturating_mul(tokens).checked_div(bytes).unwrap_or(0)
}

/// The boundary at `index` of those that [`boundaries`] gives.
#[inline]
pub fn boundary_at(index: usize, preamble_bytes: u64, bytes: u64) -> Option<u64> {
    if preamble_bytes > 0 {
        return boundary_of_two(index, preamble_bytes, bytes);
    }
    // One grid, so every boundary is kept: no need to walk there.
    let count = u64::try_from(index).ok()?.saturating_add(1);
    let position = match count {
        0..=64 => count * 256,
        65..=112 => count * 1024 - 48 * 1024,
        _ => count.saturating_mul(4096) - 384 * 1024,
    };
    Some(position).filter(|position| *position <= bytes.min(MAX_COVERED_BYTES))
}

/// The same for a prompt with a preamble.
#[inline(never)]
fn boundary_of_two(mut index: usize, preamble_bytes: u64, bytes: u64) -> Option<u64> {
    let turns_bytes = bytes.saturating_sub(preamble_bytes);
    let mut last = 0;
    for (start, len) in [(0, preamble_bytes), (preamble_bytes, turns_bytes)] {
        let mut place = 0;
        while let Some(next) = next_boundary(place).filter(|next| *next <= len) {
            place = next;
            let position = start.saturating_add(next);
            if position.saturating_sub(last) >= spacing(position) && position <= MAX_COVERED_BYTES {
                if index == 0 {
                    return Some(position);
                }
                index -= 1;
                last = position;
            }
        }
    }
    None
}

/// Distance between the boundary at `position` bytes and the one before it.
const fn spacing(position: u64) -> u64 {
    if position <= 16 * 1024 {
        256
    } else if position <= 64 * 1024 {
        1024
    } else {
        4096
    }
}

/// The boundary after `position` (itself a boundary, or 0); `None` beyond the last one.
pub(crate) const fn next_boundary(position: u64) -> Option<u64> {
    let next = position + spacing(position + 1);
    if next > MAX_COVERED_BYTES { None } else { Some(next) }
}

/// Every boundary of the preamble, then of the turns, and whether it is kept: the second grid
/// starts fine again, so it is thinned to the spacing that the whole prompt has at that place.
pub(crate) fn candidates(preamble_bytes: u64, bytes: u64) -> impl Iterator<Item = (u64, bool)> {
    let turns = grid(bytes.saturating_sub(preamble_bytes));
    let turns = turns.map(move |position| position.saturating_add(preamble_bytes));
    grid(preamble_bytes).chain(turns).scan(0, |last, position: u64| {
        let far_enough = position.saturating_sub(*last) >= spacing(position);
        let kept = far_enough && position <= MAX_COVERED_BYTES;
        if kept {
            *last = position;
        }
        Some((position, kept))
    })
}

/// The boundaries of one part of `len` bytes.
pub(crate) fn grid(len: u64) -> impl Iterator<Item = u64> {
    let all = core::iter::successors(next_boundary(0), |position| next_boundary(*position));
    all.take_while(move |position| *position <= len)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn each_boundary_is_found_by_its_index() {
        let lengths = [0, 1, 255, 256, 300, 1000, 16_384, 17_000, 70_000, 600_000, u64::MAX];
        for (preamble, bytes) in lengths.iter().flat_map(|a| lengths.map(|b| (*a, b))) {
            let all: Vec<u64> = boundaries(preamble, bytes).collect();
            let found = (0..=2 * MAX_FINGERPRINTS).map_while(|at| boundary_at(at, preamble, bytes));
            assert_eq!(found.collect::<Vec<_>>(), all, "{preamble} of {bytes}");
        }
    }
}
