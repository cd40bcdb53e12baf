//! The events of a stream, in order, and the texts that go on through them.

mod texts;

use std::sync::Arc;

use weir_detect::{OnTrouble, Pseudonyms};
use weir_wire::WireError;
use weir_wire::content::{
    Channel, Choices, Ended, EventTexts, Form, Plain, Scope, Tape, TextField,
};
use weir_wire::edit::Edit;
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Operation};
use weir_wire::sse::{Event, Field, Line, SseParser};

use crate::Watch;
use crate::beside;
use crate::body::of_policy;
use crate::channel::{self, ChannelState, is_like_json};
use crate::ending;
use crate::envelope::write_edited;
use crate::error_body::inspect_error;
use crate::framing::Framing;
use crate::halves::Halves;
use crate::inspection::BodyInspection;
use crate::inspector::BodyInspector;
use crate::piece::Piece;
use crate::queue::{Entry, Queue, Way};
use crate::report::{Report, Trouble};
use crate::shape::{Shapes, StreamShapes};

/// The events and the texts that go through them.
pub(crate) struct Events {
    watch: Watch,
    /// The same for texts that are signed, in which names stay.
    signed: Watch,
    /// Names for values of the response; those of the request come first.
    names: Pseudonyms,
    dialect: Dialect,
    operation: Option<Operation>,
    framing: Framing,
    /// Where the bytes of this chunk begin in what is written.
    begin: usize,
    channels: Vec<(Channel, ChannelState)>,
    /// Events that wait for their texts.
    queue: Queue,
    /// Events of which nothing but one text was worth inspecting.
    shapes: StreamShapes,
    /// Memory for the text of the next event.
    spare: String,
    /// Something was found in texts of the event that come whole.
    found_whole: bool,
    /// Characters that come in two events.
    halves: Halves,
    /// Scopes in which something was replaced.
    redacted: Vec<Scope>,
    report: Report,
    ended: bool,
}

impl Events {
    pub(crate) fn new(watch: Watch, dialect: Dialect, operation: Option<Operation>) -> Self {
        let names = watch.pseudonyms.as_ref().clone();
        let signed = Watch { pseudonyms: Arc::default(), ..watch.clone() };
        Self {
            watch,
            signed,
            names,
            dialect,
            operation,
            framing: Framing::Events,
            begin: 0,
            channels: Vec::new(),
            queue: Queue::default(),
            shapes: StreamShapes::new(Shapes::default()),
            spare: String::new(),
            found_whole: false,
            halves: Halves::default(),
            redacted: Vec::new(),
            report: Report::default(),
            ended: false,
        }
    }

    /// Shares what is learned of the form of events with other streams.
    pub(crate) fn share(&mut self, shapes: Shapes) {
        self.shapes = StreamShapes::new(shapes);
    }

