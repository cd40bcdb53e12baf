//! Which characters hide text from a reader or a rule.

/// Whether the character at byte `at` is one that [`crate::normalise`] rewrites or drops.
pub(crate) fn rewritten(text: &[u8], at: usize) -> bool {
    let byte = |offset: usize| text.get(at.saturating_add(offset)).copied().unwrap_or(0);
    match (byte(0), byte(1), byte(2)) {
        (0xC2, 0xA0 | 0xAD, _) => true,
        (0xE2, 0x80, tail) => matches!(tail, 0x80..=0x8F | 0xAA..=0xAF),
        (0xE2, 0x81, tail) => matches!(tail, 0x9F..=0xAF),
        (0xEF, 0xB8, tail) => matches!(tail, 0x80..=0x8F),
        (0xEF, 0xBB, 0xBF) => true,
        (0xEF, 0xBC, tail) => matches!(tail, 0x8E | 0x90..=0x99 | 0xA0..=0xBA),
        (0xEF, 0xBD, tail) => matches!(tail, 0x81..=0x9A),
        (0xD9, tail, _) => matches!(tail, 0xA0..=0xA9),
        (0xDB, tail, _) => matches!(tail, 0xB0..=0xB9),
        (0xE0, middle, tail) => indic_digit(middle, tail),
        (0xF0, 0x9D, tail) => matches!(tail, 0x90..=0x9F),
        (0xF3, 0xA0, tail) => matches!(tail, 0x80..=0x87),
        // Scripts mixed inside a word, in either order.
        (first, 0xCE..=0xD1, _) => first.is_ascii_alphanumeric(),
        (0xCE..=0xD1, _, next) => next.is_ascii_alphanumeric(),
        _ => false,
    }
}

/// Decimal digits of the Indic and South-East Asian blocks, by their UTF-8 tails.
fn indic_digit(middle: u8, tail: u8) -> bool {
    match middle {
        0xA5 | 0xA7 | 0xA9 | 0xAB | 0xAD | 0xAF | 0xB1 | 0xB3 | 0xB5 => {
            matches!(tail, 0xA6..=0xAF)
        }
        0xB9 | 0xBB => matches!(tail, 0x90..=0x99),
        _ => false,
    }
}

/// Whether an escape sequence that stands for a character begins at `at`.
pub(crate) fn escaped(text: &[u8], at: usize) -> bool {
    let byte = |offset: usize| text.get(at.saturating_add(offset)).copied().unwrap_or(0);
    match (byte(0), byte(1)) {
        (b'%', high) => high.is_ascii_hexdigit() && byte(2).is_ascii_hexdigit(),
        (b'&', b'#') => byte(2).is_ascii_digit() || byte(2).eq_ignore_ascii_case(&b'x'),
        (b'&', _) => false,
        (b'\\', b'u' | b'x') => byte(2).is_ascii_hexdigit(),
        _ => false,
    }
}
