//! Sixteen or sixty-four bytes of a string at once.

use wide::u8x16;

/// Bytes of one vector.
pub(super) const LANES: usize = 16;
/// One vector and the byte before it.
pub(super) const SPAN: usize = LANES + 1;
/// Four vectors and the byte before them.
pub(super) const WIDE_SPAN: usize = 4 * LANES + 1;

/// A vector of one byte.
#[inline(always)]
pub(super) fn splat(byte: u8) -> u8x16 {
    u8x16::splat(byte)
}

/// Whether no byte that went into `high` has its highest bit set.
#[inline(always)]
pub(super) fn is_ascii(high: u8x16) -> bool {
    !high.any()
}

/// Whether nothing needs a closer look among the last 64 bytes of `span`: no quote, no control
/// character, no escape but `\n`, which is too frequent to look closer for.
#[inline(always)]
pub(super) fn is_plain(span: &[u8; WIDE_SPAN], high: &mut u8x16) -> bool {
    let (Some(before), Some(bytes)) = (span.first_chunk(), span.last_chunk()) else {
        return false;
    };
    let before: [u8x16; 4] = load(before);
    let bytes: [u8x16; 4] = load(bytes);
    let mut doubtful = u8x16::splat(0);
    for (before, bytes) in before.into_iter().zip(bytes) {
        *high |= bytes;
        let escaped = before.simd_eq(u8x16::splat(b'\\'));
        let line_break = bytes.simd_eq(u8x16::splat(b'n'));
        doubtful |= quotes(bytes) | controls(bytes) | (escaped & !line_break);
    }
    !doubtful.any()
}

/// Which bytes of a block are what, as bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Masks {
    quotes: u64,
    controls: u64,
    backslashes: u64,
    /// What does not end a frequent escape: all but `"`, `\`, `n`, `r`, `t`. Bits beyond the block
    /// are unset.
    infrequent: u64,
}

/// What the masks of a block mean, knowing how the block before it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stops {
    /// Bytes that need a decision.
    pub(super) stops: u64,
    /// Bytes that are the second of an escape.
    pub(super) escaped: u64,
    /// The backslashes that start an escape.
    starts: u64,
}

impl Stops {
    /// Whether the byte after a block of `len` bytes is the second of an escape.
    #[inline(always)]
    pub(super) fn escapes_next(self, len: usize) -> bool {
        self.starts >> (len - 1) & 1 == 1
    }
}

impl Masks {
    /// Of the last 16 bytes of `span`.
    #[inline(always)]
    pub(super) fn of(span: &[u8; SPAN], high: &mut u8x16) -> Self {
        let Some(bytes) = span.last_chunk() else {
            return Self::default();
        };
        let bytes = u8x16::new(*bytes);
        *high |= bytes;
        Self::of_vector(bytes)
    }

    /// Of the last 64 bytes of `span`.
    #[inline(always)]
    pub(super) fn wide(span: &[u8; WIDE_SPAN]) -> Self {
        let Some(bytes) = span.last_chunk() else {
            return Self::default();
        };
        let [a, b, c, d] = load(bytes).map(Self::of_vector);
        let join =
            |field: fn(Self) -> u64| field(a) | field(b) << 16 | field(c) << 32 | field(d) << 48;
        Self {
            quotes: join(|masks| masks.quotes),
            controls: join(|masks| masks.controls),
            backslashes: join(|masks| masks.backslashes),
            infrequent: join(|masks| masks.infrequent),
        }
    }

    #[inline(always)]
    fn of_vector(bytes: u8x16) -> Self {
        let is = |byte| bytes.simd_eq(u8x16::splat(byte));
        let (quote, backslash) = (quotes(bytes), is(b'\\'));
        let frequent = quote | backslash | is(b'n') | is(b'r') | is(b't');
        let bits = |lanes: u8x16| u64::from(lanes.to_bitmask());
        Self {
            quotes: bits(quote),
            controls: bits(controls(bytes)),
            backslashes: bits(backslash),
            infrequent: bits(!frequent),
        }
    }

    /// Without the first `bytes` bytes.
    #[inline(always)]
    pub(super) fn skip(self, bytes: usize) -> Self {
        let skip = |mask: u64| mask.checked_shr(bytes as u32).unwrap_or(0);
        Self {
            quotes: skip(self.quotes),
            controls: skip(self.controls),
            backslashes: skip(self.backslashes),
            infrequent: skip(self.infrequent),
        }
    }

    /// What needs a decision; `escaped` says that the first byte is the second of an escape.
    #[inline(always)]
    pub(super) fn stops(self, escaped: bool) -> Stops {
        let starts = escape_starts(self.backslashes & !u64::from(escaped));
        let escaped = starts << 1 | u64::from(escaped);
        let plain = (self.quotes | self.controls) & !escaped;
        Stops { stops: plain | (escaped & self.infrequent), escaped, starts }
    }
}

/// Of each row of adjacent backslashes the first, the third, the fifth …
#[inline(always)]
fn escape_starts(backslashes: u64) -> u64 {
    let follows = backslashes & (backslashes << 1);
    if follows == 0 {
        return backslashes;
    }
    let mut starts = 0;
    let mut left = backslashes;
    while left != 0 {
        let first = left & left.wrapping_neg();
        starts |= first;
        left &= !(first | first << 1);
    }
    starts
}

#[inline(always)]
fn load(bytes: &[u8; 4 * LANES]) -> [u8x16; 4] {
    match bytes.as_chunks::<LANES>() {
        ([a, b, c, d], []) => [*a, *b, *c, *d].map(u8x16::new),
        _ => [u8x16::splat(0); 4],
    }
}

#[inline(always)]
fn quotes(bytes: u8x16) -> u8x16 {
    bytes.simd_eq(u8x16::splat(b'"'))
}

#[inline(always)]
fn controls(bytes: u8x16) -> u8x16 {
    bytes.simd_le(u8x16::splat(0x1F))
}
