//! Sixteen or sixty-four bytes of a string at once.

use wide::u8x16;

/// Bytes of one vector.
pub(super) const LANES: usize = 16;
/// Bytes of four vectors.
pub(super) const WIDE: usize = 4 * LANES;

/// What of a block needs a closer look, one bit a byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Quotes and control characters.
    pub(super) ends: u64,
    /// Backslashes.
    pub(super) backslashes: u64,
}

impl Marks {
    /// Of four vectors; `None` if nothing is marked. Adds their bytes to `high`.
    #[inline(always)]
    pub(super) fn of_wide(block: &[u8; WIDE], high: &mut High) -> Option<Self> {
        let vectors = load(block);
        let [a, b, c, d] = vectors;
        high.0 |= (a | b) | (c | d);
        let [e0, e1, e2, e3] = vectors.map(ends);
        let [b0, b1, b2, b3] = vectors.map(backslashes);
        let marked = ((e0 | b0) | (e1 | b1)) | ((e2 | b2) | (e3 | b3));
        if !marked.any() {
            return None;
        }
        Some(Self { ends: join([e0, e1, e2, e3]), backslashes: join([b0, b1, b2, b3]) })
    }

    /// Of one vector. Adds its bytes to `high`.
    #[inline(always)]
    pub(super) fn of(block: &[u8; LANES], high: &mut High) -> Self {
        let bytes = u8x16::new(*block);
        high.0 |= bytes;
        let bits = |lanes: u8x16| u64::from(lanes.to_bitmask());
        Self { ends: bits(ends(bytes)), backslashes: bits(backslashes(bytes)) }
    }

    /// Without the first `bytes` bytes.
    #[inline(always)]
    pub(super) fn skip(self, bytes: usize) -> Self {
        let skip = |mask: u64| mask.checked_shr(bytes as u32).unwrap_or(0);
        Self { ends: skip(self.ends), backslashes: skip(self.backslashes) }
    }
}

/// Collects the highest bits of bytes.
#[derive(Clone, Copy)]
pub(super) struct High(u8x16);

impl High {
    /// Of no bytes.
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self(u8x16::ZERO)
    }

    /// Whether no byte has its highest bit set.
    #[inline(always)]
    pub(super) fn is_ascii(self) -> bool {
        !self.0.any()
    }
}

/// A quote is 0x22 and control characters are below 0x20: with the second bit turned over, both
/// are what is 0x20 at most.
#[inline(always)]
fn ends(bytes: u8x16) -> u8x16 {
    (bytes ^ u8x16::splat(b'"' ^ 0x20)).simd_le(u8x16::splat(0x20))
}

#[inline(always)]
fn backslashes(bytes: u8x16) -> u8x16 {
    bytes.simd_eq(u8x16::splat(b'\\'))
}

#[inline(always)]
fn join(lanes: [u8x16; 4]) -> u64 {
    let [a, b, c, d] = lanes.map(|lanes| u64::from(lanes.to_bitmask()));
    a | b << 16 | c << 32 | d << 48
}

#[inline(always)]
fn load(block: &[u8; WIDE]) -> [u8x16; 4] {
    match block.as_chunks::<LANES>() {
        ([a, b, c, d], []) => [*a, *b, *c, *d].map(u8x16::new),
        _ => [u8x16::ZERO; 4],
    }
}
