//! The events of a stream, in order, and the texts that go on through them.

use std::ops::Range;

use weir_detect::{OnTrouble, Pseudonyms};
use weir_wire::content::{Channel, Delta, Ended, EventTexts, Form, Plain, Scope, Tape, TextField};
use weir_wire::edit::Edit;
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Operation};
use weir_wire::sse::Event;

use crate::Watch;
use crate::arguments::Arguments;
use crate::body::{BodyInspector, Inspected, escaped, without};
use crate::channel::ChannelState;
use crate::ending;
use crate::envelope::{Envelope, Frame, in_event, write_edited};
use crate::report::{Report, Trouble};
use crate::run::Piece;
use crate::shape::Shape;

/// The events and the texts that go through them.
pub(crate) struct Events {
    watch: Watch,
    /// Names for values of the response; those of the request come first.
    names: Pseudonyms,
    dialect: Dialect,
    operation: Option<Operation>,
    channels: Vec<(Channel, ChannelState)>,
    /// The event before, if nothing but its text was worth inspecting.
    shape: Option<Shape>,
    /// Something was found in texts of the event that come whole.
    found_whole: bool,
    /// Scopes in which something was replaced.
    redacted: Vec<Scope>,
    report: Report,
    ended: bool,
}

impl Events {
    pub(crate) fn new(watch: Watch, dialect: Dialect, operation: Option<Operation>) -> Self {
        let names = watch.pseudonyms.as_ref().clone();
        Self {
            watch,
            names,
            dialect,
            operation,
            channels: Vec::new(),
            shape: None,
            found_whole: false,
            redacted: Vec::new(),
            report: Report::default(),
            ended: false,
        }
    }

    /// Whether the stream was ended here.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether events or text wait.
    pub(crate) fn is_waiting(&self) -> bool {
        self.channels.iter().any(|(_, state)| state.is_waiting())
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// What the policy does about something that cannot be inspected.
    pub(crate) fn unscannable(&mut self, trouble: Trouble, out: &mut Vec<u8>) {
        let treatment = self.watch.policy.on_unscannable;
        self.trouble(trouble, treatment, out);
    }

    /// Ends all texts.
    pub(crate) fn end_all(&mut self, out: &mut Vec<u8>) {
        self.end(&[Ended::All], &[], out);
    }

    pub(crate) fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let like = self.shape.as_ref().and_then(|shape| Some((shape.delta(), shape.text(event)?)));
        if let Some((delta, text)) = like {
            return self.again(event, &delta, text, out);
        }
        let Some(data) = event.data() else {
            // A comment, an id, a name without data: clients dispatch nothing for it.
            out.extend_from_slice(event.raw);
            return;
        };
        if data.trim_ascii() == b"[DONE]" {
            self.end_all(out);
            return self.pass(event, out);
        }
        let Ok(tape) = Tape::read(&data) else {
            return self.unreadable(event, out);
        };
        let texts = EventTexts::of(&tape, &data);
        if !texts.known {
            self.unscannable(Trouble::UnknownEvent, out);
        }
        // What is held back comes, and is counted, before an event that repeats it.
        let carried: Vec<Channel> = texts.deltas.iter().map(|delta| delta.channel).collect();
        self.end(&texts.ended, &carried, out);
        let edits = if self.ended { Vec::new() } else { self.whole(&texts, &data, out) };
        if !self.ended {
            self.texts(event, &data, &texts, edits, out);
        }
    }

    fn pass(&self, event: Event<'_>, out: &mut Vec<u8>) {
        if !self.ended {
            out.extend_from_slice(event.raw);
        }
    }

    /// Data that is not JSON.
    fn unreadable(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        self.unscannable(Trouble::NotJson, out);
        self.pass(event, out);
    }

    /// Inspects the texts that come whole; answers with the edits of the data.
    fn whole(&mut self, texts: &EventTexts, data: &[u8], out: &mut Vec<u8>) -> Vec<Edit> {
        let mut inspector = BodyInspector::of_event(&self.watch, &mut self.names, data);
        inspector.troubles(&texts.whole);
        let is_arguments = |field: &&TextField| field.form == Form::Arguments;
        for field in texts.whole.fields.iter().filter(|field| !is_arguments(field)) {
            inspector.field(field);
        }
        let Inspected { mut edits, mut report, refusal } = inspector.inspected;
        let mut refused = refusal.is_some();
        for field in texts.whole.fields.iter().filter(is_arguments) {
            let (edit, piece) = self.whole_arguments(field, data);
            report.add(&piece.applied);
            refused |= piece.blocked;
            edits.extend(edit);
        }
        self.found_whole = !report.is_empty();
        match texts.repeats {
            true => self.report.merge_repeated(report),
            false => self.report.merge(report),
        }
        if refused {
            self.refuse(out);
        }
        edits
    }

