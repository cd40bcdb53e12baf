//! Secrets that only their name gives away: `password = "…"`, `Authorization: Bearer …`.

mod name;

use super::decode::base64;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::position;
use crate::scan::segment::Segment;
use crate::validate::token::{classes, entropy, is_random};
pub(super) use name::{AWS_SECRET, is_aws_secret};
use name::{Kind, NAME, kind};

/// Most characters between an operator and its value: quotes, spaces, `Bearer `.
const GAP: usize = 16;
/// Longest value that is read at once, in bytes: as much as a policy can have held back. What is longer is
/// found piece by piece.
const MAX_VALUE: usize = 65_536;
/// How far into a value the words are looked for that stand in for one.
const STAND_IN_REACH: usize = 80;
/// Where the value begins that the operator at `operator` assigns to a secret's name.
pub(crate) fn value_start(text: &[u8], operator: usize) -> Option<usize> {
    kind(text, operator)?;
    let gap = |b: &u8| b" \t\"'`=:>".contains(b);
    let mut at = operator + 1;
    let rest = text.get(at..)?;
    at += rest.iter().take(8).take_while(|b| gap(b)).count();
    for scheme in [b"Bearer ".as_slice(), b"bearer ", b"Basic ", b"Token "] {
        // A stream may have the scheme and not yet the space after it.
        let rest = text.get(at..)?;
        if rest.starts_with(scheme) || rest == scheme.trim_ascii_end() {
            at += scheme.len();
        }
    }
    (at - operator <= GAP).then_some(at)
}

/// Values in the segment that an operator inside it or before it names.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let from = segment.start().saturating_sub(GAP);
    let text = segment.text();
    let mut done = from;
    for place in memchr::memchr2_iter(b'=', b':', segment.slice(from..segment.end())) {
        let operator = from + place;
        // An operator inside a value is part of it.
        if operator < done {
            continue;
        }
        let Some(value) = value_start(text, operator) else { continue };
        if value < segment.start() || value >= segment.end() {
            continue;
        }
        if let (Some(kind), Some(end)) = (kind(text, operator), value_end(segment, value)) {
            judge(kind, segment, value..end, out);
            done = end;
        }
    }
}

pub(super) fn value_end(segment: &Segment<'_>, value: usize) -> Option<usize> {
    let rest = segment.slice(value..segment.end());
    // Inside quotes only the quote ends it; without them what ends a parameter or a statement.
    let quote = Some(segment.before(value)).filter(|b| b"'\"`".contains(b));
    let ends = |(place, b): (usize, &u8)| match (quote, *b) {
        (Some(quote), b) => b == quote || b == b'\\' || b.is_ascii_whitespace(),
        // A password may have one in it; in a query the next parameter follows.
        (None, b'&') => begins_parameter(rest.get(place + 1..).unwrap_or_default()),
        (None, b) => b"'\";,)]}\\".contains(&b) || b.is_ascii_whitespace(),
    };
    let read = rest.len().min(MAX_VALUE);
    let length = rest.iter().take(read).enumerate().position(ends).unwrap_or(read);
    let text = rest.get(..length)?;
    let trailing = text.iter().rev().take_while(|b| b".!?".contains(b)).count();
    Some(value + length - trailing)
}

/// Whether `rest` goes on as `name=`.
fn begins_parameter(rest: &[u8]) -> bool {
    let part = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.[]".contains(*b);
    let name = rest.iter().take(NAME).take_while(part).count();
    name > 0 && rest.get(name) == Some(&b'=')
}

fn judge(
    kind: Kind,
    segment: &Segment<'_>,
    span: std::ops::Range<usize>,
    out: &mut Vec<Candidate>,
) {
    let value = segment.slice(span.clone());
    let bits = entropy(value);
    let drawn = kind == Kind::Key && bits > 4.0 && has_many_signs(value);
    if is_placeholder(value) && !drawn {
        return;
    }
    let believable = match kind {
        Kind::AwsSecret => value.len() == AWS_SECRET && bits > 3.0,
        Kind::Authorization => value.len() >= 12 && bits > 2.8,
        Kind::Basic => is_user_and_password(value),
        Kind::Password => value.len() >= 6 && bits > 1.9 && (classes(value) >= 2 || symbols(value)),
        Kind::Key => drawn || value.len() >= 12 && classes(value) >= 2 && is_random(value),
    };
    if believable {
        let rule = if kind == Kind::Authorization {
            BuiltIn::Authorization
        } else {
            BuiltIn::GenericSecret
        };
        out.push(Candidate::plain(span, rule));
    }
}

/// Whether a value is `user:password` in Base64.
fn is_user_and_password(value: &[u8]) -> bool {
    base64(value).is_some_and(|text| {
        let parts =
            text.iter().position(|byte| *byte == b':').and_then(|at| text.split_at_checked(at));
        let both = parts.is_some_and(|(user, password)| !user.is_empty() && password.len() > 1);
        both && text.iter().all(u8::is_ascii_graphic)
    })
}

fn symbols(value: &[u8]) -> bool {
    value.iter().any(|b| b"!@#$%^&*+~".contains(b))
}

/// Drawn from a whole keyboard, as frameworks do for the key that they sign with.
fn has_many_signs(value: &[u8]) -> bool {
    let signs = b"!@#$%^&*(=+)".iter().filter(|sign| value.contains(sign)).count();
    value.len() >= 40 && signs >= 5 && !value.iter().any(|b| b"{}<>:".contains(b))
}

/// Words that stand in for a secret in examples and code.
const STAND_INS: [&str; 18] = [
    "your",
    "example",
    "changeme",
    "placeholder",
    "redacted",
    "dummy",
    "process.env",
    "os.environ",
    "getenv",
    "null",
    "none",
    "undefined",
    "xxxx",
    "****",
    "....",
    "secrets.",
    "config.",
    "insert",
];

/// Templates, code and the words that stand in for a secret in examples.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let lower = value.get(..STAND_IN_REACH).unwrap_or(value).to_ascii_lowercase();
    let has = |word: &str| position(&lower, word.as_bytes()).is_some();
    // `!vault` of YAML and `%NAME%` of a shell.
    // A place in a store of secrets.
    let stored = [b"vault:".as_slice(), b"arn:", b"ssm:", b"op:", b"file:", b"env:"];
    let stored = stored.iter().any(|scheme| lower.starts_with(scheme));
    // Types of Rust and C++.
    let typed = has("::") || matches!(value, b"*const" | b"*mut" | b"&str" | b"&mut");
    let tagged = stored
        || typed
        || matches!(value, [b'!', name @ ..] if name.iter().all(u8::is_ascii_alphabetic))
        || matches!(value, [b'%', .., b'%']);
    tagged
        || value.iter().any(|b| b"{}<>$([".contains(b)) && !symbols_only_inside(value)
        || STAND_INS.iter().any(|word| has(word))
        || has("://")
}

/// A `$` inside a password is a character; at its start it is a variable.
fn symbols_only_inside(value: &[u8]) -> bool {
    !value.starts_with(b"$") && !value.iter().any(|b| b"{}<>([".contains(b))
}
