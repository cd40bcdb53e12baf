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
    /// The rest of the text of the event before, which was cut.
    pub(super) lead: String,
    /// What may pass in its place and was not sent, if not the whole text as it came.
    pub(super) text: String,
    /// Whether that is text as it came in.
    pub(super) exact: bool,
    /// Whether all of it may pass.
    pub(super) done: bool,
}

impl Part {
    /// The text in its place.
    fn to_send(&self, raw: &[u8], cut: bool) -> String {
        let mut text = self.lead.clone();
        match self.exact && self.done && !cut {
            // As it came, which was not worth a copy.
            true => {
                let own = raw.get(self.place.clone()).and_then(Plain::of);
                text.push_str(own.as_ref().map(Plain::text).unwrap_or_default());
            }
            false => text.push_str(&self.text),
        }
        text
    }

    /// Bytes that may pass and were not sent.
    pub(super) fn ready(&self) -> usize {
        self.lead.len() + self.text.len()
    }
}

/// One event.
pub(crate) struct Entry {
    /// Its bytes; empty while it is the event at hand.
    pub(super) raw: Vec<u8>,
    /// Bytes between it and the next event.
    pub(super) after: Vec<u8>,
    /// Where its only line of data is; empty if it is not divisible.
    pub(super) data: Range<usize>,
    /// Changes that do not depend on texts that go on.
    pub(super) edits: Vec<Edit>,
    /// Log probabilities.
    pub(super) logprobs: Vec<Range<usize>>,
    pub(super) first: Option<Part>,
    pub(super) more: Vec<Part>,
    pub(super) choices: Choices,
    /// The beginning of its text was sent.
    pub(super) cut: bool,
}

impl Entry {
    /// An event with nothing to change but texts that go on.
    pub(crate) fn new(choices: Choices) -> Self {
        Self {
            raw: Vec::new(),
            after: Vec::new(),
            data: 0..0,
            edits: Vec::new(),
            logprobs: Vec::new(),
            first: None,
            more: Vec::new(),
            choices,
            cut: false,
        }
    }

    /// The same for an event that may be sent in two, if it has one line of data and its name.
    pub(crate) fn divisible(mut self, event: Event<'_>) -> Self {
        let mut data = event.lines.iter().filter(|line| line.field == Field::Data);
        let others = event.lines.iter().all(|l| matches!(l.field, Field::Data | Field::Event));
        if let (Some(line), None, true, true) = (data.next(), data.next(), others, event.complete) {
            self.data = line.value.clone();
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
        self.edits = in_event(&frame, edits);
        self.logprobs = logprobs.map(|span| frame.raw_span(&span)).collect();
        if !(self.edits.is_empty() && self.logprobs.is_empty()) {
            self.data = 0..0;
        }
        self
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.first.iter().chain(&self.more)
    }

    pub(super) fn part(&mut self, place: usize) -> Option<&mut Part> {
        match place.checked_sub(1) {
            None => self.first.as_mut(),
            Some(place) => self.more.get_mut(place),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.parts().all(|part| part.done)
    }

    /// Writes the event. If `raw` is what came, and nothing was replaced, as it came.
    pub(super) fn write(&self, raw: &[u8], redacted: &[Scope], rest: &[Edit], out: &mut Vec<u8>) {
        let stale = |part: &Part| redacted.contains(&part.scope);
        let bare = !self.logprobs.is_empty()
            && match self.first {
                Some(_) => !self.edits.is_empty() || self.parts().any(stale),
                None => !self.edits.is_empty() || !redacted.is_empty(),
            };
        let as_it_came = |part: &Part| part.exact && part.done && !self.cut && part.lead.is_empty();
        if !bare && self.edits.is_empty() && rest.is_empty() && self.parts().all(as_it_came) {
            out.extend_from_slice(raw);
            return;
        }
        let mut edits = self.edits.clone();
        edits.extend_from_slice(rest);
        for part in self.parts().filter(|part| !as_it_came(part)) {
            let replacement = escaped(&part.to_send(raw, self.cut));
            edits.push(Edit { span: part.place.clone(), replacement });
        }
        if bare {
            edits.extend(self.logprobs.iter().map(|span| without(raw, span)));
        }
        write_edited(raw, &edits, out);
    }

    /// What the event with the rest of a text leaves out.
    pub(super) fn left_out(&self, raw: &[u8]) -> Vec<Edit> {
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
