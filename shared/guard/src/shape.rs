//! Events that are alike but for one text, as nearly all of a stream are.
//!
//! Reading an event's JSON costs more than inspecting the word that it brings. Where the bytes
//! around the text, and around values that mean nothing to it (the response's id), are those of an event
//! that was read, so is everything that could be read.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use weir_wire::content::{Choices, Delta, Ended, EventTexts, Kind, Plain};
use weir_wire::same;
use weir_wire::sse::{Event, Field};
use wide::i8x16;

use crate::envelope::Frame;

/// Shapes that are kept, those used last: a stream of one API and model has about five.
const MAX_SHAPES: usize = 16;
/// Longest of them, in bytes.
const MAX_SHAPE_BYTES: usize = 2048;

/// The bytes of an event without what may differ.
pub(crate) struct Shape {
    literals: Vec<u8>,
    /// In order: where in `literals` something is left out, and what.
    holes: Vec<(usize, Fill)>,
    /// The text, if the event brings one.
    pub(crate) delta: Option<Delta>,
    /// What the event ends.
    pub(crate) ended: Vec<Ended>,
    /// What the event is about.
    pub(crate) choices: Choices,
    /// Whether the event may be sent in two.
    pub(crate) divisible: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fill {
    /// The text.
    Text,
    /// A string that says nothing.
    String,
    /// A number that says nothing.
    Number,
}

impl Shape {
    /// The shape of an event with at most one text; `None` if its data is in several lines.
    fn of(event: Event<'_>, texts: &EventTexts) -> Option<Self> {
        let data = event.lines.iter().filter(|line| line.field == Field::Data).count();
        let (1, true, [] | [_]) = (data, event.complete, &texts.deltas[..]) else { return None };
        let delta = texts.deltas.first().cloned();
        let fill = |kind: &Kind| if *kind == Kind::Number { Fill::Number } else { Fill::String };
        let mut left_out: Vec<_> =
            texts.loose.iter().map(|(span, kind)| (span.clone(), fill(kind))).collect();
        if let Some(delta) = &delta {
            let place = left_out.partition_point(|(span, _)| span.start < delta.span.start);
            left_out.insert(place, (delta.span.clone(), Fill::Text));
        }
        let frame = Frame::new(event);
        let (mut literals, mut holes, mut at) = (Vec::new(), Vec::new(), 0);
        for (span, fill) in left_out {
            let span = frame.raw_span(&span);
            literals.extend_from_slice(event.raw.get(at..span.start)?);
            holes.push((literals.len(), fill));
            at = span.end;
        }
        literals.extend_from_slice(event.raw.get(at..)?);
        let (choices, divisible) = (texts.choices, texts.divisible);
        Some(Self { literals, holes, delta, ended: texts.ended.clone(), choices, divisible })
    }