    /// Arguments that come whole, edited as they would be in pieces.
    fn whole_arguments(&mut self, field: &TextField, data: &[u8]) -> (Option<Edit>, Piece) {
        let mut piece = Piece::new();
        let raw = data.get(field.span.clone()).unwrap_or_default();
        let Some(plain) = Plain::of(raw) else { return (None, piece) };
        let mut arguments = Arguments::new();
        arguments.push(&self.watch, plain.text(), &mut self.names, &mut piece);
        if !piece.blocked {
            arguments.finish(&self.watch, &mut self.names, &mut piece);
        }
        let whole = 0..plain.text().len();
        let edit = (!piece.exact).then(|| plain.edit(field.span.start, &whole, &piece.text));
        (edit, piece)
    }

    /// Lets the texts that go on take what the event brings, and sends what may pass.
    fn texts(
        &mut self,
        event: Event<'_>,
        data: &[u8],
        texts: &EventTexts,
        edits: Vec<Edit>,
        out: &mut Vec<u8>,
    ) {
        let logprobs = || texts.whole.logprobs.iter().map(|logprobs| logprobs.value.clone());
        match &texts.deltas[..] {
            [] => {
                let mut edits = edits;
                if !(self.redacted.is_empty() && edits.is_empty()) {
                    edits.extend(logprobs().map(|span| without(data, &span)));
                }
                write_edited(event.raw, &in_event(&Frame::new(event), &edits), out);
            }
            [delta] => {
                let envelope = Envelope::new(event, &delta.span, &edits, logprobs());
                let raw = data.get(delta.span.clone()).unwrap_or_default();
                self.remember(event, delta, texts, &edits);
                self.alone(delta, raw, envelope, &texts.ended, out);
            }
            deltas => {
                let (mut edits, mut written) = (edits, Vec::new());
                edits.extend(logprobs().map(|span| without(data, &span)));
                for (place, delta) in deltas.iter().enumerate() {
                    let raw = data.get(delta.span.clone()).unwrap_or_default();
                    // What is held back at the very end goes with a copy that has only this text.
                    let mut own = edits.clone();
                    let others = deltas.iter().enumerate().filter(|(other, _)| *other != place);
                    own.extend(others.map(|(_, other)| blank(&other.span)));
                    let copy = Envelope::new(event, &delta.span, &own, std::iter::empty());
                    written.extend(self.together(delta, raw, copy, &texts.ended, out));
                }
                edits.extend(written);
                if !self.ended {
                    write_edited(event.raw, &in_event(&Frame::new(event), &edits), out);
                }
            }
        }
        self.channels.retain(|(channel, state)| !ends(&texts.ended, *channel, state.scope));
    }

    /// The one text of an event, which waits for it.
    fn alone(
        &mut self,
        delta: &Delta,
        raw: &[u8],
        envelope: Envelope,
        ended: &[Ended],
        out: &mut Vec<u8>,
    ) {
        let Some((index, piece, len)) = self.take(delta, raw, ended) else { return };
        let bare = self.redacted.contains(&delta.scope);
        let rest = match self.channels.get_mut(index) {
            Some((_, state)) => {
                state.wait(envelope, len);
                state.emit(&piece, bare, out)
            }
            None => String::new(),
        };
        self.after(index, &piece, &rest, out);
    }

    /// Keeps the shape of an event of which nothing but one text is worth inspecting.
    fn remember(&mut self, event: Event<'_>, delta: &Delta, texts: &EventTexts, edits: &[Edit]) {
        let plain = texts.known
            && texts.ended.is_empty()
            && texts.whole.logprobs.is_empty()
            && texts.whole.opaque.is_empty()
            && texts.whole.duplicate.is_none()
            && edits.is_empty()
            && !self.found_whole;
        self.shape = if plain { Shape::of(event, delta) } else { None };
    }

    /// An event like the one before, but for its text.
    fn again(&mut self, event: Event<'_>, delta: &Delta, text: Range<usize>, out: &mut Vec<u8>) {
        let raw = event.raw.get(text.clone()).unwrap_or_default();
        let envelope = Envelope::of_text(event.raw, text);
        self.alone(delta, raw, envelope, &[], out);
    }

