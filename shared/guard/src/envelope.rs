//! An event that waits until its text may pass.

use std::ops::Range;
use std::sync::Arc;

use weir_wire::edit::{self, Edit};
use weir_wire::sse::{Event, Field};

use crate::inspector::{escaped, without};

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

/// An event of which one text may be written anew.
pub(crate) struct Envelope {
    raw: Vec<u8>,
    /// Changes that do not depend on the text that goes on.
    edits: Vec<Edit>,
    /// Log probabilities.
    logprobs: Vec<Range<usize>>,
    /// The text that goes on, between its quotes.
    text: Range<usize>,
    /// Offsets of that text in the whole of its channel.
    pub(crate) span: Range<usize>,
    /// The event instead of `raw` and `edits`, where it has several texts.
    several: Option<Arc<Several>>,
}

/// An event with several texts that go on, of which a copy for each text may be needed.
pub(crate) struct Several {
    raw: Vec<u8>,
    edits: Vec<Edit>,
    texts: Vec<Range<usize>>,
}

impl Several {
    /// `edits` and `texts` are given in the event's data.
    pub(crate) fn new(
        event: Event<'_>,
        edits: &[Edit],
        texts: impl Iterator<Item = Range<usize>>,
    ) -> Arc<Self> {
        let frame = Frame::new(event);
        let texts = texts.map(|span| frame.raw_span(&span)).collect();
        Arc::new(Self { raw: event.raw.to_vec(), edits: in_event(&frame, edits), texts })
    }

    /// Writes the event with `text` in place of its own at `span`, and the others empty.
    fn write(&self, span: &Range<usize>, text: &str, out: &mut Vec<u8>) {
        let replaced = |span: &Range<usize>, replacement| Edit { span: span.clone(), replacement };
        let others = self.texts.iter().filter(|other| *other != span);
        let mut edits = self.edits.clone();
        edits.extend(others.map(|other| replaced(other, Vec::new())));
        edits.push(replaced(span, escaped(text)));
        write_edited(&self.raw, &edits, out);
    }
}

impl Envelope {
    /// An event with the texts that come whole edited already. `text`, `edits` and `logprobs` are
    /// given in the event's data.
    pub(crate) fn new(
        event: Event<'_>,
        text: &Range<usize>,
        edits: &[Edit],
        logprobs: impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let frame = Frame::new(event);
        Self {
            raw: event.raw.to_vec(),
            edits: in_event(&frame, edits),
            logprobs: logprobs.map(|span| frame.raw_span(&span)).collect(),
            text: frame.raw_span(text),
            span: 0..0,
            several: None,
        }
    }

    /// A copy of an event for the text at this place among its texts; `None` if there is none.
    pub(crate) fn of_several(several: &Arc<Several>, place: usize) -> Option<Self> {
        let text = several.texts.get(place)?.clone();
        Some(Self { several: Some(several.clone()), ..Self::of_text(&[], text) })
    }

    /// An event with nothing to change but its text, at `text` in its bytes.
    pub(crate) fn of_text(raw: &[u8], text: Range<usize>) -> Self {
        let (edits, logprobs) = (Vec::new(), Vec::new());
        Self { raw: raw.to_vec(), edits, logprobs, text, span: 0..0, several: None }
    }

    /// Bytes of the event that are kept, and may have to be written. For a copy, too: in the end a
    /// copy may go out for each of the texts.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.several.as_ref().map_or(&self.raw, |several| &several.raw).len()
    }

    /// Adds the second half of the line end that the event ends with.
    pub(crate) fn line_feed(&mut self) {
        self.raw.push(b'\n');
    }

    /// Whether it repeats its text token by token, so that it cannot go before all of it may.
    pub(crate) fn is_indivisible(&self) -> bool {
        !self.logprobs.is_empty()
    }

    /// Writes the event; with `text` in place of its own, and without log probabilities if asked.
    pub(crate) fn write(&self, text: Option<&str>, bare: bool, out: &mut Vec<u8>) {
        if let Some(several) = &self.several {
            return several.write(&self.text, text.unwrap_or_default(), out);
        }
        if text.is_none() && self.edits.is_empty() && !(bare && self.is_indivisible()) {
            out.extend_from_slice(&self.raw);
            return;
        }
        let mut edits = self.edits.clone();
        if let Some(text) = text {
            edits.push(Edit { span: self.text.clone(), replacement: escaped(text) });
        }
        if bare {
            edits.extend(self.logprobs.iter().map(|span| without(&self.raw, span)));
        }
        write_edited(&self.raw, &edits, out);
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
