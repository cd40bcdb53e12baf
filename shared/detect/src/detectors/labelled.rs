//! Long random values beside the name of a secret, whatever stands between the two: operators of
//! any language, tags, types, the words of a sentence.

use std::ops::Range;

use super::address::runs;
use super::assignment::{AWS_SECRET, is_aws_secret, is_placeholder};
use super::decode::{base64, is_encoded_text};
use super::secret_name::{Promise, Words, promise};
use super::token_marks::is_azure;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::anchor::LONG_RUN;
use crate::scan::position;
use crate::scan::segment::Segment;
use crate::validate::token::{classes, is_random};

/// Shortest and longest value, in bytes.
const LEAST: usize = LONG_RUN as usize;
const MOST: usize = 65_536;
/// How far before a value its name is looked for, in bytes.
const REACH: usize = 80;
/// Most words between a value and its name, types and verbs among them.
const WORDS: usize = 5;
/// Types, verbs and the words for a value, which stand between a name and its value.
pub(super) static BETWEEN: Words = Words::new(
    "string str char const static let var val value default text \
                                  varchar is was are be as es est ist lautet new some bearer basic \
                                  content data b f r u s",
);
/// Words before a lone `key` that make it a secret's.
static KEYS: Words =
    Words::new("api access secret private signing encryption account license auth master");
/// Words between a secret and what it is for.
static LINKS: Words = Words::new("for of on in to");
/// Most bytes between two words: a line end, an indentation, quotes.
const GAP: usize = 24;

/// Every value in the segment that its surroundings call a secret.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for run in runs(segment, |b| b.is_ascii_alphanumeric() || b"+/_-.~%:".contains(&b)) {
        let value = segment.slice(run.clone());
        if !(LEAST..=MOST).contains(&run.len()) || !value.iter().any(u8::is_ascii_digit) {
            continue;
        }
        let padding = segment.slice(run.end..segment.end());
        let padding = padding.iter().take(2).take_while(|b| **b == b'=').count();
        let span = run.start..run.end + padding;
        if is_azure(segment.slice(span.clone())) {
            out.push(Candidate::plain(span, BuiltIn::ProviderToken));
        } else if is_jwk_part(segment, span.start) || is_labelled(segment, value, &span) {
            out.push(Candidate::plain(span, BuiltIn::GenericSecret));
        }
    }
}

/// Whether the name of a secret stands before `value`, which is `span` but for padding.
#[inline(never)]
fn is_labelled(segment: &Segment<'_>, value: &[u8], span: &Range<usize>) -> bool {
    // Most long runs are paths and identifiers.
    if !is_random(value) {
        return false;
    }
    let Some((name, promised)) = label(segment.left_of(span.start, REACH)) else { return false };
    // A lone `key` is found in every table.
    let believable = promised == Promise::Secret || value.len() >= 24 && classes(value) == 3;
    believable
        && !is_placeholder(value)
        && !is_text(segment.slice(span.clone()))
        && (!is_aws_secret(name) || span.len() == AWS_SECRET)
}

/// Whether the private part of a JSON Web Key begins at `at` (RFC 7518, 6.2.2 and 6.3.2).
fn is_jwk_part(segment: &Segment<'_>, at: usize) -> bool {
    /// The modulus of an RSA key of 2048 bits stands before.
    const REACH: usize = 480;
    let left = segment.left_of(at, 8);
    let named = left.ends_with(b"\"d\":\"") || left.ends_with(b"\"d\": \"");
    named && position(segment.left_of(at, REACH), b"\"kty\"").is_some()
}

/// Whether a value is words in Base64: no key, unless it is `user:password`.
fn is_text(value: &[u8]) -> bool {
    is_encoded_text(value) && !base64(value).is_some_and(|text| text.contains(&b':'))
}

/// The name before a value at the end of `left`, and what it promises.
#[inline(never)]
fn label(left: &[u8]) -> Option<(&[u8], Promise)> {
    let (mut rest, mut assigned) = (left, false);
    for _ in 0..WORDS {
        let (word, gap) = last_word(rest)?;
        // Arguments and columns; a comma in a sentence parts.
        let parted = gap == b"," || gap.contains(&b',') && gap.iter().any(|b| b"'\"".contains(b));
        assigned |= parted || gap.iter().any(|b| b"=:>(|".contains(b));
        rest = rest.get(..rest.len() - gap.len() - word.len())?;
        if BETWEEN.has(word) {
            assigned = true;
            continue;
        }
        match promise(word) {
            Promise::Public => return None,
            Promise::Nothing => {
                // What the secret is for: `token for staging is …`.
                let (link, gap) = last_word(rest)?;
                if gap != b" " || !LINKS.has(link) {
                    return None;
                }
                rest = rest.get(..rest.len() - 1 - link.len())?;
            }
            found => {
                let found = with_words_before(word, found, rest)?;
                let several = word.iter().any(|b| b"_-.".contains(b));
                return (assigned || several).then_some((word, found));
            }
        }
    }
    None
}

/// What a name promises with the word before it: `API key`, `public key`, `CSRF token`.
fn with_words_before(word: &[u8], found: Promise, rest: &[u8]) -> Option<Promise> {
    let Some((before, b" ")) = last_word(rest) else { return Some(found) };
    match promise(before) {
        Promise::Public => None,
        _ if word.eq_ignore_ascii_case(b"key") && KEYS.has(before) => Some(Promise::Secret),
        _ => Some(found),
    }
}

/// The last word of `text` and what follows it, unless that ends a statement or a sentence.
#[inline(never)]
fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let part = |b: &u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
    let gap = text.iter().rev().take(GAP).take_while(|b| !part(b)).count();
    let (head, gap) = text.split_at_checked(text.len() - gap)?;
    let length = head.iter().rev().take_while(|b| part(b) || **b == b'.').count();
    let ends = |b: &u8| b";!#})".contains(b) || *b >= 0x80;
    let line_ends = gap.iter().filter(|b| **b == b'\n').count();
    let goes_on = !gap.iter().any(ends) && line_ends <= 1 && !gap.starts_with(b". ");
    let word = head.get(head.len() - length..)?;
    (length > 0 && !gap.is_empty() && goes_on).then_some((word, gap))
}