    /// One of several texts of an event, which does not wait: answers with its edit.
    fn together(
        &mut self,
        delta: &Delta,
        raw: &[u8],
        copy: Envelope,
        ended: &[Ended],
        out: &mut Vec<u8>,
    ) -> Option<Edit> {
        let (index, piece, _) = self.take(delta, raw, ended)?;
        let bare = self.redacted.contains(&delta.scope);
        let (_, state) = self.channels.get_mut(index)?;
        let rest = state.emit(&piece, bare, out);
        state.keep(copy);
        self.after(index, &piece, "", out);
        Some(Edit { span: delta.span.clone(), replacement: escaped(&rest) })
    }

    /// Gives a text, as it stands between its quotes, to its channel; answers with the channel's place, what may pass, and the text's
    /// length.
    fn take(
        &mut self,
        delta: &Delta,
        raw: &[u8],
        ended: &[Ended],
    ) -> Option<(usize, Piece, usize)> {
        let plain = Plain::of(raw)?;
        let index = self.channel(delta);
        let (_, state) = self.channels.get_mut(index)?;
        let mut piece = Piece::new();
        state.push(&self.watch, plain.text(), &mut self.names, &mut piece);
        if ends(ended, delta.channel, delta.scope) && !piece.blocked {
            state.finish(&self.watch, &mut self.names, &mut piece);
        }
        self.note(index, &mut piece);
        Some((index, piece, plain.text().len()))
    }

    fn channel(&mut self, delta: &Delta) -> usize {
        let known = self.channels.iter().position(|(channel, _)| *channel == delta.channel);
        known.unwrap_or_else(|| {
            self.channels.push((delta.channel, ChannelState::new(&self.watch, delta)));
            self.channels.len() - 1
        })
    }

    /// Counts what was found in a text.
    fn note(&mut self, index: usize, piece: &mut Piece) {
        self.report.add(&piece.applied);
        let Some((_, state)) = self.channels.get(index) else { return };
        if piece.redacted && !self.redacted.contains(&state.scope) {
            self.redacted.push(state.scope);
        }
        if piece.redacted && state.signed {
            self.report.trouble(Trouble::Signed, OnTrouble::Block);
            piece.blocked = true;
            piece.text.clear();
        }
    }

    /// What comes after the events of a channel have gone out.
    fn after(&mut self, index: usize, piece: &Piece, rest: &str, out: &mut Vec<u8>) {
        if let Some((_, state)) = self.channels.get(index) {
            state.emit_rest(rest, out);
        }
        if piece.blocked {
            self.refuse(out);
        }
    }

    /// Ends texts, but for those that the event still carries.
    fn end(&mut self, ended: &[Ended], carried: &[Channel], out: &mut Vec<u8>) {
        if ended.is_empty() {
            return;
        }
        for index in 0..self.channels.len() {
            let Some((channel, state)) = self.channels.get_mut(index) else { break };
            if self.ended || carried.contains(channel) || !ends(ended, *channel, state.scope) {
                continue;
            }
            let mut piece = Piece::new();
            state.finish(&self.watch, &mut self.names, &mut piece);
            self.note(index, &mut piece);
            let Some((_, state)) = self.channels.get_mut(index) else { break };
            let bare = self.redacted.contains(&state.scope);
            let rest = state.emit(&piece, bare, out);
            self.after(index, &piece, &rest, out);
        }
        let open = |(channel, state): &(Channel, ChannelState)| {
            carried.contains(channel) || !ends(ended, *channel, state.scope)
        };
        self.channels.retain(open);
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble, treatment: OnTrouble, out: &mut Vec<u8>) {
        if self.report.trouble(trouble, treatment) {
            self.refuse(out);
        }
    }

    /// Ends the stream with an error.
    fn refuse(&mut self, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.channels.clear();
        let error = ErrorReply::response_violation(&self.report.blocking());
        out.extend(ending::refusal(&error, self.dialect, self.operation));
    }
}

fn ends(ended: &[Ended], channel: Channel, scope: Scope) -> bool {
    ended.iter().any(|ended| match ended {
        Ended::All => true,
        Ended::Scope(ended) => *ended == scope,
        Ended::Channel(ended) => *ended == channel,
    })
}

/// The edit that empties a text.
fn blank(span: &Range<usize>) -> Edit {
    Edit { span: span.clone(), replacement: Vec::new() }
}
