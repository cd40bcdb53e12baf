//! Keys and tokens that carry their issuer in their shape.

use super::address::runs;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::context::Topics;
use crate::scan::segment::Segment;
use crate::validate::token::{entropy, github_checksum};

/// A fixed prefix and what follows it.
struct Shape {
    prefix: &'static [u8],
    rule: BuiltIn,
    /// Characters after the prefix, fewest and most.
    length: (usize, usize),
    alphabet: fn(u8) -> bool,
}

const fn shape(
    prefix: &'static [u8],
    rule: BuiltIn,
    length: (usize, usize),
    alphabet: fn(u8) -> bool,
) -> Shape {
    Shape { prefix, rule, length, alphabet }
}

fn alnum(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}
fn letters(b: u8) -> bool {
    b.is_ascii_alphabetic()
}
fn hex(b: u8) -> bool {
    b.is_ascii_hexdigit()
}
fn word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
}
fn dotted(b: u8) -> bool {
    word(b) || b == b'.'
}
fn base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"+/=_-".contains(&b)
}
fn aws(b: u8) -> bool {
    b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)
}

use BuiltIn::{
    AnthropicKey, AwsAccessKey, GithubToken, GoogleKey, HuggingFaceToken, ProviderToken,
    SlackToken, StripeKey,
};

/// Prefixes as their issuers document them.
static SHAPES: [Shape; 62] = [
    shape(b"AKIA", AwsAccessKey, (16, 16), aws),
    shape(b"ASIA", AwsAccessKey, (16, 16), aws),
    shape(b"ABIA", AwsAccessKey, (16, 16), aws),
    shape(b"ACCA", AwsAccessKey, (16, 16), aws),
    shape(b"A3T", AwsAccessKey, (17, 17), aws),
    shape(b"AIza", GoogleKey, (35, 35), word),
    shape(b"GOCSPX-", GoogleKey, (28, 28), word),
    shape(b"ya29.", GoogleKey, (40, 400), word),
    shape(b"ghp_", GithubToken, (36, 36), alnum),
    shape(b"gho_", GithubToken, (36, 36), alnum),
    shape(b"ghu_", GithubToken, (36, 36), alnum),
    shape(b"ghs_", GithubToken, (36, 36), alnum),
    shape(b"ghr_", GithubToken, (36, 36), alnum),
    shape(b"github_pat_", GithubToken, (60, 100), word),
    shape(b"glpat-", ProviderToken, (20, 60), dotted),
    shape(b"gldt-", ProviderToken, (20, 60), word),
    shape(b"glrt-", ProviderToken, (20, 60), word),
    shape(b"glptt-", ProviderToken, (40, 40), hex),
    shape(b"xapp-", SlackToken, (20, 200), word),
    shape(b"sk_live_", StripeKey, (24, 247), alnum),
    shape(b"sk_test_", StripeKey, (24, 247), alnum),
    shape(b"sk_prod_", StripeKey, (24, 247), alnum),
    shape(b"rk_live_", StripeKey, (24, 247), alnum),
    shape(b"rk_test_", StripeKey, (24, 247), alnum),
    shape(b"rk_prod_", StripeKey, (24, 247), alnum),
    shape(b"sk-ant-api03-", AnthropicKey, (60, 120), word),
    shape(b"sk-ant-admin01-", AnthropicKey, (60, 120), word),
    shape(b"sk-ant-oat01-", AnthropicKey, (60, 120), word),
    shape(b"sk-or-v1-", ProviderToken, (64, 64), hex),
    shape(b"hf_", HuggingFaceToken, (34, 34), letters),
    shape(b"npm_", ProviderToken, (36, 36), alnum),
    shape(b"pypi-AgEIcHlwaS5vcmc", ProviderToken, (50, 400), word),
    shape(b"dapi", ProviderToken, (32, 32), hex),
    shape(b"dckr_pat_", ProviderToken, (20, 40), word),
    shape(b"figd_", ProviderToken, (40, 60), word),
    shape(b"glc_eyJ", ProviderToken, (20, 400), base64),
    shape(b"glsa_", ProviderToken, (41, 41), word),
    shape(b"gsk_", ProviderToken, (52, 52), alnum),
    shape(b"hvs.", ProviderToken, (24, 200), word),
    shape(b"hvb.", ProviderToken, (60, 300), word),
    shape(b"hvr.", ProviderToken, (24, 300), word),
    shape(b"lin_api_", ProviderToken, (40, 48), alnum),
    shape(b"SG.", ProviderToken, (60, 70), dotted),
    shape(b"shpat_", ProviderToken, (32, 64), alnum),
    shape(b"shpca_", ProviderToken, (32, 64), alnum),
    shape(b"shppa_", ProviderToken, (32, 64), alnum),
    shape(b"shpss_", ProviderToken, (32, 64), alnum),
    shape(b"tskey-", ProviderToken, (24, 80), word),
    shape(b"ops_eyJ", ProviderToken, (100, 2000), base64),
    shape(b"dop_v1_", ProviderToken, (64, 64), hex),
    shape(b"rubygems_", ProviderToken, (48, 48), hex),
    shape(b"NRAK-", ProviderToken, (27, 27), alnum),
    shape(b"PMAK-", ProviderToken, (59, 59), word),
    shape(b"pplx-", ProviderToken, (40, 60), alnum),
    shape(b"xai-", ProviderToken, (60, 100), alnum),
    shape(b"r8_", ProviderToken, (37, 37), alnum),
    shape(b"lsv2_pt_", ProviderToken, (40, 50), word),
    shape(b"ATATT3", ProviderToken, (100, 250), base64),
    shape(b"sbp_", ProviderToken, (40, 40), hex),
    shape(b"dp.pt.", ProviderToken, (40, 44), alnum),
    shape(b"AGE-SECRET-KEY-1", ProviderToken, (58, 58), alnum),
    shape(b"EAACEdEose0cBA", ProviderToken, (20, 400), alnum),
];

