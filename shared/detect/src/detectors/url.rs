//! URLs that carry credentials or grant access, connection strings, webhooks.

use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::position;
use crate::scan::segment::Segment;

/// Every `scheme://user:password@host` and known webhook in the segment.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let mut ends = Ends::default();
    for place in memchr::memmem::find_iter(segment.bytes(), b"://") {
        let at = segment.start() + place;
        let Some(start) = scheme_start(segment, at) else { continue };
        let end = ends.after(segment, at + 3);
        if let Some((rule, confidence)) = credentials(segment, start, at, end) {
            out.push(Candidate::new(start..end, rule, confidence));
        } else if is_webhook(segment.slice(at + 3..end)) {
            out.push(Candidate::plain(start..end, BuiltIn::Webhook));
        } else if is_shared_access(segment.slice(at + 3..end)) {
            out.push(Candidate::plain(start..end, BuiltIn::UrlCredentials));
        }
    }
}

fn scheme_start(segment: &Segment<'_>, at: usize) -> Option<usize> {
    let left = segment.slice(segment.start()..at);
    let part = |b: &&u8| b.is_ascii_alphanumeric() || b"+-.:".contains(*b);
    let length = left.iter().rev().take(24).take_while(part).count();
    (1..24).contains(&length).then_some(at - length)
}

/// Where URLs end. One inside another ends with it, so that each end is looked for once.
#[derive(Default)]
pub(crate) struct Ends {
    /// The first byte that is in no URL, and the end without the punctuation before it.
    stop: usize,
    end: usize,
}

impl Ends {
    /// The end of the URL that goes on at `from`, which never falls from call to call: closing
    /// punctuation does not belong to it.
    #[inline(never)]
    pub(crate) fn after(&mut self, segment: &Segment<'_>, from: usize) -> usize {
        if from >= self.stop {
            let rest = segment.slice(from..segment.end());
            let length = rest.iter().position(ends_url).unwrap_or(rest.len());
            let text = rest.get(..length).unwrap_or_default();
            let trailing = text.iter().rev().take_while(|b| b".,;:!?".contains(b)).count();
            (self.stop, self.end) = (from + length, from + length - trailing);
        }
        self.end.max(from)
    }
}

fn ends_url(byte: &u8) -> bool {
    b"'\"<>`)]}\\^|".contains(byte) || byte.is_ascii_whitespace() || *byte >= 0xE0
}

fn credentials(
    segment: &Segment<'_>,
    start: usize,
    scheme_end: usize,
    end: usize,
) -> Option<(BuiltIn, f32)> {
    let rest = segment.slice(scheme_end + 3..end);
    let authority = rest.split(|b| b"/?#".contains(b)).next()?;
    // A password may hold a raw slash or `@`: the last `@` before the path's query decides.
    let at = memchr::memrchr(b'@', authority)?;
    let (user, host) = (authority.get(..at)?, authority.get(at + 1..)?);
    let colon = memchr::memchr(b':', user)?;
    let password = user.get(colon + 1..)?;
    if password.is_empty() || host.is_empty() || template(user) || template(host) {
        return None;
    }
    let user = user.get(..colon).unwrap_or_default();
    let stand_in = is_stand_in(password)
        || user == password
        || is_local(host)
            && matches!(password, b"pass" | b"root" | b"admin" | b"postgres" | b"test");
    let confidence = if stand_in { 0.3 } else { 0.9 };
    let web = matches!(
        segment.slice(start..scheme_end),
        b"http" | b"https" | b"ftp" | b"ftps" | b"ssh" | b"git"
    );
    Some((if web { BuiltIn::UrlCredentials } else { BuiltIn::ConnectionString }, confidence))
}

fn template(text: &[u8]) -> bool {
    text.contains(&b'{')
        || text.starts_with(b"$")
        || text.contains(&b'<')
        || text.ends_with(b":*")
        || position(text, b"**").is_some()
}

/// The machine itself, where defaults of development are at home.
fn is_local(host: &[u8]) -> bool {
    let name = host.split(|b| *b == b':').next().unwrap_or_default();
    name == b"localhost" || name.starts_with(b"127.") || host.starts_with(b"[::1]")
}

/// Words that documentation and local defaults put where a password goes.
fn is_stand_in(password: &[u8]) -> bool {
    const WORDS: [&str; 9] = [
        "password",
        "mypassword",
        "passwd",
        "xxx",
        "changeme",
        "...",
        "dummy",
        "example",
        "secret",
    ];
    const PARTS: [&str; 4] = ["your", "replace", "placeholder", "redacted"];
    let lower = password.to_ascii_lowercase();
    let uniform = lower.windows(2).all(|pair| pair.first() == pair.last());
    let has = |part: &&str| position(&lower, part.as_bytes()).is_some();
    // Nobody's password has so few characters.
    lower.len() <= 3
        || uniform
        || WORDS.iter().any(|word| lower == word.as_bytes())
        || PARTS.iter().any(has)
}

/// Links of Azure that grant access to whoever has them: a version, an expiry and a signature.
fn is_shared_access(rest: &[u8]) -> bool {
    let Some(query) = memchr::memchr(b'?', rest).and_then(|at| rest.get(at + 1..)) else {
        return false;
    };
    let has = |name: &[u8], least: usize| {
        let values = query.split(|b| *b == b'&').filter_map(|pair| pair.strip_prefix(name));
        values.into_iter().any(|value| value.len() >= least)
    };
    has(b"sv=", 10) && has(b"sig=", 40)
}

/// Incoming webhooks whose URL is the secret.
fn is_webhook(rest: &[u8]) -> bool {
    let prefixes: [&[u8]; 6] = [
        b"hooks.slack.com/services/T",
        b"hooks.slack.com/workflows/",
        b"hooks.slack.com/triggers/",
        b"discord.com/api/webhooks/",
        b"discordapp.com/api/webhooks/",
        b"hooks.zapier.com/hooks/catch/",
    ];
    let host = rest.split(|b| *b == b'/').next().unwrap_or_default();
    let teams = host.ends_with(b".webhook.office.com") && rest.len() >= host.len() + 60;
    teams
        || prefixes.iter().any(|prefix| rest.starts_with(prefix) && rest.len() >= prefix.len() + 15)
}
