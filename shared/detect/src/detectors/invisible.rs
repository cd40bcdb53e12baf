//! Text that a model reads and a person does not see.

use std::ops::Range;

use crate::rule::BuiltIn;
use crate::scan::Candidate;
use crate::scan::segment::Segment;

/// Classes of invisible characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Tag,
    Variation,
    ZeroWidth,
    Bidi,
}

/// Every suspicious run of invisible characters in the segment.
pub(crate) fn find(segment: &Segment<'_>, out: &mut Vec<Candidate>) {
    let Ok(text) = std::str::from_utf8(segment.bytes()) else { return };
    let mut open: Option<(Class, Range<usize>, usize, char)> = None;
    let mut before = ' ';
    for (place, character) in text.char_indices() {
        let at = segment.start() + place;
        let end = at + character.len_utf8();
        let class = class(character);
        match (&mut open, class) {
            (Some((kind, span, count, _)), Some(class)) if *kind == class => {
                span.end = end;
                *count += 1;
            }
            _ => {
                close(open.take(), character, out);
                open = class.map(|class| (class, at..end, 1, before));
            }
        }
        if class.is_none() {
            before = character;
        }
    }
    close(open, ' ', out);
}

fn class(character: char) -> Option<Class> {
    match character {
        '\u{E0000}'..='\u{E007F}' => Some(Class::Tag),
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => Some(Class::Variation),
        '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}' => {
            Some(Class::ZeroWidth)
        }
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Some(Class::Bidi),
        _ => None,
    }
}

/// Judges a finished run by what stands on both sides of it.
fn close(run: Option<(Class, Range<usize>, usize, char)>, after: char, out: &mut Vec<Candidate>) {
    let Some((class, span, count, before)) = run else { return };
    let latin = |c: char| c.is_ascii_alphanumeric();
    let found = match class {
        // Flags of England, Scotland and Wales are tags after a black flag.
        Class::Tag if before != '\u{1F3F4}' => Some((BuiltIn::InvisibleTags, 0.95)),
        Class::Variation if count >= 2 => Some((BuiltIn::InvisibleVariations, 0.8)),
        // Joiners are ordinary in emoji and in Indic and Arabic script; between Latin letters or
        // digits they only break words up.
        Class::ZeroWidth if count >= 3 => Some((BuiltIn::InvisibleZeroWidth, 0.7)),
        Class::ZeroWidth if latin(before) && latin(after) => {
            Some((BuiltIn::InvisibleZeroWidth, 0.5))
        }
        Class::Bidi if latin(before) || latin(after) => Some((BuiltIn::InvisibleBidi, 0.5)),
        _ => None,
    };
    if let Some((rule, confidence)) = found {
        out.push(Candidate::new(span, rule, confidence));
    }
}