/// Prefixes whose kind is written into them: `cfat_`, `vcp_`.
static FAMILIES: [Shape; 2] =
    [shape(b"cf", ProviderToken, (48, 48), alnum), shape(b"vc", ProviderToken, (40, 60), alnum)];

/// Every token in the segment.
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    for run in runs(segment, dotted) {
        for start in run.clone().filter(|at| begins(segment, *at)) {
            let rest = segment.slice(start..segment.end());
            if let Some((rule, length, confidence)) = prefixed(rest).or_else(|| jwt(rest)) {
                out.push(Candidate::new(start..start + length, rule, confidence));
            }
        }
    }
    azure(segment, out);
    raw_key(segment, out);
}

/// A token may begin after anything but a letter or digit.
fn begins(segment: &Segment<'_>, at: usize) -> bool {
    alnum(segment.byte(at)) && !alnum(segment.before(at))
}

fn prefixed(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    for shape in known(rest) {
        let Some(body) = rest.strip_prefix(shape.prefix) else { continue };
        let length = body.iter().take_while(|b| (shape.alphabet)(**b)).count();
        let ends = body.get(length).is_none_or(|b| !alnum(*b) && *b != b'_');
        let (least, most) = shape.length;
        if ends && (least..=most).contains(&length) {
            let body = body.get(..length)?;
            return confidence(shape.rule, body)
                .map(|c| (shape.rule, shape.prefix.len() + length, c));
        }
    }
    openai(rest).or_else(|| slack(rest)).or_else(|| notion(rest)).or_else(|| family(rest))
}

/// The shapes whose prefix begins with the first two bytes of `rest`.
fn known(rest: &[u8]) -> impl Iterator<Item = &'static Shape> {
    let head = rest.first_chunk::<2>().copied();
    let bucket = head.and_then(|head| BUCKETS.get(bucket(head))).copied().unwrap_or(0);
    // Most tokens of a text begin like none of the shapes.
    let shapes = if bucket == 0 { &[] } else { SHAPES.as_slice() };
    shapes.iter().filter(move |shape| shape.prefix.first_chunk() == head.as_ref())
}

