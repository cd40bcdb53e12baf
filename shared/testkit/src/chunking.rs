//! Every way to cut bytes into chunks, as far as that is feasible.

/// Inputs up to this length are cut at every pair of places.
pub const SMALL: usize = 96;

/// Sizes of equal chunks that every input is cut into: around the widths of vectors and words,
/// and odd ones that drift over all alignments.
const SIZES: [usize; 9] = [1, 2, 3, 5, 7, 16, 17, 64, 1021];

/// Calls `check` with `input` in one piece, then cut at every single place, cut into equal chunks
/// of several sizes, with empty chunks in between, and for inputs up to [`SMALL`] bytes cut at
/// every pair of places.
pub fn every_chunking(input: &[u8], mut check: impl FnMut(&[&[u8]])) {
    check(&[input]);
    for size in SIZES {
        check(&input.chunks(size).collect::<Vec<_>>());
    }
    check(&input.chunks(3).flat_map(|chunk| [&[], chunk]).collect::<Vec<_>>());
    for cut in 0..=input.len() {
        let (head, tail) = input.split_at(cut);
        check(&[head, tail]);
        if input.len() > SMALL {
            continue;
        }
        for second in 0..=tail.len() {
            let (middle, end) = tail.split_at(second);
            check(&[head, middle, end]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SMALL, every_chunking};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_chunking_keeps_the_bytes() {
        let input: Vec<u8> = (0..=200).collect();
        every_chunking(&input, |chunks| assert_eq!(chunks.concat(), input));
    }

    #[test]
    fn small_inputs_are_cut_at_every_pair_of_places() {
        let input = [b'x'; SMALL];
        let mut seen = std::collections::BTreeSet::new();
        every_chunking(&input, |chunks| {
            if let [a, b, _] = chunks {
                seen.insert((a.len(), b.len()));
            }
        });
        assert_eq!(seen.len(), (SMALL + 1) * (SMALL + 2) / 2);
    }

    #[test]
    fn no_bytes_are_one_empty_chunk_or_none() {
        every_chunking(&[], |chunks| assert!(chunks.concat().is_empty()));
    }
}
