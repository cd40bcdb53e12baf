//! The texts that go on from event to event.

use std::ops::Range;

use weir_detect::OnTrouble;
use weir_wire::content::{Channel, Delta, Ended, EventTexts, Plain, Scope};
use weir_wire::edit::Edit;
use weir_wire::sse::Event;

use super::Events;
use crate::channel::ChannelState;
use crate::envelope::{Envelope, Frame, Several, in_event, write_edited};
use crate::inspector::{escaped, without};
use crate::report::Trouble;
use crate::run::Piece;
use crate::shape::Shape;

/// Most texts that go on at a time in one stream: choices, tool calls and kinds of text.
const MAX_CHANNELS: usize = 1024;

/// Most bytes of events that wait for their texts in one stream: four of the largest.
const MAX_KEPT_BYTES: usize = 4 * crate::MAX_EVENT_BYTES;

impl Events {
    /// Lets the texts that go on take what the event brings, and sends what may pass.
    pub(super) fn texts(
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
                self.alone(delta, raw, envelope, &texts.ended, out);
            }
            deltas => {
                let (mut edits, mut written) = (edits, Vec::new());
                edits.extend(logprobs().map(|span| without(data, &span)));
                // What is held back at the very end goes with a copy that has only one text.
                let spans = deltas.iter().map(|delta| delta.span.clone());
                let several = Several::new(event, &edits, spans);
                for (place, delta) in deltas.iter().enumerate() {
                    let raw = data.get(delta.span.clone()).unwrap_or_default();
                    let Some(copy) = Envelope::of_several(&several, place) else { continue };
                    written.extend(self.together(delta, raw, copy, &texts.ended, out));
                }
                edits.extend(written);
                if !self.ended {
                    write_edited(event.raw, &in_event(&Frame::new(event), &edits), out);
                }
            }
        }
        self.close(&texts.ended);
        self.bound_memory(out);
    }

    /// Ends a stream of which too much waits: a text holds few bytes back, but the events that bring
    /// them may be large.
    fn bound_memory(&mut self, out: &mut Vec<u8>) {
        let kept = self.channels.iter().map(|(_, state)| state.kept_bytes());
        if kept.sum::<usize>() > MAX_KEPT_BYTES {
            self.trouble(Trouble::TooLarge, OnTrouble::Block, out);
        }
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
        let Some((index, piece, len)) = self.take(delta, raw, ended, out) else { return };
        let bare = self.redacted.contains(&delta.scope);
        let rest = match self.channels.get_mut(index) {
            Some((_, state)) => {
                state.wait(envelope, len);
                let rest = state.emit(&piece, bare, out);
                self.last = state.has_waiting().then_some(delta.channel);
                rest
            }
            None => String::new(),
        };
        self.after(index, &piece, &rest, out);
        self.spare = piece.text;
    }

    /// Keeps the shape of an event of which nothing but one text is worth inspecting.
    pub(super) fn remember(&mut self, event: Event<'_>, texts: &EventTexts, edits: &[Edit]) {
        let plain = texts.known
            && texts.whole.logprobs.is_empty()
            && texts.whole.opaque.is_empty()
            && texts.whole.duplicate.is_none()
            && edits.is_empty()
            && !self.found_whole;
        if plain {
            self.shapes.add(event, texts);
        }
    }

    /// An event like one before, but for its text.
    pub(super) fn again(
        &mut self,
        event: Event<'_>,
        shape: &Shape,
        text: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        let Shape { delta, ended, .. } = shape;
        self.end(ended, delta.as_ref().map(|delta| delta.channel).as_slice(), out);
        if self.ended {
            return;
        }
        match delta {
            Some(delta) => {
                let raw = event.raw.get(text.clone()).unwrap_or_default();
                let envelope = Envelope::of_text(event.raw, text);
                self.alone(delta, raw, envelope, ended, out);
            }
            None => out.extend_from_slice(event.raw),
        }
        self.close(ended);
        self.bound_memory(out);
    }

    /// Forgets texts that an event has ended, and has carried the end of.
    fn close(&mut self, ended: &[Ended]) {
        if !ended.is_empty() {
            self.channels.retain(|(channel, state)| !ends(ended, *channel, state.scope));
        }
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
        let (index, piece, _) = self.take(delta, raw, ended, out)?;
        let bare = self.redacted.contains(&delta.scope);
        let (_, state) = self.channels.get_mut(index)?;
        let rest = state.emit(&piece, bare, out);
        state.keep(copy);
        self.after(index, &piece, "", out);
        Some(Edit { span: delta.span.clone(), replacement: escaped(&rest) })
    }

    /// Gives a text, as it stands between its quotes, to its channel; answers with the channel's
    /// place, what may pass, and the text's length.
    fn take(
        &mut self,
        delta: &Delta,
        raw: &[u8],
        ended: &[Ended],
        out: &mut Vec<u8>,
    ) -> Option<(usize, Piece, usize)> {
        let plain = Plain::of(raw)?;
        let index = self.channel(delta);
        if index >= MAX_CHANNELS {
            // Such a stream is no answer of a model; there is no memory for more of it.
            self.channels.truncate(MAX_CHANNELS);
            self.trouble(Trouble::TooLarge, OnTrouble::Block, out);
            return None;
        }
        let (_, state) = self.channels.get_mut(index)?;
        let mut piece = Piece::new_in(std::mem::take(&mut self.spare));
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
            self.channels.push((delta.channel, ChannelState::new(delta)));
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
    pub(super) fn end(&mut self, ended: &[Ended], carried: &[Channel], out: &mut Vec<u8>) {
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
}

fn ends(ended: &[Ended], channel: Channel, scope: Scope) -> bool {
    ended.iter().any(|ended| match ended {
        Ended::All => true,
        Ended::Scope(ended) => *ended == scope,
        Ended::Channel(ended) => *ended == channel,
    })
}
