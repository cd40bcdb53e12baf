//! One event, and the texts of it that go on.

use std::ops::Range;

use weir_wire::content::{Channel, Choices, EventTexts, Plain, Scope, Tape};
use weir_wire::edit::Edit;
use weir_wire::sse::{Event, Field};

use crate::envelope::{Frame, in_event, write_edited};
use crate::inspector::{escaped, without};

/// A text of an event that goes on.
pub(super) struct Part {
    pub(super) channel: Channel,
    pub(super) scope: Scope,
    /// Between its quotes, in the event's bytes.
    pub(super) place: Range<usize>,
    /// Offsets of the text in the whole of its channel.
    pub(super) span: Range<usize>,
    /// What may pass in its place and was not sent, if not the whole text as it came.
    pub(super) text: String,
    /// Whether that is text as it came in.
    pub(super) exact: bool,
    /// Whether all of it may pass.
    pub(super) done: bool,
}

/// One event. Nearly all have nothing but a text, and are moved more often than looked at, so what few have lies
/// apart.
pub(crate) struct Entry {
    /// Its bytes; empty while it is the event at hand.
    pub(super) raw: Vec<u8>,
    /// Where its only line of data is; empty if it is not divisible.
    pub(super) data: Range<usize>,
    pub(super) first: Option<Part>,
    pub(super) choices: Choices,
    /// The beginning of its text was sent.
    pub(super) cut: bool,
    pub(super) extra: Option<Box<Extra>>,
}

/// What few events have.
#[derive(Default)]
pub(super) struct Extra {
    /// Bytes between it and the next event.
    pub(super) after: Vec<u8>,
    /// Changes that do not depend on texts that go on.
    edits: Vec<Edit>,
    /// Log probabilities.
    pub(super) logprobs: Vec<Range<usize>>,
    /// Texts after the first.
    pub(super) more: Vec<Part>,
    /// The rest of the text of the event before, which was cut.
    pub(super) lead: String,
}

impl Entry {
    /// An event with nothing to change but texts that go on.
    pub(crate) fn new(choices: Choices) -> Self {
        Self { raw: Vec::new(), data: 0..0, first: None, choices, cut: false, extra: None }
    }

    pub(super) fn extra(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }

    /// Whether it is to be written as it came, with nothing after it.
    pub(super) fn is_plain(&self) -> bool {
        let as_it_came = |part: &Part| part.exact && part.done;
        self.extra.is_none() && !self.cut && self.first.as_ref().is_none_or(as_it_came)
    }

    /// The same for an event that may be sent in two, if it has one line of data and its name.
    pub(crate) fn divisible(mut self, event: Event<'_>) -> Self {
        let data = match event.lines {
            [data] => data,
            [name, data] if name.field == Field::Event => data,
            _ => return self,
        };
        if data.field == Field::Data && event.complete {
            self.data = data.value.clone();
        }
        self
    }

    /// The same with changes and log probabilities, both given in the event's data.
    pub(crate) fn edited(
        mut self,
        event: Event<'_>,
        edits: &[Edit],
        logprobs: impl Iterator<Item = Range<usize>>,
    ) -> Self {
        let frame = Frame::new(event);
        let edits = in_event(&frame, edits);
        let logprobs: Vec<_> = logprobs.map(|span| frame.raw_span(&span)).collect();
        if !(edits.is_empty() && logprobs.is_empty()) {
            self.data = 0..0;
            self.extra = Some(Box::new(Extra { edits, logprobs, ..Extra::default() }));
        }
        self
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.first.iter().chain(self.extra.iter().flat_map(|extra| &extra.more))
    }

    pub(super) fn part(&mut self, place: usize) -> Option<&mut Part> {
        match place.checked_sub(1) {
            None => self.first.as_mut(),
            Some(place) => self.extra.as_mut()?.more.get_mut(place),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.parts().all(|part| part.done)
    }

    /// The text of the event before that this one has to carry.
    fn lead(&self) -> &str {
        self.extra.as_ref().map_or("", |extra| &extra.lead)
    }

    /// Bytes of its first text that may pass and were not sent.
    pub(super) fn ready(&self) -> usize {
        self.lead().len() + self.first.as_ref().map_or(0, |part| part.text.len())
    }

    /// Writes the event, whose bytes are `raw`. If nothing was replaced, as it came.
    pub(super) fn write(&self, raw: &[u8], redacted: &[Scope], out: &mut Vec<u8>) {
        if self.is_plain() {
            return out.extend_from_slice(raw);
        }
        let mut edits = if self.cut { self.left_out(raw) } else { Vec::new() };
        let extra = self.extra.as_deref();
        edits.extend(extra.into_iter().flat_map(|extra| extra.edits.iter().cloned()));
        let stale = |part: &Part| redacted.contains(&part.scope);
        let bare = extra.is_some_and(|extra| !extra.edits.is_empty())
            || self.first.is_none() && !redacted.is_empty()
            || self.parts().any(stale);
        for (place, part) in self.parts().enumerate() {
            let lead = if place == 0 { self.lead() } else { "" };
            let as_it_came = part.exact && part.done && !self.cut;
            if as_it_came && lead.is_empty() {
                continue;
            }
            // What passes as it came was not worth a copy.
            let own = raw.get(part.place.clone()).filter(|_| as_it_came).and_then(Plain::of);
            let text = own.as_ref().map_or(part.text.as_str(), Plain::text);
            let replacement = escaped(&[lead, text].concat());
            edits.push(Edit { span: part.place.clone(), replacement });
        }
        let logprobs = extra.map_or(&[][..], |extra| &extra.logprobs);
        if bare {
            edits.extend(logprobs.iter().map(|span| without(raw, span)));
        }
        write_edited(raw, &edits, out);
    }

    /// What the event with the rest of a text leaves out.
    fn left_out(&self, raw: &[u8]) -> Vec<Edit> {
        let json = raw.get(self.data.clone()).unwrap_or_default();
        let Ok(tape) = Tape::read(json) else { return Vec::new() };
        let moved = |span: Range<usize>| Edit {
            span: span.start + self.data.start..span.end + self.data.start,
            replacement: b"null".to_vec(),
        };
        let name = event_name(raw);
        let spans = EventTexts::remainder(&tape, json, name).unwrap_or_default();
        spans.into_iter().map(moved).collect()
    }
}

/// The name of an event, from its bytes.
fn event_name(raw: &[u8]) -> Option<&[u8]> {
    let lines = raw.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.filter_map(|line| line.strip_prefix(b"event:")).map(<[u8]>::trim_ascii).next_back()
}
