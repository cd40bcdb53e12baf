//! The texts that go on from event to event.

use std::ops::Range;

use weir_detect::OnTrouble;
use weir_wire::content::{Channel, Choices, Delta, Ended, EventTexts, Plain, Repeats, Scope};
use weir_wire::edit::Edit;
use weir_wire::sse::Event;

use super::Events;
use crate::channel::ChannelState;
use crate::envelope::Frame;
use crate::piece::Piece;
use crate::queue::Entry;
use crate::report::Trouble;
use crate::shape::Shape;

/// Most texts that go on at a time in one stream: choices, tool calls and kinds of text. Those of which nothing waits make room.
const MAX_CHANNELS: usize = 1024;

/// Most bytes of events that wait for their texts in one stream: four of the largest.
const MAX_KEPT_BYTES: usize = 4 * crate::MAX_EVENT_BYTES;

/// Events of its choice that may come without a piece of a text before that is taken to have ended, if they bring something
/// else. So texts whose pieces alternate are inspected as a whole, and an answer does not wait for the last word of what was
/// thought before it.
const MAX_SILENT: usize = 8 * SPOKEN;

/// As what such an event counts where one that brings nothing counts as 1: servers send many of those, while a character is not
/// whole or a call is not understood yet, and nobody waits for what they say.
const SPOKEN: usize = 128;

/// Largest event that can be taken to bring nothing where it brings no text, in bytes. Sound and pictures are larger, and clients
/// wait for them.
const MAX_EMPTY: usize = 1024;

impl Events {
    /// Lets the texts that go on take what the event brings, and sends what may pass.
    pub(super) fn texts(
        &mut self,
        event: Event<'_>,
        data: &[u8],
        texts: &EventTexts,
        edits: &[Edit],
        out: &mut Vec<u8>,
    ) {
        let logprobs = texts.whole.logprobs.iter().map(|logprobs| logprobs.value.clone());
        let mut entry = Entry::new(texts.choices);
        if texts.divisible {
            entry = entry.divisible(event);
        }
        self.queue.push(entry.edited(event, edits, logprobs));
        let frame = Frame::new(event);
        for delta in &texts.deltas {
            let raw = data.get(delta.span.clone()).unwrap_or_default();
            let place = frame.raw_span(&delta.span);
            self.take(delta, (raw, place), event.raw, out);
        }
        let carried: Vec<Channel> = texts.deltas.iter().map(|delta| delta.channel).collect();
        self.sent(event, texts.choices, (&carried, &texts.ended), out);
    }

    /// An event like one before, but for its text.
    pub(super) fn again(
        &mut self,
        event: Event<'_>,
        shape: &Shape,
        text: Range<usize>,
        out: &mut Vec<u8>,
    ) {
        let Shape { delta, ended, choices, .. } = shape;
        let delta = delta.as_ref().filter(|_| !text.is_empty());
        let carried = delta.map(|delta| delta.channel);
        self.end(ended, carried.as_slice(), out);
        if self.ended {
            return;
        }
        let mut entry = Entry::new(*choices);
        if shape.divisible {
            entry = entry.divisible(event);
        }
        self.queue.push(entry);
        if let Some(delta) = delta {
            let raw = event.raw.get(text.clone()).unwrap_or_default();
            self.take(delta, (raw, text), event.raw, out);
        }
        self.sent(event, *choices, (carried.as_slice(), ended), out);
    }

    /// The event at hand waits in the queue: ends texts, and sends what may go.
    fn sent(
        &mut self,
        event: Event<'_>,
        choices: Choices,
        (carried, ended): (&[Channel], &[Ended]),
        out: &mut Vec<u8>,
    ) {
        self.end(ended, &[], out);
        self.pause(event, choices, carried, out);
        self.drain(event.raw, out);
        self.bound_memory(out);
    }

    /// Ends a stream of which too much waits: a text holds few bytes back, but the events that bring
    /// them may be large.
    pub(super) fn bound_memory(&mut self, out: &mut Vec<u8>) {
        if self.queue.kept_bytes() > MAX_KEPT_BYTES {
            self.trouble(Trouble::TooLarge, OnTrouble::Block, out);
        }
    }

    /// Fails where more is kept than a stream may.
    pub(super) fn check_bounds(&self) {
        debug_assert!(self.queue.kept_bytes() <= MAX_KEPT_BYTES, "{}", self.queue.kept_bytes());
        debug_assert!(self.channels.len() <= MAX_CHANNELS, "{} channels", self.channels.len());
    }

    /// Keeps the shape of an event of which nothing but one text is worth inspecting.
    pub(super) fn remember(&mut self, event: Event<'_>, texts: &EventTexts, edits: &[Edit]) {
        let plain = texts.known
            && !self.watch.policy.inspect_functional
            && !texts.overflows
            && texts.signature.is_none()
            && texts.whole.logprobs.is_empty()
            && texts.whole.opaque.is_empty()
            && texts.whole.encoded.is_empty()
            && texts.whole.duplicate.is_none()
            && edits.is_empty()
            && !self.found_whole;
        if plain {
            self.shapes.add(event, texts);
        }
    }

