//! Identity and tax numbers of single countries.

use super::{digits, mod_11_10, verhoeff, weighted};

/// US Social Security number, nine digits: the ranges that the SSA never assigns are refused.
pub(crate) fn us_ssn(text: &[u8]) -> bool {
    let Some([a, b, c, d, e, f, g, h, i]) = digits::<9>(text) else { return false };
    let area = a * 100 + b * 10 + c;
    let known_fake = matches!(text, b"078051120" | b"219099999" | b"123456789");
    area != 0 && area != 666 && area < 900 && d + e > 0 && f + g + h + i > 0 && !known_fake
}

/// UK NHS number: ten digits, weights 10 to 2, modulus 11.
pub(crate) fn uk_nhs(text: &[u8]) -> bool {
    let Some(all) = digits::<10>(text) else { return false };
    let [.., check] = all;
    let rest = 11 - weighted(&all, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    varied(text) && rest != 10 && rest % 11 == check
}

/// UK National Insurance number: two prefix letters, six digits, suffix A to D.
pub(crate) fn uk_nino(text: &[u8]) -> bool {
    let [p, q, middle @ .., suffix] = text else { return false };
    let (p, q) = (p.to_ascii_uppercase(), q.to_ascii_uppercase());
    let prefix_allowed = p.is_ascii_uppercase()
        && q.is_ascii_uppercase()
        && !b"DFIQUV".contains(&p)
        && !b"DFIQUVO".contains(&q)
        && ![*b"BG", *b"GB", *b"KN", *b"NK", *b"NT", *b"TN", *b"ZZ"].contains(&[p, q]);
    prefix_allowed
        && digits::<6>(middle).is_some()
        && matches!(suffix.to_ascii_uppercase(), b'A'..=b'D')
}

const NIF_LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Spanish NIF: eight digits and the letter of their remainder by 23.
pub(crate) fn es_nif(text: &[u8]) -> bool {
    let Some((letter, number)) = text.split_last() else { return false };
    digits::<8>(number).is_some() && nif_letter(number, 0) == Some(letter.to_ascii_uppercase())
}

/// Spanish NIE: X, Y or Z for the first digit, then as the NIF.
pub(crate) fn es_nie(text: &[u8]) -> bool {
    let [first, number @ .., letter] = text else { return false };
    let lead = match first.to_ascii_uppercase() {
        b'X' => 0,
        b'Y' => 1,
        b'Z' => 2,
        _ => return false,
    };
    digits::<7>(number).is_some() && nif_letter(number, lead) == Some(letter.to_ascii_uppercase())
}

fn nif_letter(number: &[u8], lead: u32) -> Option<u8> {
    let value = number.iter().fold(lead, |n, b| n * 10 + u32::from(b.wrapping_sub(b'0')));
    NIF_LETTERS.get((value % 23) as usize).copied()
}

/// Italian codice fiscale: shape with omocodia (letters LMNPQRSTUV for digits) and modulus 26.
pub(crate) fn it_fiscal_code(text: &[u8]) -> bool {
    let Ok(code) = <[u8; 16]>::try_from(text) else { return false };
    let code = code.map(|b| b.to_ascii_uppercase());
    const NUMERIC: [usize; 7] = [6, 7, 9, 10, 12, 13, 14];
    let shaped = code.iter().enumerate().all(|(place, byte)| {
        if NUMERIC.contains(&place) {
            byte.is_ascii_digit() || b"LMNPQRSTUV".contains(byte)
        } else {
            byte.is_ascii_uppercase()
        }
    });
    let [body @ .., check] = code;
    let month = body.get(8).is_some_and(|m| b"ABCDEHLMPRST".contains(m));
    let sum: u32 = body.iter().enumerate().map(|(place, byte)| fiscal_value(place, *byte)).sum();
    shaped && month && u32::from(check - b'A') == sum % 26
}

/// Odd places (counted from one) use the decree's table, even places the plain value.
fn fiscal_value(place: usize, byte: u8) -> u32 {
    const ODD: [u8; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let value = if byte.is_ascii_digit() { byte - b'0' } else { byte.wrapping_sub(b'A') };
    if place % 2 == 1 {
        return u32::from(value);
    }
    ODD.get(usize::from(value)).copied().map_or(0, u32::from)
}

/// Polish PESEL: date with the century in the month, weights 1 3 7 9, modulus 10.
pub(crate) fn pl_pesel(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [_, _, m1, m2, d1, d2, ..] = all;
    let (month, day) = ((m1 * 10 + m2) % 20, d1 * 10 + d2);
    (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && weighted(&all, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]).is_multiple_of(10)
}

/// German tax identification number: one digit repeats in the first ten, ISO 7064 MOD 11,10.
pub(crate) fn de_tax_id(text: &[u8]) -> bool {
    let Some([first, rest @ ..]) = digits::<11>(text) else { return false };
    let [body @ .., _] = rest;
    let mut counts = [0_u8; 10];
    for digit in std::iter::once(first).chain(body) {
        if let Some(count) = counts.get_mut(digit as usize) {
            *count += 1;
        }
    }
    let repeated = counts.iter().filter(|count| **count > 1).count();
    let most = counts.iter().max().copied().unwrap_or(0);
    first != 0 && repeated == 1 && (2..=3).contains(&most) && mod_11_10(text)
}

/// Brazilian CPF: two check digits, modulus 11.
pub(crate) fn br_cpf(text: &[u8]) -> bool {
    let Some(all) = digits::<11>(text) else { return false };
    let [.., first, second] = all;
    varied(text)
        && mod_11_check(weighted(&all, &[10, 9, 8, 7, 6, 5, 4, 3, 2])) == first
        && mod_11_check(weighted(&all, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2])) == second
}

/// Brazilian CNPJ, since July 2026 alphanumeric: the value of a character is its code less 48.
pub(crate) fn br_cnpj(text: &[u8]) -> bool {
    let Ok(code) = <[u8; 14]>::try_from(text) else { return false };
    let code = code.map(|b| b.to_ascii_uppercase());
    let [body @ .., c1, c2] = code;
    if !code.iter().all(u8::is_ascii_alphanumeric) || !c1.is_ascii_digit() || !c2.is_ascii_digit() {
        return false;
    }
    let values = code.map(|b| u32::from(b - b'0'));
    let first = mod_11_check(weighted(&values, &[5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
    let second = mod_11_check(weighted(&values, &[6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2]));
    varied(&body) && first == u32::from(c1 - b'0') && second == u32::from(c2 - b'0')
}

fn mod_11_check(sum: u32) -> u32 {
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

/// Indian Aadhaar: twelve digits, the first 2 to 9, Verhoeff.
pub(crate) fn in_aadhaar(text: &[u8]) -> bool {
    digits::<12>(text).is_some_and(|[first, ..]| first >= 2) && varied(text) && verhoeff(text)
}

/// Indian PAN: five letters of which the fourth names the holder's kind, four digits, a letter.
pub(crate) fn in_pan(text: &[u8]) -> bool {
    let Ok([a, b, c, kind, e, d1, d2, d3, d4, last]) = <[u8; 10]>::try_from(text) else {
        return false;
    };
    [a, b, c, e, last].iter().all(u8::is_ascii_uppercase)
        && b"ABCEFGHJKLPT".contains(&kind)
        && digits::<4>(&[d1, d2, d3, d4]).is_some_and(|number| number != [0; 4])
}

/// Chinese resident identity number: region, date of birth, ISO 7064 MOD 11-2.
pub(crate) fn cn_resident_id(text: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let Some((check, body)) = text.split_last() else { return false };
    let Some(all) = digits::<17>(body) else { return false };
    let [r1, _, _, _, _, _, y1, y2, y3, y4, m1, m2, d1, d2, ..] = all;
    let year = y1 * 1000 + y2 * 100 + y3 * 10 + y4;
    let dated = (1900..2100).contains(&year)
        && (1..=12).contains(&(m1 * 10 + m2))
        && (1..=31).contains(&(d1 * 10 + d2));
    let expected = b"10X98765432".get((weighted(&all, &WEIGHTS) % 11) as usize);
    (1..=8).contains(&r1) && dated && expected == Some(&check.to_ascii_uppercase())
}

/// Korean resident registration number: plausible date and century digit.
pub(crate) fn kr_rrn(text: &[u8]) -> bool {
    let Some([_, _, m1, m2, d1, d2, century, ..]) = digits::<13>(text) else { return false };
    (1..=12).contains(&(m1 * 10 + m2)) && (1..=31).contains(&(d1 * 10 + d2)) && century < 9
}

/// The check digit of numbers issued before October 2020.
pub(crate) fn kr_rrn_check(text: &[u8]) -> bool {
    let Some(all) = digits::<13>(text) else { return false };
    let [.., check] = all;
    (11 - weighted(&all, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10 == check
}

/// Singapore NRIC and FIN: prefix letter, seven digits, check letter.
pub(crate) fn sg_nric(text: &[u8]) -> bool {
    let [prefix, number @ .., check] = text else { return false };
    let Some(all) = digits::<7>(number) else { return false };
    let prefix = prefix.to_ascii_uppercase();
    let (offset, letters): (u32, &[u8; 11]) = match prefix {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"KLJNPQRTUWX"),
        _ => return false,
    };
    let rest = ((weighted(&all, &[2, 7, 6, 5, 4, 3, 2]) + offset) % 11) as usize;
    let place = if prefix == b'M' { 10 - rest } else { rest };
    let expected = letters.get(place);
    expected == Some(&check.to_ascii_uppercase())
}

/// Australian tax file number: nine digits, modulus 11.
pub(crate) fn au_tfn(text: &[u8]) -> bool {
    digits::<9>(text).is_some_and(|all| {
        weighted(&all, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && varied(text)
    })
}

/// Australian business number: eleven digits, one taken from the first, modulus 89.
pub(crate) fn au_abn(text: &[u8]) -> bool {
    let Some(mut all) = digits::<11>(text) else { return false };
    let [first, ..] = &mut all;
    if *first == 0 {
        return false;
    }
    *first -= 1;
    weighted(&all, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]).is_multiple_of(89)
}

/// Australian Medicare card number: first digit 2 to 6, weights 1 3 7 9, modulus 10.
pub(crate) fn au_medicare(text: &[u8]) -> bool {
    let Some(ten) = text.get(..10).filter(|_| text.len() <= 11) else { return false };
    let Some(all) = digits::<10>(ten) else { return false };
    let [first, .., check, _] = all;
    (2..=6).contains(&first) && weighted(&all, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == check
}

/// The check digit of a machine-readable field (ICAO 9303): weights 7 3 1.
pub(crate) fn mrz_check(field: &[u8]) -> u32 {
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'Z' => u32::from(byte - b'A') + 10,
        _ => 0,
    };
    field.iter().zip([7, 3, 1].iter().cycle()).map(|(b, w)| value(*b) * w).sum::<u32>() % 10
}

/// The second line of a passport (TD3): number, birth, expiry and the composite must all check.
pub(crate) fn passport_line(text: &[u8]) -> bool {
    let Ok(line) = <&[u8; 44]>::try_from(text) else { return false };
    let checked = |from: usize, at: usize| {
        let field = line.get(from..at).unwrap_or_default();
        let digit = line.get(at).copied().unwrap_or(0);
        u32::from(digit.wrapping_sub(b'0')) == mrz_check(field)
    };
    let composite: Vec<u8> = [0..10, 13..20, 21..43]
        .into_iter()
        .filter_map(|r| line.get(r))
        .flatten()
        .copied()
        .collect();
    let last = line.last().copied().unwrap_or(0);
    checked(0, 9)
        && checked(13, 19)
        && checked(21, 27)
        && u32::from(last.wrapping_sub(b'0')) == mrz_check(&composite)
}

/// More than one distinct digit.
fn varied(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair.first() != pair.last())
}