/// Whether some prefix begins with the two bytes of a bucket.
static BUCKETS: [u8; 1024] = {
    let mut buckets = [0; 1024];
    let mut place = 0;
    while place < SHAPES.len() {
        let prefix = SHAPES[place].prefix;
        buckets[bucket([prefix[0], prefix[1]])] = 1;
        place += 1;
    }
    buckets
};

const fn bucket(head: [u8; 2]) -> usize {
    (head[0] as usize & 31) << 5 | head[1] as usize & 31
}

fn confidence(rule: BuiltIn, body: &[u8]) -> Option<f32> {
    if rule == GithubToken && body.len() == 36 {
        return Some(if github_checksum(body) { 0.98 } else { 0.8 });
    }
    Some(rule.confidence())
}

/// OpenAI keys carry `T3BlbkFJ` ("OpenAI" in Base64) in the middle.
fn openai(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    let body = rest.strip_prefix(b"sk-")?;
    let length = body.iter().take_while(|b| word(**b)).count();
    let marked = memchr::memmem::find(body.get(..length)?, b"T3BlbkFJ").is_some();
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
    let length = body.iter().take_while(|b| word(**b)).count();
    let digits = body.iter().take(length).filter(|b| b.is_ascii_digit()).count();
    (b"abceoprs".contains(kind) && length >= 15 && digits >= 6).then_some((
        SlackToken,
        rest.len() - body.len() + length,
        SlackToken.confidence(),
    ))
}

/// Notion integration tokens: eleven digits, then 35 characters.
fn notion(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    let body = rest.strip_prefix(b"ntn_")?;
    let length = body.iter().take_while(|b| alnum(**b)).count();
    let numbered = body.iter().take(11).all(u8::is_ascii_digit);
    (length == 46 && numbered).then_some((ProviderToken, 4 + length, 0.9))
}

/// A prefix, up to three lower-case letters for the kind, an underscore.
fn family(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    for shape in &FAMILIES {
        let Some(body) = rest.strip_prefix(shape.prefix) else { continue };
        let kind = body.iter().take(3).take_while(|b| b.is_ascii_lowercase()).count();
        let Some(body) = body.get(kind..).and_then(|body| body.strip_prefix(b"_")) else {
            continue;
        };
        let length = body.iter().take_while(|b| (shape.alphabet)(**b)).count();
        let (least, most) = shape.length;
        let digits = body.iter().take(length).any(u8::is_ascii_digit);
        if kind > 0 && digits && (least..=most).contains(&length) {
            return Some((shape.rule, shape.prefix.len() + kind + 1 + length, 0.85));
        }
    }
    None
}

/// Three Base64url parts, the first a JSON header that names an algorithm.
fn jwt(rest: &[u8]) -> Option<(BuiltIn, usize, f32)> {
    if !rest.starts_with(b"eyJ") {
        return None;
    }
    let length = rest.iter().take_while(|b| dotted(**b)).count();
    let token = rest.get(..length)?;
    let mut parts = token.split(|b| *b == b'.');
    let (header, payload) = (parts.next()?, parts.next()?);
    let header = super::encoded::base64(header)?;
    let named = memchr::memmem::find(&header, b"\"alg\"").is_some();
    (named && payload.len() >= 4).then_some((BuiltIn::Jwt, length, BuiltIn::Jwt.confidence()))
}

/// Azure AD client secrets: three characters, a digit, `Q~`, then 31 to 34 more.
fn azure(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let secret = |b: u8| word(b) || b == b'~' || b == b'.';
    for place in memchr::memmem::find_iter(segment.bytes(), b"Q~") {
        let at = segment.start() + place;
        let Some(start) = at.checked_sub(4).filter(|start| *start >= segment.start()) else {
            continue;
        };
        let rest = segment.slice(at + 2..segment.end());
        let length = rest.iter().take_while(|b| secret(**b)).count();
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
