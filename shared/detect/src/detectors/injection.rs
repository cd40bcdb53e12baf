//! Scores phrases of prompt injection.
//!
//! A finding covers the phrase's last word only: in a stream the words before it have been
//! released by then, since prose is never held back, and a whole text must give the same result.

use std::borrow::Cow;
use std::ops::Range;

use super::spelled;
use crate::normalise;
use crate::pass::Pass;
use crate::phrases::signatures::Signature;
use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::position;
use crate::scan::segment::Segment;

/// How far before its tail the other words of a phrase may stand, in bytes.
const REACH: usize = 160;
/// How many words apart the parts of a phrase may stand.
const GAP: usize = 5;
/// How far before its tail the other words of a phrase without spaces may stand, in bytes.
const SENTENCE: usize = 60;

/// Every phrase that ends in the segment.
#[inline(never)]
pub(crate) fn find(pass: &mut Pass<'_>, segment: &Segment<'_>) {
    let mut words = Default::default();
    for at in segment.range() {
        for (signature, end) in pass.scanner.phrases().matches(segment.text(), at) {
            let span = end.saturating_sub(signature.tail.len()).max(segment.start())..end;
            if !bounded(segment, &span) {
                continue;
            }
            if signature.rule == BuiltIn::SpelledDigits {
                pass.out.extend(spelled::judge(segment, span));
            } else if preceded(segment, end, signature, &mut words) {
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
fn preceded<'t>(
    segment: &Segment<'t>,
    end: usize,
    signature: &Signature,
    words: &mut [WordsBefore<'t>; 2],
) -> bool {
    let start = end.saturating_sub(signature.tail.len());
    let left = segment.left_of(start, REACH);
    if signature.tail.bytes().all(|byte| (0xE3..=0xED).contains(&byte) || byte & 0xC0 == 0x80) {
        return contains(left, signature.before);
    }
    // English words end at a curly quote; those of other languages have letters beyond ASCII.
    let beyond = |word: &&str| !word.is_ascii();
    let foreign = !left.is_ascii() && signature.before.iter().any(|set| set.iter().any(beyond));
    let [plain, own] = words;
    let words = if foreign { own } else { plain };
    words.begin(start, left, foreign);
    let mut from = 0;
    signature.before.iter().all(|set| {
        let found = words.find(set, from);
        from += found.map_or(0, |place| place + 1);
        found.is_some()
    })
}

/// The words before a place: many signatures end in the same word. Read one after another,
/// because most signatures are told by the nearest few.
#[derive(Default)]
struct WordsBefore<'t> {
    /// Which place.
    of: Option<usize>,
    text: Cow<'t, [u8]>,
    /// With the letters of other languages.
    foreign: bool,
    /// Where the part of `text` ends whose words were not read yet.
    unread: usize,
    /// The last word first.
    words: Vec<Range<usize>>,
}

impl<'t> WordsBefore<'t> {
    /// Begins with `left`, which ends at `at`, as a reader sees it; `foreign` with the letters of
    /// other languages.
    fn begin(&mut self, at: usize, left: &'t [u8], foreign: bool) {
        if self.of.replace(at) == Some(at) {
            return;
        }
        self.text = if left.is_ascii() {
            Cow::Borrowed(left)
        } else {
            Cow::Owned(normalise::prose(left, foreign).into_bytes())
        };
        (self.foreign, self.unread) = (foreign, self.text.len());
        self.words.clear();
    }

    /// Reads words until there are `many`, if there are.
    fn read(&mut self, many: usize) {
        let letter = |b: &u8| b.is_ascii_alphanumeric() || self.foreign && *b >= 0x80;
        while self.words.len() < many {
            let text = self.text.get(..self.unread).unwrap_or_default();
            let Some(last) = text.iter().rposition(letter) else { return };
            let word = text.get(..=last).unwrap_or_default();
            let start = word.iter().rposition(|b| !letter(b)).map_or(0, |place| place + 1);
            self.words.push(start..last + 1);
            self.unread = start;
        }
    }

    /// Which of the next words after `from`, backwards, is the first to fit one of `set`.
    fn find(&mut self, set: &[&str], from: usize) -> Option<usize> {
        self.read(from + GAP);
        let next = self.words.get(from..).unwrap_or_default();
        let next = next.get(..GAP).unwrap_or(next);
        let words = || next.iter().map(|word| self.text.get(word.clone()).unwrap_or_default());
        // Few words of the set begin with the letter of any of these.
        let letter = |word: &[u8]| 1_u32 << (word.first().copied().unwrap_or(0) & 31);
        let letters = words().fold(0, |letters, word| letters | letter(word));
        let known = set.iter().map(|beginning| beginning.as_bytes());
        let likely = known.filter(|beginning| letters & letter(beginning) != 0);
        likely.filter_map(|beginning| words().position(|word| starts(word, beginning))).min()
    }
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
