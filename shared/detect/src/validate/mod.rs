//! Check digits and shapes, as published by the bodies that issue the numbers.
//!
//! Every function takes the characters without separators and answers whether they are valid;
//! none looks at the surroundings.

pub(crate) mod bank;
pub(crate) mod crypto;
pub(crate) mod national;
pub(crate) mod token;

/// The digit values of an all-digit slice, or `None`.
pub(crate) fn digits<const N: usize>(text: &[u8]) -> Option<[u32; N]> {
    let exact: &[u8; N] = text.try_into().ok()?;
    exact.iter().all(u8::is_ascii_digit).then(|| exact.map(|b| u32::from(b - b'0')))
}

/// Sum of products with `weights`, as long as the shorter of the two.
pub(crate) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The Luhn check (ISO/IEC 7812-1, annex B) over digit characters.
pub(crate) fn luhn(text: &[u8]) -> bool {
    let sum: u32 = text
        .iter()
        .rev()
        .enumerate()
        .map(|(place, byte)| {
            let digit = u32::from(byte.wrapping_sub(b'0'));
            let doubled = if place % 2 == 1 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// The Verhoeff check over digit characters, check digit last.
pub(crate) fn verhoeff(text: &[u8]) -> bool {
    const PERMUTATION: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let mut check = 0_u8;
    for (place, byte) in text.iter().rev().enumerate() {
        let mut digit = byte.wrapping_sub(b'0') % 10;
        for _ in 0..place % 8 {
            digit = PERMUTATION.get(usize::from(digit)).copied().unwrap_or(0);
        }
        check = dihedral(check, digit);
    }
    check == 0
}

/// Multiplication in the dihedral group D5: rotations are 0–4, reflections 5–9.
fn dihedral(a: u8, b: u8) -> u8 {
    match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => (a + (b - 5)) % 5 + 5,
        (false, true) => (a - 5 + 5 - b) % 5 + 5,
        (false, false) => (a + 5 - b) % 5,
    }
}

/// ISO 7064 MOD 11,10 over digit characters, check digit last.
pub(crate) fn mod_11_10(text: &[u8]) -> bool {
    let Some((last, rest)) = text.split_last() else { return false };
    let product = rest.iter().fold(10_u32, |product, byte| {
        let sum = (u32::from(byte.wrapping_sub(b'0')) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == u32::from(last.wrapping_sub(b'0'))
}

/// The remainder by 97 of a number written in digits and letters (A is 10), as ISO 7064 has it.
pub(crate) fn mod_97(text: impl Iterator<Item = u8>) -> Option<u32> {
    let mut remainder = 0_u32;
    for byte in text {
        remainder = match byte {
            b'0'..=b'9' => remainder * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(byte - b'A') + 10,
            b'a'..=b'z' => remainder * 100 + u32::from(byte - b'a') + 10,
            _ => return None,
        } % 97;
    }
    Some(remainder)
}
