//! Text as a reader would see it, with a map back: for detection only, never for output.

use std::ops::Range;

use crate::scan::context::REACH;
use crate::scan::segment::Segment;

/// A normalised segment, after the same context as the original has.
pub(crate) struct View {
    text: Vec<u8>,
    /// Offset in the original where each byte of `text` comes from, and the end of its source.
    sources: Vec<(usize, usize)>,
    start: usize,
}

impl View {
    /// The context, then the segment.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Where the segment begins in [`Self::text`].
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// The original bytes behind a span of the view.
    pub(crate) fn original(&self, span: &Range<usize>) -> Range<usize> {
        let first = self.sources.get(span.start).map_or(0, |source| source.0);
        let last = span.end.checked_sub(1).and_then(|at| self.sources.get(at));
        first..last.map_or(first, |source| source.1).max(first)
    }

    fn after(segment: &Segment<'_>) -> Self {
        let context = segment.left_of(segment.start(), REACH);
        let sources = vec![(segment.start(), segment.start()); context.len()];
        Self { text: context.to_vec(), sources, start: context.len() }
    }

    fn push(&mut self, character: char, from: usize, to: usize) {
        let mut buffer = [0; 4];
        for byte in character.encode_utf8(&mut buffer).bytes() {
            self.text.push(byte);
            self.sources.push((from, to));
        }
    }
}

/// The normalised form of a segment; `None` when it says the same.
pub(crate) fn view(segment: &Segment<'_>) -> Option<View> {
    let text = std::str::from_utf8(segment.bytes()).ok()?;
    let mut view = View::after(segment);
    let mixed = mixes_scripts(text);
    let mut changed = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = segment.end() - rest.len();
        let (seen, length) = escape(rest).unwrap_or((Some(first), first.len_utf8()));
        let seen = seen.and_then(|character| plain(character, mixed));
        changed |= seen != Some(first) || length != first.len_utf8();
        if let Some(character) = seen {
            view.push(character, at, at + length);
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    changed.then_some(view)
}

/// What a character looks like; `None` when it can't be seen.
#[inline(never)]
fn plain(character: char, mixed: bool) -> Option<char> {
    let code = u32::from(character);
    match character {
        '\0'..='\u{9F}' => Some(character),
        // Latin, Greek, Cyrillic, Hebrew, Arabic up to its digits: but for the first few, letters.
        '\u{AE}'..='\u{65F}' => Some(look_alike(character).filter(|_| mixed).unwrap_or(character)),
        '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => None,
        '\u{FEFF}' | '\u{00AD}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => None,
        '\u{E0020}'..='\u{E007E}' => char::from_u32(code - 0xE0000),
        '\u{E0000}'..='\u{E007F}' => None,
        '\u{00A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Some(' '),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(code - 0xFEE0),
        '\u{1D400}'..='\u{1D7FF}' => Some(mathematical(code).unwrap_or(character)),
        _ => Some(digit(code).unwrap_or(character)),
    }
}

/// Bold, double-struck and monospace digits and letters.
fn mathematical(code: u32) -> Option<char> {
    if code >= 0x1D7CE {
        return char::from_digit((code - 0x1D7CE) % 10, 10);
    }
    let place = (code - 0x1D400) % 52;
    let base = if place < 26 { u32::from('A') + place } else { u32::from('a') + place - 26 };
    (code < 0x1D6A4).then(|| char::from_u32(base)).flatten()
}

/// The value of a decimal digit of another script, by the zeros of Unicode's Nd blocks.
fn digit(code: u32) -> Option<char> {
    const ZEROS: [u32; 13] =
        [0x660, 0x6F0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66, 0xE50, 0xED0];
    let zero = ZEROS.iter().find(|zero| (**zero..**zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

/// Greek and Cyrillic letters that look like Latin ones.
fn look_alike(character: char) -> Option<char> {
    let place = u32::from(character).checked_sub(GREEK)?;
    let latin = LATIN.get(usize::try_from(place).ok()?)?;
    (*latin != 0).then(|| char::from(*latin))
}

/// The first letter of Greek, and how many characters there are from it to the last of Cyrillic.
const GREEK: u32 = 0x370;
const LETTERS: usize = 0x530 - 0x370;

/// The Latin letter that each looks like, zero for none.
#[expect(clippy::indexing_slicing, reason = "a constant: a wrong index would not compile")]
static LATIN: [u8; LETTERS] = {
    const PAIRS: &[u8] = "аaеeоoрpсcуyхxіiјjѕsԁdһhӏlԛqԝwАAВBЕEКKМMНHОOРPСCТTУYХXІIЈJЅSοoαaνvρpιiκkΑAΒBΕEΖZΗHΙIΚKΜMΝNΟOΡPΤTΥYΧX".as_bytes();
    let mut table = [0; LETTERS];
    let mut at = 0;
    while at < PAIRS.len() {
        // Two bytes of UTF-8, then one.
        let letter = (PAIRS[at] as usize & 0x1F) << 6 | PAIRS[at + 1] as usize & 0x3F;
        table[letter - GREEK as usize] = PAIRS[at + 2];
        at += 3;
    }
    table
};

/// Prose as a reader would see it, without a map back; `foreign` where Greek and Cyrillic letters
/// stand for themselves.
pub(crate) fn prose(text: &[u8], foreign: bool) -> String {
    // What is left of a character that was cut says nothing.
    let cut = text.iter().take_while(|b| **b & 0xC0 == 0x80).count();
    let text = text.get(cut..).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let mut seen = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        // Most of it, and nothing of that looks like anything else.
        let ascii = rest.bytes().position(|b| !b.is_ascii()).unwrap_or(rest.len());
        let (head, tail) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
        seen.push_str(head);
        let mut characters = tail.chars();
        let Some(character) = characters.next() else { return seen };
        seen.extend(plain(character, !foreign));
        rest = characters.as_str();
    }
}

fn mixes_scripts(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphanumeric()) && text.chars().any(|c| look_alike(c).is_some())
}

/// The character that an escape at the start of `rest` stands for, and the escape's length.
fn escape(rest: &str) -> Option<(Option<char>, usize)> {
    let bytes = rest.as_bytes();
    let number = |from: usize, radix: u32, most: usize| {
        let digits = bytes.iter().skip(from).take(most);
        let count = digits.take_while(|b| char::from(**b).is_digit(radix)).count();
        let value = u32::from_str_radix(rest.get(from..from + count)?, radix).ok()?;
        Some((value, from + count))
    };
    let (value, end) = match bytes {
        [b'&', b'#', b'x' | b'X', ..] => number(3, 16, 6)?,
        [b'&', b'#', ..] => number(2, 10, 7)?,
        [b'\\', b'u', ..] => number(2, 16, 4).filter(|(_, end)| *end == 6)?,
        [b'\\', b'x', ..] => number(2, 16, 2).filter(|(_, end)| *end == 4)?,
        // Beyond ASCII a percent escape is one byte of several.
        [b'%', ..] => number(1, 16, 2).filter(|(value, end)| *value < 0x80 && *end == 3)?,
        _ => return None,
    };
    let end = end + usize::from(bytes.first() == Some(&b'&') && bytes.get(end) == Some(&b';'));
    Some((char::from_u32(value).filter(|c| !c.is_control() || *c == '\n'), end))
}
