//! Keys and tokens that carry their issuer in their shape.

use super::address::runs;
use super::token_marks;
use super::token_runs::{Alphabet, Runs};
use super::token_shapes::{FAMILIES, SHAPES, Shape, alnum, dotted, hex, length, word};
use crate::rule::BuiltIn::{
    self, GithubToken, HuggingFaceToken, ProviderToken, SlackToken, StripeKey,
};
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::position;
use crate::scan::segment::Segment;
use crate::validate::token::{classes, entropy, github_checksum, is_odd, is_random};

/// Every token in the segment.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let mut known = Runs::new(segment.text());
    for run in runs(segment, dotted) {
        bearer(segment, &run, out);
        if token_marks::is_marked(segment, &run) {
            out.push(Candidate::plain(run.clone(), ProviderToken));
        }
        for start in run.clone().filter(|at| begins(segment, *at)) {
            let found = prefixed(&mut known, start)
                .or_else(|| jwt(&mut known, start))
                .or_else(|| dotted_parts(known.from(start)));
            if let Some((rule, length, confidence)) = found {
                out.push(Candidate::new(start..start + length, rule, confidence));
                if rule == BuiltIn::Jwt {
                    // It goes on to the end of the run.
                    break;
                }
            }
        }
    }
    azure(segment, out);
    telegram(segment, out);
    raw_key(segment, out);
}

/// What follows `Bearer` anywhere: in a header's name or in prose about one.
#[inline(never)]
fn bearer(segment: &Segment<'_>, run: &std::ops::Range<usize>, out: &mut Vec<Candidate>) {
    const LEAST: usize = 20;
    let text = segment.slice(run.clone());
    if run.len() >= LEAST
        && segment.left_of(run.start, 7).eq_ignore_ascii_case(b"bearer ")
        && text.iter().any(u8::is_ascii_digit)
        && entropy(text) > 3.5
    {
        out.push(Candidate::plain(run.clone(), BuiltIn::Authorization));
    }
}

/// A token may begin after anything but a letter or digit.
fn begins(segment: &Segment<'_>, at: usize) -> bool {
    alnum(segment.byte(at)) && !alnum(segment.before(at))
}

fn prefixed(runs: &mut Runs<'_>, start: usize) -> Option<(BuiltIn, usize, f32)> {
    let rest = runs.from(start);
    for shape in known(rest) {
        let Some(body) = rest.strip_prefix(shape.prefix) else { continue };
        let length = runs.length(shape.alphabet, start + shape.prefix.len());
        let ends = body.get(length).is_none_or(|b| !alnum(*b) && *b != b'_');
        if ends && shape.fits(length) {
            let body = body.get(..length)?;
            if is_stand_in(shape, body) {
                continue;
            }
            return confidence(shape.rule, body)
                .map(|c| (shape.rule, shape.prefix.len() + length, c));
        }
    }
    openai(rest).or_else(|| slack(rest)).or_else(|| notion(rest)).or_else(|| family(runs, start))
}

/// Whether words or a filler follow a prefix.
#[inline(never)]
fn is_stand_in(shape: &Shape, body: &[u8]) -> bool {
    /// Bits per character of two characters, of which one is rare.
    const FILLER: f32 = 1.0;
    let digits = body.iter().any(u8::is_ascii_digit);
    match shape.rule {
        // These issuers' own samples are of one letter.
        HuggingFaceToken => false,
        StripeKey => body.len() < 24 && !(digits && classes(body) >= 2),
        _ if entropy(body) < FILLER => true,
        // A short prefix may stand before words; a key has digits.
        ProviderToken if shape.prefix.len() <= 4 => {
            !digits || body.iter().any(u8::is_ascii_lowercase) && !is_odd(body)
        }
        _ => false,
    }
}

/// The shapes whose prefix may begin with the first two bytes of `rest`.
fn known(rest: &[u8]) -> impl Iterator<Item = &'static Shape> {
    let head = rest.first_chunk::<2>().copied();
    let (firsts, nexts) = &CHAINS;
    let mut next = head.and_then(|head| firsts.get(bucket(head))).copied().unwrap_or(0);
    std::iter::from_fn(move || {
        let place = usize::from(next).checked_sub(1)?;
        next = nexts.get(place).copied().unwrap_or(0);
        SHAPES.get(place)
    })
}