    /// Gives a text of the event at hand, as it stands between its quotes at a place in the event's
    /// bytes, to its channel.
    fn take(
        &mut self,
        delta: &Delta,
        (raw, place): (&[u8], Range<usize>),
        current: &[u8],
        out: &mut Vec<u8>,
    ) {
        let Some(plain) = Plain::of(raw).filter(|_| !self.ended) else { return };
        let index = self.channel(delta);
        if index >= MAX_CHANNELS {
            // Such a stream is no answer of a model; there is no memory for more of it.
            self.channels.truncate(MAX_CHANNELS);
            return self.trouble(Trouble::TooLarge, OnTrouble::Block, out);
        }
        let Some((_, state)) = self.channels.get_mut(index) else { return };
        let mut piece = Piece::new_in(std::mem::take(&mut self.spare));
        let watch = if state.signed { &self.signed } else { &self.watch };
        let repeats = state.repeats(plain.text(), delta.repeats);
        if repeats {
            let place = (&mut piece, &mut self.queue);
            state.start_over(watch, plain.text(), &mut self.names, place);
        } else {
            state.push(watch, plain.text(), &mut self.names, &mut piece);
        }
        if delta.repeats != Repeats::Never {
            state.remember(plain.text());
        }
        state.tell(&mut piece, repeats);
        let span = state.taken() - plain.text().len()..state.taken();
        let name = self.queue.add((delta.channel, delta.scope), place, span);
        state.wait(name);
        if std::mem::take(&mut piece.medium) {
            self.unscannable(Trouble::Media, out);
        }
        self.release(index, piece, current, out);
    }

    /// Gives what may pass of a text to the events that brought it, and counts what was found.
    fn release(&mut self, index: usize, mut piece: Piece, current: &[u8], out: &mut Vec<u8>) {
        self.report.add(&piece.applied);
        let Some((_, state)) = self.channels.get_mut(index) else { return };
        if piece.redacted && !self.redacted.contains(&state.scope) {
            self.redacted.push(state.scope);
        }
        if piece.redacted && state.signed {
            self.report.treated(Trouble::Signed, OnTrouble::Block);
            piece.blocked = true;
            piece.text.clear();
        }
        state.release(&piece, &mut self.queue);
        if piece.blocked {
            self.drain(current, out);
            self.refuse(out);
        }
        self.spare = piece.text;
    }

    fn channel(&mut self, delta: &Delta) -> usize {
        let known = self.channels.iter().position(|(channel, _)| *channel == delta.channel);
        known.unwrap_or_else(|| {
            let signed = delta.signed && !self.unsigned.contains(&delta.scope);
            let watch = if signed { &self.signed } else { &self.watch };
            if self.channels.len() >= MAX_CHANNELS {
                self.channels.retain(|(_, state)| state.has_waiting());
            }
            self.channels.push((delta.channel, ChannelState::new(watch, delta, signed)));
            self.channels.len() - 1
        })
    }

    /// Notes that a block of thinking begins without a place for a signature. One that comes all the same would no
    /// longer be true of what was edited, and the client's next turn would be refused for it.
    pub(super) fn signature(&mut self, signature: Option<(Scope, bool)>, out: &mut Vec<u8>) {
        let Some((scope, comes)) = signature.filter(|_| !self.ended) else { return };
        let known = self.unsigned.contains(&scope);
        if !comes && !known && self.unsigned.len() < MAX_CHANNELS {
            self.unsigned.push(scope);
        }
        if comes && known {
            self.end(&[Ended::Scope(scope)], &[], out);
            if self.redacted.contains(&scope) {
                self.trouble(Trouble::Signed, OnTrouble::Block, out);
            }
        }
    }

    /// Ends texts that an event says are complete, but for those that it carries itself.
    pub(super) fn end(&mut self, ended: &[Ended], carried: &[Channel], out: &mut Vec<u8>) {
        if ended.is_empty() || self.ended {
            return;
        }
        let ends = |channel, state: &ChannelState| {
            !carried.contains(&channel) && ends(ended, channel, state.scope)
        };
        self.end_those(ends, false, out);
    }

    /// Ends texts that others of their choice have followed for too long.
    pub(super) fn pause(
        &mut self,
        event: Event<'_>,
        choices: Choices,
        carried: &[Channel],
        out: &mut Vec<u8>,
    ) {
        // As many as one choice may have wait of all choices together: each costs memory, and a look with every event.
        let is_empty = carried.is_empty()
            && event.raw.len() <= MAX_EMPTY
            && self.queue.waiting() <= MAX_SILENT;
        let (mut any, step) = (false, if is_empty { 1 } else { SPOKEN });
        for (channel, state) in &mut self.channels {
            let met = Choices::One(state.choice).meet(choices) && !carried.contains(channel);
            if met && state.has_waiting() {
                state.silent = state.silent.saturating_add(step);
                any |= state.silent > MAX_SILENT || state.has_paused();
            }
        }
        if any {
            let over = |_, state: &ChannelState| {
                state.has_waiting()
                    && state.silent > 0
                    && (state.silent > MAX_SILENT || state.has_paused())
            };
            self.end_those(over, true, out);
        }
    }

    /// Ends texts and forgets them, but for what stands before the rest of one that only rests.
    fn end_those(
        &mut self,
        ends: impl Fn(Channel, &ChannelState) -> bool,
        rests: bool,
        out: &mut Vec<u8>,
    ) {
        let mut index = 0;
        while let Some((channel, state)) = self.channels.get_mut(index).filter(|_| !self.ended) {
            if !ends(*channel, state) {
                index += 1;
                continue;
            }
            let mut piece = Piece::new();
            let watch = if state.signed { &self.signed } else { &self.watch };
            let stays = rests && state.is_prose();
            state.finish(watch, &mut self.names, &mut piece);
            self.release(index, piece, &[], out);
            if stays {
                index += 1;
            } else if index < self.channels.len() {
                self.channels.remove(index);
            }
        }
    }
}

fn ends(ended: &[Ended], channel: Channel, scope: Scope) -> bool {
    ended.iter().any(|ended| match ended {
        Ended::All => true,
        Ended::Scope(ended) => *ended == scope,
        Ended::Channel(ended) => *ended == channel,
    })
}
