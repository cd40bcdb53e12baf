//! Keys without a prefix whose parts or a mark inside give them away.

use std::ops::Range;

use super::token_shapes::{alnum, hex, length, letters, lower_alnum, word};
use crate::scan::segment::Segment;
use crate::validate::token::entropy;

/// A part of a key.
enum Part {
    /// So many characters of a class.
    Run(fn(u8) -> bool, usize),
    /// This text.
    Text(&'static [u8]),
}
use Part::{Run, Text};

/// Mailchimp's keys with their data centre, Mailgun's for signing, MaxMind's, Dropbox's for long,
/// those of Azure OpenAI and its neighbours, Sourcegraph's, LocalStack's.
static MARKED: [&[Part]; 8] = [
    &[Run(hex, 32), Text(b"-us"), Run(digit, 1)],
    &[Run(hex, 32), Text(b"-us"), Run(digit, 2)],
    &[Run(to_h, 32), Text(b"-"), Run(to_h, 8), Text(b"-"), Run(to_h, 8)],
    &[Run(alnum, 6), Text(b"_"), Run(alnum, 29), Text(b"_mmk")],
    &[Run(lower_alnum, 11), Text(b"AAAAAAAAAA"), Run(word, 43)],
    &[Run(alnum, 52), Text(b"JQQJ9"), Run(alnum, 27)],
    &[Text(b"sgp_"), Run(hex, 16), Text(b"_"), Run(hex, 40)],
    &[Text(b"ls-"), Run(letters, 8), Text(b"-"), Run(digit, 4), Text(b"-"), Run(word, 22)],
];

fn digit(b: u8) -> bool {
    b.is_ascii_digit()
}
fn to_h(b: u8) -> bool {
    digit(b) || (b'a'..=b'h').contains(&b)
}

/// Whether the run of token characters is a key with a mark, or follows the number of one of
/// Facebook's apps.
#[inline(never)]
pub(super) fn is_marked(segment: &Segment<'_>, run: &Range<usize>) -> bool {
    let text = segment.slice(run.clone());
    (27..=40).contains(&text.len()) && after_app_id(segment.left_of(run.start, 17))
        || text.len() >= 36
            && MARKED.iter().any(|parts| consists(text, parts))
            // No filler.
            && entropy(text) > 2.0
}

fn consists(text: &[u8], parts: &[Part]) -> bool {
    let rest = parts.iter().try_fold(text, |rest, part| match part {
        Run(class, count) if length(rest, *count, *class) == *count => rest.get(*count..),
        Run(..) => None,
        Text(text) => rest.strip_prefix(*text),
    });
    rest.is_some_and(<[u8]>::is_empty)
}

/// 15 or 16 digits and a bar.
fn after_app_id(left: &[u8]) -> bool {
    let Some(left) = left.strip_suffix(b"|") else { return false };
    (15..=16).contains(&left.iter().rev().take_while(|b| b.is_ascii_digit()).count())
}

/// Whether `text`, in Base64, is a key of one of Azure's services.
#[inline(never)]
pub(super) fn is_azure(text: &[u8]) -> bool {
    AZURE.iter().any(|(length, place, mark)| {
        text.len() == *length && text.get(*place..).is_some_and(|rest| rest.starts_with(mark))
    })
}

/// Length, place of the mark and mark of the identifiable keys of Azure's services: registry,
/// storage, batch, Cosmos, API management, service bus, event hub, relay, IoT, cache, search and
/// functions.
static AZURE: [(usize, usize, &[u8]); 12] = [
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
