//! Scores phrases of prompt injection.
//!
//! A finding covers the phrase's last word only: in a stream the words before it have been
//! released by then, since prose is never held back, and a whole text must give the same result.

use std::ops::Range;

use super::signatures::Signature;
use super::spelled;
use crate::normalise;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::position;
use crate::scan::segment::Segment;
use crate::scan::window::Pass;

/// How far before its tail the other words of a phrase may stand, in bytes.
const REACH: usize = 160;
/// How many words apart the parts of a phrase may stand.
const GAP: usize = 5;
/// How far before its tail the other words of a phrase without spaces may stand, in bytes.
const SENTENCE: usize = 60;
/// Sum of weak signals that makes a finding.
const THRESHOLD: f32 = 1.0;
/// Weak signals further apart than this do not add up, in bytes.
const SPREAD: usize = 4096;

/// Weak signals seen so far in one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    seen: Vec<(&'static str, f32)>,
    last: usize,
    reported: bool,
}

impl Score {
    /// Counts a weak signal at absolute offset `at`; answers whether the sum just became enough.
    fn add(&mut self, signature: &Signature, at: usize) -> bool {
        if at.saturating_sub(self.last) > SPREAD {
            *self = Self::default();
        }
        self.last = at;
        match self.seen.iter_mut().find(|(tail, _)| *tail == signature.tail) {
            Some((_, weight)) => *weight = weight.max(signature.weight),
            None => self.seen.push((signature.tail, signature.weight)),
        }
        let sum: f32 = self.seen.iter().map(|(_, weight)| weight).sum();
        let crossed = sum >= THRESHOLD && !self.reported;
        self.reported |= crossed;
        crossed
    }
}

/// Every phrase that ends in the segment.
pub(crate) fn find(pass: &mut Pass<'_>, segment: &Segment<'_>) {
    for at in segment.range() {
        for (signature, end) in pass.scanner.phrases().matches(segment.text(), at) {
            let span = end.saturating_sub(signature.tail.len()).max(segment.start())..end;
            if !bounded(segment, &span) {
                continue;
            }
            if signature.rule == BuiltIn::SpelledDigits {
                pass.out.extend(spelled::judge(segment, span));
            } else if preceded(segment, end, signature) {
                report(pass, segment, span, signature);
            }
        }
    }
}

fn report(pass: &mut Pass<'_>, segment: &Segment<'_>, span: Range<usize>, signature: &Signature) {
    pass.out.push(Candidate::new(span.clone(), signature.rule, signature.weight));
    // Decoded text has no place of its own in the sum.
    if segment.depth == 0 && pass.memory.injection.add(signature, pass.memory.base + span.start) {
        pass.out.push(Candidate::plain(span, BuiltIn::InjectionScore));
    }
}

/// The tail stands as whole words.
fn bounded(segment: &Segment<'_>, span: &Range<usize>) -> bool {
    !segment.byte(span.end).is_ascii_alphabetic()
        && !segment.before(span.start).is_ascii_alphabetic()
}

/// Whether the words before the tail fit, nearest set first.
fn preceded(segment: &Segment<'_>, end: usize, signature: &Signature) -> bool {
    let start = end.saturating_sub(signature.tail.len());
    let left = segment.left_of(start, REACH);
    if signature.tail.bytes().all(|byte| (0xE3..=0xED).contains(&byte) || byte & 0xC0 == 0x80) {
        return contains(left, signature.before);
    }
    // English words end at a curly quote; those of other languages have letters beyond ASCII.
    let foreign = signature.before.iter().flat_map(|set| set.iter()).any(|word| !word.is_ascii());
    let seen = (!left.is_ascii()).then(|| normalise::prose(left, foreign).into_bytes());
    let left = seen.as_deref().unwrap_or(left);
    let letter = |b: &u8| b.is_ascii_alphanumeric() || foreign && *b >= 0x80;
    let mut words = left.rsplit(|b| !letter(b)).filter(|word| !word.is_empty());
    signature.before.iter().all(|set| {
        let fits = |word: &&[u8]| set.iter().any(|beginning| starts(word, beginning.as_bytes()));
        words.by_ref().take(GAP).any(|word| fits(&word))
    })
}

/// The same where words are not separated, in any order, within a sentence.
fn contains(left: &[u8], sets: &[&[&str]]) -> bool {
    let near = left.get(left.len().saturating_sub(SENTENCE)..).unwrap_or_default();
    let stop = memchr::memmem::rfind(near, "。".as_bytes()).map_or(0, |at| at + 3);
    let near = near.get(stop..).unwrap_or_default();
    let has = |word: &&str| position(near, word.as_bytes()).is_some();
    sets.iter().all(|set| set.iter().any(has))
}

/// Short words must be whole, longer ones may go on.
#[inline(never)]
fn starts(word: &[u8], beginning: &[u8]) -> bool {
    let head = if beginning.len() <= 4 { Some(word) } else { word.get(..beginning.len()) };
    head.is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}
