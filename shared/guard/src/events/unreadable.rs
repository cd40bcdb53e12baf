//! Events whose data cannot be read as they came.

use weir_detect::OnTrouble;
use weir_wire::WireError;
use weir_wire::content::{Choices, Ended, EventTexts};
use weir_wire::sse::{Event, Field, Line, SseParser};

use super::Events;
use crate::framing::Framing;
use crate::report::Trouble;

impl Events {
    /// Data that is no JSON, for that reason.
    pub(super) fn odd(
        &mut self,
        event: Event<'_>,
        (data, error): (&[u8], &WireError),
        out: &mut Vec<u8>,
    ) {
        if matches!(error, WireError::LoneSurrogate { .. }) {
            let whole = self.halves.join(event.raw);
            // What stays as it is would be read again for ever.
            if whole != event.raw {
                return self.read_again(&whole, event.complete, out);
            }
        }
        match !event.complete && is_cut(data, error) {
            true => self.cut(event, out),
            false => self.unreadable(event, data, out),
        }
    }

    /// Goes on with the bytes of an event that were edited.
    pub(super) fn read_again(&mut self, raw: &[u8], complete: bool, out: &mut Vec<u8>) {
        if self.framing != Framing::Events {
            let lines = [Line { field: Field::Data, value: 0..raw.len() }];
            return self.dispatched(Event { offset: 0, raw, lines: &lines, complete }, false, out);
        }
        let mut parser = SseParser::new(usize::MAX);
        let mut dispatch = |event: Event<'_>| self.dispatched(event, false, out);
        // Without a limit nothing is too long.
        let _ = parser.feed(raw, &mut dispatch);
        parser.finish(&mut dispatch);
    }

    /// An event in the middle of which the stream has ended. Clients drop it, and so does this, unless the policy lets
    /// pass what cannot be read: a replica that has died is no violation.
    fn cut(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        let treatment = Trouble::NotJson.treatment(&self.watch.policy);
        if treatment != OnTrouble::Block {
            self.trouble(Trouble::NotJson, treatment, out);
            return self.pass(event, Choices::All, out);
        }
        self.trouble(Trouble::NotJson, OnTrouble::Flag, out);
    }

    /// Data that is not JSON. Of an error it is a sentence. What else the policy lets pass is inspected as text, too.
    fn unreadable(&mut self, event: Event<'_>, data: &[u8], out: &mut Vec<u8>) {
        let is_error = event.kind() == Some(b"error");
        if !is_error {
            self.unscannable(Trouble::NotJson, out);
        }
        if is_error || !self.ended && std::str::from_utf8(data).is_ok() {
            self.end(&[Ended::All], &[], out);
            let inspected = (self.inspect_any)(&self.watch, data);
            self.report.merge(inspected.report);
            if inspected.refusal.is_some() {
                return self.refuse(out);
            }
            let texts = EventTexts { choices: Choices::All, ..EventTexts::default() };
            return self.texts(event, data, &texts, &inspected.edits, out);
        }
        self.pass(event, Choices::All, out);
    }
}

/// Whether data is the beginning of what could be read.
fn is_cut(data: &[u8], error: &WireError) -> bool {
    matches!(error, WireError::Truncated { .. }) || b"[DONE]".starts_with(data.trim_ascii())
}
