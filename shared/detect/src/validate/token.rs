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