    /// Where the text is in an event of this shape, if there is one; `None` if it is of another.
    ///
    /// A quote, a control character or a last backslash in the text could mean that it ends
    /// elsewhere: such an event is read as a whole.
    fn fits(&self, event: Event<'_>) -> Option<Range<usize>> {
        let raw = event.raw;
        if !event.complete || raw.len() < self.literals.len() {
            return None;
        }
        let (mut text, mut known, mut at) = (0..0, 0, 0);
        for (place, fill) in &self.holes {
            let literal = self.literals.get(known..*place)?;
            let (head, rest) = raw.get(at..)?.split_at_checked(literal.len())?;
            if !same(head, literal) {
                return None;
            }
            let start = at + literal.len();
            at = start + fill.len(rest)?;
            known = *place;
            if *fill == Fill::Text {
                text = start..at;
            }
        }
        same(raw.get(at..)?, self.literals.get(known..)?).then_some(text)
    }
}

impl Fill {
    /// How much of `rest` it is; `None` where that is not certain at once.
    fn len(self, rest: &[u8]) -> Option<usize> {
        if self == Self::Number {
            let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            return (len == 1 || len > 1 && rest.first() != Some(&b'0')).then_some(len);
        }
        // An identifier has no space, and is no address.
        let (least, mark) = if self == Self::String { (b'!', b'@') } else { (b' ', b'"') };
        let plain = plain_len(rest, least, mark);
        match rest.get(plain)? {
            b'"' => Some(plain),
            _ if self == Self::Text => escaped_len(rest),
            _ => None,
        }
    }
}

/// Length of the ASCII text without quotes, escapes, `mark` and characters before `least` that `rest` begins with.
fn plain_len(rest: &[u8], least: u8, mark: u8) -> usize {
    let (blocks, _) = rest.as_chunks::<16>();
    let mut at = 0;
    for block in blocks {
        let bytes = i8x16::new(block.map(|byte| byte as i8));
        let is = |byte: u8| bytes.simd_eq(i8x16::splat(byte as i8));
        // Signed: what is not ASCII is below everything.
        let odd = bytes.simd_lt(i8x16::splat(least as i8)) | is(b'"') | is(b'\\') | is(mark);
        let found = odd.to_bitmask();
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += block.len();
    }
    let odd =
        |byte: &u8| !(least..0x80).contains(byte) || matches!(byte, b'"' | b'\\') || *byte == mark;
    let last = rest.get(at..).unwrap_or_default();
    at + last.iter().position(odd).unwrap_or(last.len())
}

/// Length of a text with escapes or other characters than ASCII.
fn escaped_len(rest: &[u8]) -> Option<usize> {
    let len = rest.iter().position(|byte| *byte < 0x20 || *byte == b'"')?;
    let text = rest.get(..len).filter(|text| text.last() != Some(&b'\\'))?;
    Plain::of(text).map(|_| len)
}

/// Shapes of events of all streams that share them; clones are the same place. They are of events
/// in which no text stands but the one that goes on, so that no policy has a say, and hold nothing of
/// that text.
#[derive(Clone, Default)]
pub struct Shapes(Rc<RefCell<Vec<Rc<Shape>>>>);

impl Shapes {
    fn find(&self, event: Event<'_>) -> Option<(Rc<Shape>, Range<usize>)> {
        let mut shapes = self.0.borrow_mut();
        let fits = |(place, shape): (usize, &Rc<Shape>)| Some((place, shape.fits(event)?));
        let (place, text) = shapes.iter().enumerate().find_map(fits)?;
        let newer = shapes.get_mut(..=place)?;
        newer.rotate_right(1);
        Some((newer.first()?.clone(), text))
    }

    fn add(&self, shape: Rc<Shape>) {
        let mut shapes = self.0.borrow_mut();
        shapes.truncate(MAX_SHAPES - 1);
        shapes.insert(0, shape);
    }
}

impl std::fmt::Debug for Shapes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shapes").finish_non_exhaustive()
    }
}

/// The shapes that one stream knows.
pub(crate) struct StreamShapes {
    /// That of the last event.
    last: Option<Rc<Shape>>,
    shared: Shapes,
}

impl StreamShapes {
    pub(crate) fn new(shared: Shapes) -> Self {
        Self { last: None, shared }
    }

    /// The shape of an event, and where its text is.
    pub(crate) fn find(&mut self, event: Event<'_>) -> Option<(Rc<Shape>, Range<usize>)> {
        let last = self.last.as_ref();
        if let Some(found) = last.and_then(|last| Some((last.clone(), last.fits(event)?))) {
            return Some(found);
        }
        let found = self.shared.find(event)?;
        self.last = Some(found.0.clone());
        Some(found)
    }

    /// Keeps the shape of an event of which nothing but one text is worth inspecting.
    pub(crate) fn add(&mut self, event: Event<'_>, texts: &EventTexts) {
        let Some(shape) = Shape::of(event, texts).map(Rc::new) else { return };
        if texts.whole.fields.is_empty() && event.raw.len() <= MAX_SHAPE_BYTES {
            self.shared.add(shape.clone());
        }
        self.last = Some(shape);
    }
}
