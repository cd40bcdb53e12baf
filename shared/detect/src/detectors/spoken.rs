//! Passwords that their name introduces without an operator: `password is …`, `--password …`,
//! `PASSWORD '…'`, `<password>…`, `let password: &str = "…"`, `password for the printer is …`.

use super::assignment::{is_placeholder, value_end};
use super::labelled::BETWEEN;
use super::secret_name::Words;
use crate::phrases::PASSWORD;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::segment::Segment;
use crate::validate::token::is_word;

/// The names.
static NAMES: Words = Words::new("pass password passwd passphrase passcode passwort");
/// Most bytes from the name's beginning to the value.
pub(crate) const REACH: usize = 48;
/// Most bytes from the name's beginning to the value where nothing is said of what it is for.
const NEAR: usize = 24;
/// Words between a password and what it is for.
static LINKS: Words = Words::new("for of on in to at");
/// Most words that say what a password is for.
const PURPOSE: usize = 8;
/// Words between a password and its value that leave no doubt.
static VERBS: Words = Words::new("is was are ist lautet est es");
/// How the names of algorithms and encodings begin that passwords are said to be in.
const ALGORITHMS: [&str; 12] = [
    "base", "sha", "md", "utf", "aes", "rsa", "argon", "bcrypt", "scrypt", "pbkdf", "oauth", "hmac",
];
/// Longer than the passwords that people say, in bytes.
const LONG_VALUE: usize = 64;

/// Whether [`value_start`] is worth a call: most phrases begin with another letter.
#[inline]
pub(crate) fn may_begin(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|first| first | 0x20 == b'p')
}

/// Whether a name may stand at `at`.
pub(crate) fn begins(text: &[u8], at: usize) -> bool {
    let head = text.get(at..).and_then(|rest| rest.get(..PASSWORD.len()));
    head.is_some_and(|head| head.eq_ignore_ascii_case(PASSWORD.as_bytes()))
}

/// Where the value begins that the name at `at` introduces.
#[inline(never)]
pub(crate) fn value_start(text: &[u8], at: usize) -> Option<usize> {
    if !begins(text, at) {
        return None;
    }
    let head = text.get(at..)?;
    let head = head.get(..REACH.min(head.len()))?;
    let part = |b: &&u8| b.is_ascii_alphanumeric() || b"_-".contains(*b);
    let name = head.iter().take_while(part).count();
    if !NAMES.has(head.get(..name)?) {
        return None;
    }
    let mut place = past_purpose(head, name);
    let reach = if place == name { NEAR } else { REACH };
    let head = head.get(..reach.min(head.len()))?;
    loop {
        let rest = head.get(place..)?;
        let gap = rest.iter().take_while(|b| b" \t\"'`=:>,(&*|/".contains(b)).count();
        let word = rest.get(gap..)?;
        let length = word.iter().take_while(part).count();
        if gap == 0 || rest.get(..gap)?.starts_with(b", ") {
            return None;
        }
        place += gap;
        if !BETWEEN.has(word.get(..length)?) {
            return (place < head.len()).then_some(at + place);
        }
        place += length;
    }
}

/// Where in `head` the words end that say what the password is for whose name ends at `name`, if a
/// verb follows them; else `name`.
fn past_purpose(head: &[u8], name: usize) -> usize {
    let mut words = head.get(name..).unwrap_or_default().split(|b| *b == b' ');
    let linked = words.next().is_some_and(<[u8]>::is_empty)
        && words.next().is_some_and(|word| LINKS.has(word));
    if !linked {
        return name;
    }
    let mut at = name;
    for word in head.get(name..).unwrap_or_default().split_inclusive(|b| *b == b' ').take(PURPOSE) {
        if VERBS.has(word.trim_ascii_end()) {
            return at.saturating_sub(1).max(name);
        }
        at += word.len();
    }
    name
}

/// Passwords in the segment whose name stands before them.
#[inline(never)]
pub(super) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let text = segment.text();
    let from = segment.start().saturating_sub(REACH);
    // Names inside a long value are part of it; each would else be read to its end again.
    let mut read = from;
    for place in memchr::memchr2_iter(b'p', b'P', segment.slice(from..segment.end())) {
        let at = from + place;
        if at < read || segment.before(at).is_ascii_alphabetic() {
            continue;
        }
        let Some(value) = value_start(text, at) else { continue };
        if value < segment.start() || value >= segment.end() {
            continue;
        }
        let Some(end) = value_end(segment, value) else { continue };
        let value = value..end;
        if value.len() > LONG_VALUE {
            read = end;
        }
        let option = segment.slice(at.saturating_sub(2)..at) == b"--";
        let left = text.get(at..value.start).unwrap_or_default().trim_ascii_end();
        let assigned = left.ends_with(b":") || left.ends_with(b"=");
        // `The pass is stage2` speaks of no password.
        let whole = left.get(PASSWORD.len()).is_some_and(u8::is_ascii_alphabetic);
        let stated =
            whole && left.rsplit(|b| *b == b' ').next().is_some_and(|word| VERBS.has(word));
        let text = segment.slice(value.clone());
        if believable(text, option || assigned || stated && !is_algorithm(text)) {
            out.push(Candidate::plain(value, BuiltIn::GenericSecret));
        }
    }
}

/// Whether a value names how a password is kept: `base64`, `SHA-256`.
fn is_algorithm(value: &[u8]) -> bool {
    ALGORITHMS.iter().any(|name| {
        let head = value.get(..name.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// Without an operator most values are words: a password has signs, or digits among its letters.
/// After an option, a verb, or an operator after all (`password is: …`), a digit is enough.
fn believable(value: &[u8], expected: bool) -> bool {
    const LEAST: usize = 6;
    let signs = value.iter().any(|b| b"!@#$%^&*+~".contains(b));
    let digits = value.iter().any(u8::is_ascii_digit);
    let odd = value.split(|b| !b.is_ascii_alphanumeric()).any(|part| !is_word(part));
    value.len() >= LEAST
        && value.iter().any(u8::is_ascii_alphabetic)
        && (digits && (signs || odd || expected) || signs && odd)
        && !is_placeholder(value)
}
