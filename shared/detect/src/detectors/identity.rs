//! Account and identity numbers with letters in them.

use std::ops::Range;

use super::address::runs;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::segment::Segment;
use crate::validate::{bank, national};

/// Shortest number with letters in it.
pub(crate) const MIN_LENGTH: usize = 9;
/// Longest IBAN, and the longest with a space after every fourth character.
const IBAN: (usize, usize) = (15, 34);

/// Every number with letters in the segment.
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for run in runs(segment, |b| b.is_ascii_alphanumeric()) {
        let text = segment.slice(run.clone());
        if text.iter().all(u8::is_ascii_digit) {
            continue;
        }
        if segment.before(run.start) == b'_' || segment.byte(run.end) == b'_' {
            continue;
        }
        if let Some(end) = iban(segment, run.start) {
            out.push(Candidate::plain(run.start..end, BuiltIn::Iban));
        } else if text.len() <= 18 {
            single(segment, &run, text, out);
        }
        if text.len() <= 3 {
            spaced_nino(segment, run.start, out);
        }
    }
    mrz(segment, out);
    cnpj(segment, out);
}

/// An IBAN at `start`, plain or in printed groups.
fn iban(segment: &Segment<'_>, start: usize) -> Option<usize> {
    let [c1, c2, d1, d2] = *segment.slice(start..start + 4).first_chunk::<4>()?;
    let country = [c1.to_ascii_uppercase(), c2.to_ascii_uppercase()];
    if !d1.is_ascii_digit() || !d2.is_ascii_digit() {
        return None;
    }
    let length = bank::iban_length(country)?;
    let mut compact = [0_u8; IBAN.1];
    let mut count = 0;
    let mut end = start;
    for byte in segment.slice(start..segment.end()) {
        if count == length {
            break;
        }
        end += 1;
        match byte {
            b' ' | b'-' if count > 0 => continue,
            b if b.is_ascii_alphanumeric() => *compact.get_mut(count)? = *b,
            _ => return None,
        }
        count += 1;
    }
    let text = compact.get(..count)?;
    let bounded = !segment.byte(end).is_ascii_alphanumeric();
    (count >= IBAN.0 && bounded && bank::iban(text)).then_some(end)
}

/// Numbers written without separators.
fn single(segment: &Segment<'_>, run: &Range<usize>, text: &[u8], out: &mut Vec<Candidate>) {
    let named = |topics: Topics| segment.topics(run.start).any(topics);
    let upper = !text.iter().any(u8::is_ascii_lowercase);
    let found: Option<(BuiltIn, f32)> = match text.len() {
        9 if national::es_nif(text) => Some((BuiltIn::EsNif, 0.7)),
        9 if national::es_nie(text) => Some((BuiltIn::EsNie, 0.75)),
        9 if national::sg_nric(text) => Some((BuiltIn::SgNric, 0.8)),
        9 if national::uk_nino(text) => Some((BuiltIn::UkNino, 0.7)),
        10 if upper && national::in_pan(text) => Some((BuiltIn::InPan, 0.6)),
        16 if national::it_fiscal_code(text) => Some((BuiltIn::ItFiscalCode, 0.95)),
        18 if national::cn_resident_id(text) => Some((BuiltIn::CnResidentId, 0.95)),
        14 if upper && national::br_cnpj(text) => Some((BuiltIn::BrCnpj, 0.5)),
        _ => None,
    };
    if let Some((rule, plain)) = found {
        let plain = if upper { plain } else { plain - 0.3 };
        let known = named(Topics::IDENTITY.or(Topics::TAX));
        out.push(Candidate::new(run.clone(), rule, if known { plain.max(0.9) } else { plain }));
    }
}

/// `AB 12 34 56 C`.
fn spaced_nino(segment: &Segment<'_>, start: usize, out: &mut Vec<Candidate>) {
    let text = segment.slice(start..segment.end());
    let Some(text) = text.get(..13) else { return };
    let spaced = [2, 5, 8, 11].iter().all(|place| text.get(*place) == Some(&b' '));
    let compact: Vec<u8> = text.iter().filter(|b| **b != b' ').copied().collect();
    let bounded = !segment.byte(start + 13).is_ascii_alphanumeric();
    if spaced && bounded && national::uk_nino(&compact) {
        out.push(Candidate::new(start..start + 13, BuiltIn::UkNino, 0.85));
    }
}

/// The second line of a passport.
fn mrz(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    if segment.range().len() < 44 {
        return;
    }
    for run in runs(segment, |b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'<') {
        if national::passport_line(segment.slice(run.clone())) {
            out.push(Candidate::plain(run, BuiltIn::Passport));
        }
    }
}

/// A CNPJ in print with letters in it: `12.ABC.345/01DE-35`.
fn cnpj(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for run in runs(segment, |b| b.is_ascii_alphanumeric() || b"./-".contains(&b)) {
        let text = segment.slice(run.clone());
        let punctuated = text.len() == 18
            && [(2, b'.'), (6, b'.'), (10, b'/'), (15, b'-')]
                .iter()
                .all(|(at, b)| text.get(*at) == Some(b));
        if punctuated {
            let compact: Vec<u8> =
                text.iter().filter(|b| b.is_ascii_alphanumeric()).copied().collect();
            if national::br_cnpj(&compact) {
                out.push(Candidate::new(run, BuiltIn::BrCnpj, 0.9));
            }
        }
    }
}
