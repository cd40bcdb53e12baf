//! One text that goes on over many events, and the events that wait for it.
//!
//! An event waits until all of its text may pass, which in a stream of tokens is when the next one
//! begins a new word; then it goes out as it came. Where a part of its text may pass earlier, it goes
//! with that part, and the rest goes with the next event of the channel (or, at the very end, with a
//! copy of the last one): no character waits for another event's sake.

use std::collections::VecDeque;

use weir_detect::Pseudonyms;
use weir_wire::content::{Delta, Form, Scope};

use crate::Watch;
use crate::arguments::Arguments;
use crate::envelope::Envelope;
use crate::run::{Piece, TextRun};

enum Text {
    /// Nothing but white space has come: what it is shows with the first letter.
    Unknown,
    Plain(Box<TextRun>),
    Arguments(Box<Arguments>),
}

impl Text {
    /// A text by its beginning: in JSON mode models answer with an object, whose strings are
    /// inspected without their escapes.
    fn of(watch: &Watch, beginning: &str) -> Self {
        if is_object(beginning) {
            return Self::Arguments(Box::new(Arguments::new()));
        }
        Self::Plain(Box::new(TextRun::new(watch, "", false)))
    }
}

/// Whether a text begins like a JSON object.
pub(crate) fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// The state of one channel.
pub(crate) struct ChannelState {
    pub(crate) scope: Scope,
    pub(crate) signed: bool,
    text: Text,
    /// Bytes of text taken in.
    taken: usize,
    /// Bytes of text that have gone out, or been removed.
    sent: usize,
    waiting: VecDeque<Envelope>,
    /// Text after them that may pass, but whose event may not yet.
    ready: String,
    /// Whether that is text as it came in.
    ready_exact: bool,
    /// The event that went out before all of its text did.
    last: Option<Envelope>,
}

impl ChannelState {
    pub(crate) fn new(delta: &Delta) -> Self {
        let text = match delta.form {
            Form::Arguments => Text::Arguments(Box::new(Arguments::new())),
            _ => Text::Unknown,
        };
        Self {
            scope: delta.scope,
            signed: delta.signed,
            text,
            taken: 0,
            sent: 0,
            waiting: VecDeque::new(),
            ready: String::new(),
            ready_exact: true,
            last: None,
        }
    }

    /// Takes the text of the next event.
    pub(crate) fn push(
        &mut self,
        watch: &Watch,
        text: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        self.taken += text.len();
        if matches!(self.text, Text::Unknown) && !text.trim_ascii().is_empty() {
            self.text = Text::of(watch, text);
        }
        match &mut self.text {
            Text::Unknown => piece.text.push_str(text),
            Text::Plain(run) => run.push(text, names, piece),
            Text::Arguments(arguments) => arguments.push(watch, text, names, piece),
        }
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece) {
        match &mut self.text {
            Text::Unknown => {}
            Text::Plain(run) => run.finish(names, piece),
            Text::Arguments(arguments) => arguments.finish(watch, names, piece),
        }
    }

    /// Whether events wait.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Bytes of the events that are kept.
    pub(crate) fn kept_bytes(&self) -> usize {
        self.waiting.iter().chain(&self.last).map(Envelope::kept_bytes).sum()
    }

    fn held_back(&self) -> usize {
        match &self.text {
            Text::Unknown => 0,
            Text::Plain(run) => run.held_back(),
            Text::Arguments(arguments) => arguments.held_back(),
        }
    }

    /// Lets an event wait for its text, which was the last `len` bytes taken in.
    pub(crate) fn wait(&mut self, mut envelope: Envelope, len: usize) {
        envelope.span = self.taken.saturating_sub(len)..self.taken;
        self.waiting.push_back(envelope);
    }

    /// Sends out what `piece` lets pass; `bare` events go without log probabilities. Answers with
    /// text that no waiting event is there to carry.
    pub(crate) fn emit(&mut self, piece: &Piece, bare: bool, out: &mut Vec<u8>) -> String {
        let until = self.taken.saturating_sub(self.held_back());
        let exact = self.ready_exact && piece.exact;
        let mut at = if exact { self.pass(until, bare, out) } else { self.sent };
        let passed = at - self.sent;
        if passed == self.ready.len() + piece.text.len() {
            self.ready.clear();
            (self.sent, self.ready_exact) = (until, true);
            return String::new();
        }
        let mut text = std::mem::take(&mut self.ready);
        text.push_str(&piece.text);
        text.drain(..text.floor_char_boundary(passed));
        while let Some(envelope) = self.waiting.pop_front_if(|first| first.span.end <= until) {
            let own = if exact { envelope.span.end.saturating_sub(at) } else { text.len() };
            let rest = text.split_off(text.floor_char_boundary(own));
            let unchanged = exact && at == envelope.span.start;
            envelope.write((!unchanged).then_some(&text), bare, out);
            at = envelope.span.end;
            text = rest;
        }
        // White space alone is not worth an event of its own: it comes with its word.
        let worth = !text.trim_ascii().is_empty();
        let divisible = |first: &Envelope| !first.is_indivisible();
        if worth && let Some(envelope) = self.waiting.pop_front_if(|first| divisible(first)) {
            envelope.write(Some(&text), bare, out);
            self.last = Some(envelope);
            text.clear();
        }
        if text.is_empty() || self.waiting.is_empty() {
            (self.sent, self.ready_exact) = (until, true);
            return text;
        }
        (self.sent, self.ready_exact, self.ready) = (at, exact, text);
        String::new()
    }

    /// Writes the events of which all text may pass, and none has, as they came: in a stream in which
    /// nothing is found there are no others. Answers with where their text ends.
    fn pass(&mut self, until: usize, bare: bool, out: &mut Vec<u8>) -> usize {
        let mut at = self.sent;
        let whole = |at, first: &Envelope| first.span.start == at && first.span.end <= until;
        while let Some(envelope) = self.waiting.pop_front_if(|first| whole(at, first)) {
            envelope.write(None, bare, out);
            at = envelope.span.end;
        }
        at
    }

    /// Takes the line feed of the last event's CR LF, if that event waits.
    pub(crate) fn line_feed(&mut self) -> bool {
        self.waiting.back_mut().map(Envelope::line_feed).is_some()
    }

    /// Keeps a copy of an event for text that no event is left for.
    pub(crate) fn keep(&mut self, copy: Envelope) {
        self.last = Some(copy);
    }

    /// Sends text that no event is left for, with a copy of the last one.
    pub(crate) fn emit_rest(&self, text: &str, out: &mut Vec<u8>) {
        if let Some(last) = self.last.as_ref().filter(|_| !text.is_empty()) {
            last.write(Some(text), true, out);
        }
    }
}