/// For each bucket the place of a shape in it, and for each shape that of the next in the same
/// bucket, counted from one; zero for none. Most tokens of a text begin like no shape.
#[expect(clippy::indexing_slicing, reason = "a constant: a wrong index would not compile")]
static CHAINS: ([u8; 1024], [u8; SHAPES.len()]) = {
    let mut firsts = [0; 1024];
    let mut nexts = [0; SHAPES.len()];
    let mut place = SHAPES.len();
    while place > 0 {
        place -= 1;
        let prefix = SHAPES[place].prefix;
        let bucket = bucket([prefix[0], prefix[1]]);
        nexts[place] = firsts[bucket];
        firsts[bucket] = place as u8 + 1;
    }
    (firsts, nexts)
};

const fn bucket(head: [u8; 2]) -> usize {
    (head[0] as usize & 31) << 5 | head[1] as usize & 31
}

fn confidence(rule: BuiltIn, body: &[u8]) -> Option<f32> {
    // AWS documents its own samples so.
    if rule == BuiltIn::AwsAccessKey && body.ends_with(b"EXAMPLE") {
        return None;
    }
    if rule == GithubToken && body.len() == 36 {
        return Some(if github_checksum(body) { 0.98 } else { 0.8 });
    }
    Some(rule.confidence())
}

/// OpenAI keys carry `T3BlbkFJ` ("OpenAI" in Base64) in the middle.
fn openai(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    let body = rest.strip_prefix(b"sk-")?;
    let length = length(body, 221, word);
    let marked = position(body.get(..length)?, b"T3BlbkFJ").is_some();
    (marked && (35..=220).contains(&length)).then_some((
        BuiltIn::OpenAiKey,
        3 + length,
        BuiltIn::OpenAiKey.confidence(),
    ))
}

/// `xoxb-`, `xoxp-`, …: numbers, then a random part.
fn slack(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    let body = rest.strip_prefix(b"xox")?;
    let (kind, body) = body.split_first()?;
    let body = body.strip_prefix(b"-").or_else(|| body.strip_prefix(b".xoxp-"))?;
    let length = length(body, 400, word);
    let digits = body.iter().take(length).filter(|b| b.is_ascii_digit()).count();
    let drawn = digits >= 6 || is_random(body.get(..length)?);
    (b"abceoprs".contains(kind) && length >= 15 && drawn).then_some((
        SlackToken,
        rest.len() - body.len() + length,
        SlackToken.confidence(),
    ))
}

/// Notion integration tokens: eleven digits, then 35 characters.
fn notion(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    let body = rest.strip_prefix(b"ntn_")?;
    let length = length(body, 47, alnum);
    let numbered = body.iter().take(11).all(u8::is_ascii_digit);
    (length == 46 && numbered).then_some((ProviderToken, 4 + length, 0.9))
}

/// A prefix, up to three lower-case letters for the kind, an underscore.
fn family(runs: &mut Runs<'_>, start: usize) -> Option<(BuiltIn, usize, f32)> {
    let rest = runs.from(start);
    for shape in &FAMILIES {
        let Some(body) = rest.strip_prefix(shape.prefix) else { continue };
        let kind = body.iter().take(3).take_while(|b| b.is_ascii_lowercase()).count();
        let Some(body) = body.get(kind..).and_then(|body| body.strip_prefix(b"_")) else {
            continue;
        };
        let length = runs.length(shape.alphabet, start + shape.prefix.len() + kind + 1);
        let digits = || body.iter().take(length).any(u8::is_ascii_digit);
        if kind > 0 && shape.fits(length) && digits() {
            return Some((shape.rule, shape.prefix.len() + kind + 1 + length, 0.85));
        }
    }
    None
}

/// Three Base64url parts, the first a JSON header that names an algorithm.
fn jwt(runs: &mut Runs<'_>, start: usize) -> Option<(BuiltIn, usize, f32)> {
    /// Longest header that is decoded.
    const HEADER: usize = 2048;
    let rest = runs.from(start);
    if !rest.starts_with(b"eyJ") {
        return None;
    }
    let length = runs.length(Alphabet::Word, start);
    let (header, rest_of) = rest.split_at_checked(length).filter(|_| length <= HEADER)?;
    let payload = rest_of.strip_prefix(b".")?;
    let begins = super::decode::base64(header.get(..16)?)?;
    if !begins.iter().all(|b| (b' '..0x7F).contains(b))
        || !runs.header_names_algorithm(start, length)
    {
        return None;
    }
    let payload = payload.iter().take(4).take_while(|b| word(**b)).count();
    let length = runs.length(Alphabet::Dotted, start);
    (payload == 4).then_some((BuiltIn::Jwt, length, BuiltIn::Jwt.confidence()))
}

