//! Links and images in Markdown or HTML that would send data to a foreign host.

use super::decode::is_encoded_text;
use super::url;
use crate::hosts::Hosts;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::segment::Segment;
use crate::validate::token::classes;

/// How far before a URL the Markdown or HTML that loads it is looked for.
const REACH: usize = 128;
/// Query or path parts from this length on look like carried data.
const DATA: usize = 24;

/// How a URL is embedded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Embedding {
    Image,
    Link,
    /// Not at all: chat windows make a link of it all the same.
    Bare,
}

/// Every embedded URL to a host outside the list; the span covers the URL alone.
#[inline(never)]
pub(crate) fn find(segment: &Segment<'_>, hosts: &Hosts, out: &mut Vec<Candidate>) {
    let mut ends = url::Ends::default();
    let mut done = segment.start();
    for place in memchr::memmem::find_iter(segment.bytes(), b"//") {
        let at = segment.start() + place;
        let start = scheme_start(segment, at);
        let embedding = embedding(segment, start).unwrap_or(Embedding::Bare);
        // What is part of a URL that was judged is part of its data.
        if start < done || (embedding == Embedding::Bare && start == at) {
            continue;
        }
        let span = start..ends.after(segment, at + 2);
        let rest = segment.slice(at + 2..span.end);
        let host = host(rest);
        if host.is_empty() || hosts.contains(host) {
            continue;
        }
        done = span.end;
        let tail = rest.get(host.len()..).unwrap_or_default();
        let carries = |more: f32, plain: f32| if carries_data(tail) { plain + more } else { plain };
        let (rule, confidence) = match embedding {
            Embedding::Image => (BuiltIn::ExfilImage, carries(0.25, 0.7)),
            Embedding::Link => (BuiltIn::ExfilLink, carries(0.25, 0.4)),
            Embedding::Bare if carries_text(tail) => (BuiltIn::ExfilLink, 0.65),
            Embedding::Bare => continue,
        };
        out.push(Candidate::new(span, rule, confidence));
    }
}

fn scheme_start(segment: &Segment<'_>, at: usize) -> usize {
    let left = segment.slice(segment.start()..at);
    for scheme in [b"https:".as_slice(), b"http:", b"HTTPS:", b"HTTP:", b"ftp:"] {
        if left.ends_with(scheme) {
            return at - scheme.len();
        }
    }
    at
}

/// What stands before the URL: `](`, `<`, `]: `, `src="`, `url(`.
fn embedding(segment: &Segment<'_>, start: usize) -> Option<Embedding> {
    let left = segment.left_of(start, REACH);
    let quiet = |b: &&u8| b" \t\r\n\"'<".contains(*b);
    let gap = left.iter().rev().take(4).take_while(quiet).count();
    let head = left.get(..left.len() - gap)?;
    if head.ends_with(b"](") {
        let opened = memchr::memrchr(b'[', head)?;
        let image = opened.checked_sub(1).and_then(|i| head.get(i)) == Some(&b'!');
        return Some(if image { Embedding::Image } else { Embedding::Link });
    }
    let lower = head.to_ascii_lowercase();
    let ends = |words: &[&str]| words.iter().any(|word| lower.ends_with(word.as_bytes()));
    if ends(&["src=", "srcset=", "poster=", "background=", "url(", "data="]) {
        return Some(Embedding::Image);
    }
    let reference = head.ends_with(b"]:") && head.contains(&b'[');
    let autolink = left.ends_with(b"<");
    (reference || autolink || ends(&["href=", "action=", "cite=", "ping="]))
        .then_some(Embedding::Link)
}

fn host(rest: &[u8]) -> &[u8] {
    let authority = rest.split(|b| b"/?#\\".contains(b)).next().unwrap_or_default();
    let host = authority.split(|b| *b == b'@').next_back().unwrap_or_default();
    host.split(|b| *b == b':').next().unwrap_or_default()
}

/// A value of the query is text in Base64 or hexadecimal. Signatures and random tokens do not
/// decode to text.
fn carries_text(tail: &[u8]) -> bool {
    let query = memchr::memchr2(b'?', b'#', tail).and_then(|place| tail.get(place + 1..));
    let mut values = query.unwrap_or_default().split(|b| b"&;?#".contains(b));
    values.any(|pair| {
        let name = memchr::memchr(b'=', pair).map_or(0, |place| place + 1);
        pair.get(name..).is_some_and(is_encoded_text)
    })
}

/// A query with a value, or a path part long and mixed enough to be an encoding.
fn carries_data(tail: &[u8]) -> bool {
    let query = memchr::memchr2(b'?', b'#', tail);
    let valued = query.is_some_and(|place| {
        tail.len() - place > 3 && tail.get(place..).is_some_and(|q| q.contains(&b'='))
    });
    valued || tail.split(|b| *b == b'/').any(|part| part.len() >= DATA && classes(part) >= 2)
}
