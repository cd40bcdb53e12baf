//! Checks on keys and tokens.

/// The CRC-32 (IEEE 802.3) that GitHub appends to its tokens.
fn crc32(bytes: &[u8]) -> u32 {
    let register = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    });
    !register
}

/// Whether the last six characters of a 36-character GitHub token body are the Base62 CRC-32 of
/// the first thirty.
pub(crate) fn github_checksum(body: &[u8]) -> bool {
    const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, check)) = body.split_last_chunk::<6>() else { return false };
    let mut rest = crc32(random);
    check.iter().rev().all(|byte| {
        let expected = BASE62.get((rest % 62) as usize).copied();
        rest /= 62;
        expected == Some(*byte)
    })
}

/// Shannon entropy in bits per character.
pub(crate) fn entropy(text: &[u8]) -> f32 {
    let mut counts = [0_u32; 256];
    for byte in text {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total = text.len().max(1) as f32;
    let terms = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = *count as f32 / total;
        -share * share.log2()
    });
    terms.sum()
}

/// Letters of both cases and digits: how many of the three classes occur.
pub(crate) fn classes(text: &[u8]) -> u32 {
    let has = |test: fn(&u8) -> bool| u32::from(text.iter().any(test));
    has(u8::is_ascii_lowercase) + has(u8::is_ascii_uppercase) + has(u8::is_ascii_digit)
}

/// Whether a key could look like `text`: mostly parts that are neither words nor numbers, no
/// alphabet in order, and digits among the letters or letters of both cases in no order.
#[inline(never)]
pub(crate) fn is_random(text: &[u8]) -> bool {
    /// Least bits per character: twenty hexadecimal digits drawn at random have more.
    const BITS: f32 = 2.8;
    is_odd(text)
        && (text.iter().any(u8::is_ascii_digit) || text.len() >= 14 && classes(text) >= 2)
        && entropy(text) > BITS
        && !in_order(text)
}

/// Whether most of `text` is neither words nor numbers.
#[inline(never)]
pub(crate) fn is_odd(text: &[u8]) -> bool {
    let parts = text.split(|b| !b.is_ascii_alphanumeric());
    let odd: usize = parts.filter(|part| !is_word(part)).map(<[u8]>::len).sum();
    odd * 2 > text.len() || is_uuid(text)
}

/// A UUID in small or capital letters (RFC 9562), whose parts may look like words.
fn is_uuid(text: &[u8]) -> bool {
    let mut parts = text.split(|b| *b == b'-');
    let mut next = || parts.next().filter(|part| part.iter().all(u8::is_ascii_hexdigit));
    text.len() == 36 && [8, 4, 4, 4, 12].iter().all(|n| next().is_some_and(|part| part.len() == *n))
}

/// A number, or a word in one of the usual spellings with at most one number in it: `sha256`,
/// `X509CertificateFlag`.
#[inline(never)]
pub(crate) fn is_word(part: &[u8]) -> bool {
    const NUMBER: usize = 5;
    /// As many consonants in a row as few words have.
    const CONSONANTS: usize = 6;
    let (mut digits, mut numbers, mut switches, mut consonants, mut longest) = (0, 0, 0, 0, 0);
    let mut before = 0_u8;
    for byte in part.iter().copied() {
        let digit = byte.is_ascii_digit();
        digits += usize::from(digit);
        numbers += usize::from(digit && !before.is_ascii_digit());
        // Capitals and small letters differ in one bit.
        let letters = !digit && before.is_ascii_alphabetic();
        switches += usize::from(letters && (byte ^ before) & 0x20 != 0);
        let vowel = digit || b"aeiouy".contains(&(byte | 0x20));
        consonants = if vowel { 0 } else { consonants + 1 };
        longest = consonants.max(longest);
        before = byte;
    }
    let letters = part.len() - digits;
    part.len() < NUMBER
        || letters == 0
        || longest < CONSONANTS
            && digits <= NUMBER.min(letters)
            && numbers <= 1
            && switches * 3 <= letters
}

/// Eight letters or digits that follow one another: an alphabet, a documentation's sample.
fn in_order(text: &[u8]) -> bool {
    let mut length = 0;
    text.windows(2).any(|pair| {
        let follows =
            matches!(pair, [a, b] if a.is_ascii_alphanumeric() && a.wrapping_add(1) == *b);
        length = if follows { length + 1 } else { 0 };
        length >= 7
    })
}
