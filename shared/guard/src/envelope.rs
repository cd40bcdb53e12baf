//! The bytes of an event, and changes to them.

use std::ops::Range;

use weir_wire::edit::{self, Edit};
use weir_wire::sse::{Event, Field};

/// The bytes of an event, and the way from its data to them.
///
/// Of data in several lines each is found in its own; no string of JSON goes over a line's end.
pub(crate) struct Frame<'e> {
    event: Event<'e>,
}

impl<'e> Frame<'e> {
    pub(crate) fn new(event: Event<'e>) -> Self {
        Self { event }
    }

    /// Where a span of the data is in the event's bytes.
    pub(crate) fn raw_span(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.raw(span.start, false);
        start..self.raw(span.end, true).max(start)
    }

    /// `end` says that the offset ends a span: at the border of two lines it belongs to the first.
    fn raw(&self, offset: usize, end: bool) -> usize {
        let mut before = 0;
        let mut last = 0;
        for line in self.event.lines.iter().filter(|line| line.field == Field::Data) {
            let len = line.value.len();
            let within = offset.saturating_sub(before);
            if within < len || (within == len && end) || (len == 0 && within == 0) {
                return line.value.start + within;
            }
            last = line.value.end;
            // The line feed that joins the lines.
            before += len + 1;
        }
        last
    }
}

/// Edits of an event's data as edits of its bytes.
pub(crate) fn in_event(frame: &Frame<'_>, edits: &[Edit]) -> Vec<Edit> {
    let moved = |edit: &Edit| Edit {
        span: frame.raw_span(&edit.span),
        replacement: edit.replacement.clone(),
    };
    edits.iter().map(moved).collect()
}

/// Writes `raw` with `edits` made. Edits that contradict each other leave nothing of it: better
/// an event too few than a value too many.
pub(crate) fn write_edited(raw: &[u8], edits: &[Edit], out: &mut Vec<u8>) {
    if let Ok(edited) = edit::apply(raw, edits) {
        out.extend_from_slice(&edited);
    }
}