/// Tokens of three parts without a prefix: Discord's bots, whose first part is the bot's number in
/// Base64, Terraform Cloud (`.atlasv1.`) and Airtable (`pat`, then a hash).
fn dotted_parts(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    let first = rest.iter().take(29).position(|b| *b == b'.')?;
    if !matches!(first, 14 | 17 | 20..=28) {
        return None;
    }
    let length = length(rest, 120, dotted);
    let token = rest.get(..length)?;
    let mut parts = token.split(|b| *b == b'.');
    let (first, second, third) = (parts.next()?, parts.next()?, parts.next());
    let discord = || {
        let number = super::decode::base64(first)?;
        let is_id = (15..=20).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
        let signed = (27..=38).contains(&third?.len());
        (is_id && second.len() == 6 && signed).then_some(first.len() + 8 + third?.len())
    };
    let terraform = || {
        let secret = third?;
        let shaped = first.len() == 14 && second == b"atlasv1" && secret.len() >= 60;
        shaped.then_some(first.len() + 9 + secret.len())
    };
    let airtable = || {
        let shaped = first.len() == 17 && first.starts_with(b"pat") && second.len() == 64;
        (shaped && second.iter().all(|b| hex(*b))).then_some(first.len() + 65)
    };
    let found = match first.len() {
        14 => terraform(),
        17 => airtable(),
        20..=28 => discord(),
        _ => None,
    };
    found.map(|length| (ProviderToken, length, 0.9))
}

/// Telegram's bots: eight to ten digits, a colon, `A` and 34 characters.
fn telegram(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for place in memchr::memmem::find_iter(segment.bytes(), b":A") {
        let at = segment.start() + place;
        let left = segment.slice(segment.start()..at);
        let digits = left.iter().rev().take(11).take_while(|b| b.is_ascii_digit()).count();
        let rest = segment.slice(at + 1..segment.end());
        let length = length(rest, 40, word);
        if (8..=10).contains(&digits) && length == 35 && !alnum(segment.before(at - digits)) {
            out.push(Candidate::new(at - digits..at + 1 + length, ProviderToken, 0.9));
        }
    }
}

/// Azure AD client secrets: three characters, a digit, `Q~`, then 31 to 34 more.
fn azure(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let secret: fn(u8) -> bool = |b| word(b) || b == b'~' || b == b'.';
    for place in memchr::memmem::find_iter(segment.bytes(), b"Q~") {
        let at = segment.start() + place;
        let Some(start) = at.checked_sub(4).filter(|start| *start >= segment.start()) else {
            continue;
        };
        let rest = segment.slice(at + 2..segment.end());
        let length = length(rest, 35, secret);
        let head = segment.slice(start..at);
        let shaped = head.last().is_some_and(u8::is_ascii_digit) && head.iter().all(|b| secret(*b));
        if shaped && (31..=34).contains(&length) && !alnum(segment.before(start)) {
            out.push(Candidate::plain(start..at + 2 + length, BuiltIn::AzureSecret));
        }
    }
}

/// A bare 32-byte key in hexadecimal with `0x`, as wallets print it.
fn raw_key(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for run in runs(segment, alnum) {
        let text = segment.slice(run.clone());
        let body = text.strip_prefix(b"0x").unwrap_or(text);
        if body.len() != 64 || !body.iter().all(|b| hex(*b)) || entropy(body) < 3.0 {
            continue;
        }
        let prefixed = body.len() != text.len();
        let named = segment.topics(run.start).any(Topics::KEY);
        let confidence = match (prefixed, named) {
            (true, true) => 0.9,
            (true, false) => BuiltIn::RawPrivateKey.confidence(),
            (false, true) => 0.6,
            (false, false) => 0.2,
        };
        out.push(Candidate::new(run, BuiltIn::RawPrivateKey, confidence));
    }
}