    /// The events are framed like that.
    pub(crate) fn framed(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Whether the stream was ended here.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Bytes of events that wait.
    pub(crate) fn held(&self) -> usize {
        self.queue.kept_bytes()
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Fails where something does not hold that always must between two chunks.
    pub(crate) fn check_invariants(&self) {
        self.queue.check_invariants();
        self.check_bounds();
        let gone = self.channels.is_empty() && self.queue.is_empty();
        debug_assert!(!self.ended || gone, "a stream that has ended goes on");
        let waiting = self.channels.iter().any(|(_, state)| state.has_waiting());
        debug_assert!(!waiting || !self.queue.is_empty(), "a text whose event has left");
    }

    /// What the policy does about something that cannot be inspected.
    pub(crate) fn unscannable(&mut self, trouble: Trouble, out: &mut Vec<u8>) {
        let treatment = trouble.treatment(&self.watch.policy);
        self.trouble(trouble, treatment, out);
    }

    /// Ends all texts.
    pub(crate) fn end_all(&mut self, out: &mut Vec<u8>) {
        self.end(&[Ended::All], &[], out);
        self.drain(&[], out);
    }

    /// Writes the bytes between two events, or lets them wait with the event that they come after.
    pub(crate) fn between(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if !bytes.is_empty() && !self.queue.between(bytes) {
            out.extend_from_slice(bytes);
        }
        self.bound_memory(out);
    }

    pub(crate) fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        // A shape says nothing of functional fields.
        let known = (!self.watch.policy.inspect_functional).then(|| self.shapes.find(event));
        if let Some((shape, text)) = known.flatten() {
            return self.again(event, &shape, text, out);
        }
        let Some(found) = beside::inspect(&self.watch, event) else {
            return self.dispatched(event, true, out);
        };
        self.report.merge(found.report);
        if found.refusal.is_some() {
            return self.refuse(out);
        }
        if found.edits.is_empty() {
            return self.dispatched(event, false, out);
        }
        let mut edited = Vec::with_capacity(event.raw.len());
        write_edited(event.raw, &found.edits, &mut edited);
        self.read_again(&edited, event.complete, out);
    }

    /// Goes on with the bytes of an event that were edited.
    fn read_again(&mut self, raw: &[u8], complete: bool, out: &mut Vec<u8>) {
        if self.framing != Framing::Events {
            let lines = [Line { field: Field::Data, value: 0..raw.len() }];
            return self.dispatched(Event { offset: 0, raw, lines: &lines, complete }, false, out);
        }
        let mut parser = SseParser::new(usize::MAX);
        // Without a limit nothing is too long.
        let _ = parser.feed(raw, |event| self.dispatched(event, false, out));
        parser.finish(|event| self.dispatched(event, false, out));
    }

    /// An event whose comments and the like are inspected; `again` says that another one like it need not be.
    fn dispatched(&mut self, event: Event<'_>, again: bool, out: &mut Vec<u8>) {
        // A comment, an id, a name without data, or data that are empty: nobody dispatches anything for it.
        let data = event.data().filter(|data| !data.trim_ascii().is_empty());
        let Some(data) = data else { return self.pass(event, Choices::None, out) };
        if data.trim_ascii() == b"[DONE]" {
            self.end(&[Ended::All], &[], out);
            return self.pass(event, Choices::All, out);
        }
        let tape = match Tape::read(&data) {
            Ok(tape) => tape,
            Err(WireError::LoneSurrogate { .. }) => {
                let whole = self.halves.join(event.raw);
                return self.read_again(&whole, event.complete, out);
            }
            Err(error) if !event.complete && is_cut(&data, &error) => return self.cut(event, out),
            Err(_) => return self.unreadable(event, &data, out),
        };
        let mut texts = EventTexts::of(&tape, &data, event.kind());
        texts.whole = of_policy(&self.watch.policy, texts.whole);
        if texts.overflows {
            self.unscannable(Trouble::UnknownEvent, out);
        }
        // What is held back comes, and is counted, before an event that repeats it.
        let carried: Vec<Channel> = texts.deltas.iter().map(|delta| delta.channel).collect();
        self.end(&texts.ended, &carried, out);
        let edits = if self.ended { Vec::new() } else { self.whole(&texts, &data, out) };
        if !self.ended {
            if again {
                self.remember(event, &texts, &edits);
            }
            self.texts(event, &data, &texts, &edits, out);
        }
    }

    /// Lets an event without any text go in its turn.
    fn pass(&mut self, event: Event<'_>, choices: Choices, out: &mut Vec<u8>) {
        if !self.ended {
            self.queue.push(Entry::new(choices));
            self.pause(choices, &[], out);
            self.drain(event.raw, out);
            self.bound_memory(out);
        }
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

    /// Data that is not JSON. Of an error it is a sentence.
    fn unreadable(&mut self, event: Event<'_>, data: &[u8], out: &mut Vec<u8>) {
        if event.kind() == Some(b"error") {
            self.end(&[Ended::All], &[], out);
            let inspected = inspect_error(&self.watch, data);
            self.report.merge(inspected.report);
            if inspected.refusal.is_some() {
                return self.refuse(out);
            }
            let texts = EventTexts { choices: Choices::All, ..EventTexts::default() };
            return self.texts(event, data, &texts, &inspected.edits, out);
        }
        self.unscannable(Trouble::NotJson, out);
        self.pass(event, Choices::All, out);
    }

    /// Sends what may go; `current` is the event that came last.
    fn drain(&mut self, current: &[u8], out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        let separator: &[u8] = match self.framing {
            Framing::Events => b"",
            Framing::Array { .. } => b",\n",
            Framing::Lines { .. } => b"\n",
        };
        self.queue.drain(&Way { current, redacted: &self.redacted, separator }, out);
    }

    /// Inspects the texts that come whole; answers with the edits of the data.
    fn whole(&mut self, texts: &EventTexts, data: &[u8], out: &mut Vec<u8>) -> Vec<Edit> {
        let mut inspector = BodyInspector::of_event(&self.watch, &mut self.names, data);
        inspector.troubles(&texts.whole);
        let (json, plain): (Vec<_>, Vec<_>) =
            texts.whole.fields.iter().partition(|field| is_streamed_json(field, data));
        let grows = |field: &TextField| texts.growing.contains(&field.span);
        plain.iter().filter(|field| !grows(field)).for_each(|field| inspector.field(field));
        let BodyInspection { mut edits, mut report, refusal } = inspector.inspected;
        let mut refused = refusal.is_some();
        let growing = plain.into_iter().filter(|field| grows(field));
        for field in json.into_iter().chain(growing) {
            let (edit, piece) = self.in_pieces(field, grows(field), data);
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

    /// A text that comes whole, edited as it would be in pieces; without its end if it grows, where a value may
    /// have begun.
    fn in_pieces(&mut self, field: &TextField, grows: bool, data: &[u8]) -> (Option<Edit>, Piece) {
        let raw = data.get(field.span.clone()).unwrap_or_default();
        let Some(plain) = Plain::of(raw) else { return (None, Piece::new()) };
        let piece =
            channel::whole(&self.watch, field.form, (plain.text(), !grows), &mut self.names);
        let whole = 0..plain.text().len();
        let differs = !piece.is_exact() || grows && piece.text.len() < plain.text().len();
        let edit = differs.then(|| plain.edit(field.span.start, &whole, &piece.text));
        (edit, piece)
    }

    pub(crate) fn trouble(&mut self, trouble: Trouble, treatment: OnTrouble, out: &mut Vec<u8>) {
        if self.report.treated(trouble, treatment) {
            self.refuse(out);
        }
    }

    /// Ends the stream with an error.
    fn refuse(&mut self, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.drain(&[], out);
        self.ended = true;
        self.channels.clear();
        self.queue.clear();
        let error = ErrorReply::response_violation(&self.report.blocking());
        match self.framing {
            Framing::Events => {
                out.extend(ending::refusal(&error, self.dialect, self.operation));
            }
            Framing::Array { .. } | Framing::Lines { .. } => {
                self.written(out);
                out.extend(ending::last_element(&error, self.dialect, self.framing));
            }
        }
    }

    /// Notes where the stream's next bytes begin in `out`.
    pub(crate) fn begin(&mut self, out: &[u8]) {
        self.begin = out.len();
    }

    /// Notes how far an array, or a line, has been written.
    pub(crate) fn written(&mut self, out: &[u8]) {
        let new = out.get(self.begin..).unwrap_or_default();
        match &mut self.framing {
            Framing::Events => return,
            Framing::Array { after_element, opened } => {
                if let Some(last) = new.trim_ascii_end().last() {
                    *after_element = !matches!(last, b',' | b'[');
                    *opened = true;
                }
            }
            Framing::Lines { after_element } => {
                *after_element = new.last().map_or(*after_element, |last| *last != b'\n');
            }
        }
        self.begin = out.len();
    }
}

/// Whether data is the beginning of what could be read.
fn is_cut(data: &[u8], error: &WireError) -> bool {
    matches!(error, WireError::Truncated { .. }) || b"[DONE]".starts_with(data.trim_ascii())
}

/// Whether a text that comes whole would be read as JSON if it came in pieces: arguments, and answers
/// in JSON mode. Of what is signed no piece may be edited either way.
fn is_streamed_json(field: &TextField, data: &[u8]) -> bool {
    let text = || data.get(field.span.clone()).and_then(Plain::of);
    match field.form {
        Form::Arguments => true,
        Form::String if !field.signed => text().is_some_and(|plain| is_like_json(plain.text())),
        _ => false,
    }
}
