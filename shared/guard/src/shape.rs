//! Events that are alike but for one text, as nearly all of a stream are.
//!
//! Reading an event's JSON costs more than inspecting the word that it brings. Where the bytes
//! before and after the text are those of the event before, so is everything that could be read.

use std::ops::Range;

use weir_wire::content::{Delta, Plain};
use weir_wire::same;
use weir_wire::sse::{Event, Field};

use crate::envelope::Frame;

/// The bytes of an event around its text.
pub(crate) struct Shape {
    raw: Vec<u8>,
    text: Range<usize>,
    delta: Delta,
}

impl Shape {
    /// The shape of an event with one text; `None` if its data is in several lines.
    pub(crate) fn of(event: Event<'_>, delta: &Delta) -> Option<Self> {
        let data = event.lines.iter().filter(|line| line.field == Field::Data).count();
        let text = Frame::new(event).raw_span(&delta.span);
        (data == 1 && event.complete).then(|| Self {
            raw: event.raw.to_vec(),
            text,
            delta: delta.clone(),
        })
    }

    /// What the text is.
    pub(crate) fn delta(&self) -> Delta {
        self.delta.clone()
    }

    /// Where the text is in an event that is alike but for it.
    ///
    /// A quote, a control character or a last backslash in it could mean that it ends elsewhere:
    /// such an event is read as a whole.
    pub(crate) fn text(&self, event: Event<'_>) -> Option<Range<usize>> {
        let before = self.raw.get(..self.text.start)?;
        let after = self.raw.get(self.text.end..)?;
        let (head, rest) = event.raw.split_at_checked(before.len())?;
        let (text, tail) = rest.split_at_checked(rest.len().checked_sub(after.len())?)?;
        let alike = event.complete && same(head, before) && same(tail, after);
        let odd = |byte: &u8| *byte < 0x20 || *byte == b'"';
        if !alike || text.last() == Some(&b'\\') || text.iter().any(odd) {
            return None;
        }
        Plain::of(text)?;
        Some(before.len()..before.len() + text.len())
    }
}
