//! Keys without a prefix whose length and a mark inside or at the end give them away.

use std::ops::Range;

use super::token_shapes::hex;
use crate::scan::segment::Segment;

/// Whether the run of token characters is a key with a mark.
#[inline(never)]
pub(super) fn is_marked(segment: &Segment<'_>, run: &Range<usize>) -> bool {
    let text = segment.slice(run.clone());
    match text.len() {
        27..=40 if after_app_id(segment.left_of(run.start, 17)) => true,
        36 | 37 => is_mailchimp(text),
        40 => is_maxmind(text),
        50 => is_mailgun_signing(text),
        64 => at(text, 11, b"AAAAAAAAAA") && is_dropbox(text),
        84 => at(text, 52, b"JQQJ9"),
        _ => false,
    }
}

/// Whether `text`, in Base64, is a key of one of Azure's services.
pub(super) fn is_azure(text: &[u8]) -> bool {
    AZURE.iter().any(|(length, place, mark)| text.len() == *length && at(text, *place, mark))
}

fn at(text: &[u8], place: usize, mark: &[u8]) -> bool {
    text.get(place..).is_some_and(|rest| rest.starts_with(mark))
}

/// Length, place of the mark and mark of the identifiable keys of Azure's services: registry,
/// storage, batch, Cosmos, API management, service bus, event hub, relay, IoT, cache, search and
/// functions.
const AZURE: [(usize, usize, &[u8]); 12] = [
    (52, 42, b"+ACR"),
    (88, 76, b"+ASt"),
    (88, 76, b"+ABa"),
    (88, 76, b"ACDb"),
    (88, 76, b"APIM"),
    (44, 33, b"+ASb"),
    (44, 33, b"+AEh"),
    (44, 33, b"+ARm"),
    (44, 33, b"AIoT"),
    (44, 33, b"AzCa"),
    (52, 42, b"AzSe"),
    (56, 44, b"AzFu"),
];

/// Behind the number of one of Facebook's apps: 15 or 16 digits and a bar.
fn after_app_id(left: &[u8]) -> bool {
    let Some(left) = left.strip_suffix(b"|") else { return false };
    (15..=16).contains(&left.iter().rev().take_while(|b| b.is_ascii_digit()).count())
}

/// 32 hexadecimal digits and a data centre: `-us12`.
fn is_mailchimp(text: &[u8]) -> bool {
    let Some((key, centre)) = text.split_at_checked(32) else { return false };
    key.iter().all(|b| hex(*b))
        && centre.strip_prefix(b"-us").is_some_and(|number| number.iter().all(u8::is_ascii_digit))
}

/// 32, 8 and 8 hexadecimal digits, which Mailgun lets go up to `h`.
fn is_mailgun_signing(text: &[u8]) -> bool {
    let digit = |b: &u8| b.is_ascii_digit() || (b'a'..=b'h').contains(b);
    let mut parts = text.split(|b| *b == b'-').map(|part| (part.len(), part.iter().all(digit)));
    [32, 8, 8].iter().all(|length| parts.next() == Some((*length, true))) && parts.next().is_none()
}

/// Six characters, 29 and `mmk`.
fn is_maxmind(text: &[u8]) -> bool {
    text.ends_with(b"_mmk") && text.get(6) == Some(&b'_')
}

/// Long-lived tokens: eleven small letters and digits before the mark.
fn is_dropbox(text: &[u8]) -> bool {
    let small = |b: &u8| b.is_ascii_digit() || b.is_ascii_lowercase();
    text.get(..11).is_some_and(|head| head.iter().all(small) && head.iter().any(u8::is_ascii_digit))
}
