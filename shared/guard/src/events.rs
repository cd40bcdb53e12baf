//! The events of a stream, in order, and the texts that go on through them.

mod texts;

use weir_detect::{OnTrouble, Pseudonyms};
use weir_wire::content::{Channel, Ended, EventTexts, Form, Plain, Scope, Tape, TextField};
use weir_wire::edit::Edit;
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Operation};
use weir_wire::sse::Event;

use crate::Watch;
use crate::arguments::Arguments;
use crate::channel::{ChannelState, is_object};
use crate::ending;
use crate::inspection::BodyInspection;
use crate::inspector::BodyInspector;
use crate::report::{Report, Trouble};
use crate::run::Piece;
use crate::shape::{Shapes, StreamShapes};

/// The events and the texts that go through them.
pub(crate) struct Events {
    watch: Watch,
    /// Names for values of the response; those of the request come first.
    names: Pseudonyms,
    dialect: Dialect,
    operation: Option<Operation>,
    channels: Vec<(Channel, ChannelState)>,
    /// Events of which nothing but one text was worth inspecting.
    shapes: StreamShapes,
    /// The channel in which the last event waits, if it does.
    last: Option<Channel>,
    /// Memory for the text of the next event.
    spare: String,
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
            shapes: StreamShapes::new(Shapes::default()),
            last: None,
            spare: String::new(),
            found_whole: false,
            redacted: Vec::new(),
            report: Report::default(),
            ended: false,
        }
    }

    /// Shares what is learned of the form of events with other streams.
    pub(crate) fn share(&mut self, shapes: Shapes) {
        self.shapes = StreamShapes::new(shapes);
    }

    /// Whether the stream was ended here.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
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

    /// Writes the bytes between two events. The line feed of a CR LF goes with the event that it
    /// ends, also where that event waits.
    pub(crate) fn between(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let last = self.last.take().filter(|_| bytes.first() == Some(&b'\n'));
        let state = last.and_then(|last| self.channels.iter_mut().find(|(name, _)| *name == last));
        let kept = state.is_some_and(|(_, state)| state.line_feed());
        out.extend_from_slice(bytes.get(usize::from(kept)..).unwrap_or_default());
    }

    pub(crate) fn event(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        self.last = None;
        if let Some((shape, text)) = self.shapes.find(event) {
            return self.again(event, &shape, text, out);
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
            self.remember(event, &texts, &edits);
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
        let (json, plain): (Vec<_>, Vec<_>) =
            texts.whole.fields.iter().partition(|field| is_streamed_json(field, data));
        plain.into_iter().for_each(|field| inspector.field(field));
        let BodyInspection { mut edits, mut report, refusal } = inspector.inspected;
        let mut refused = refusal.is_some();
        for field in json {
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

/// Whether a text that comes whole would be read as JSON if it came in pieces: arguments, and answers
/// in JSON mode. Of what is signed no piece may be edited either way.
fn is_streamed_json(field: &TextField, data: &[u8]) -> bool {
    let text = || data.get(field.span.clone()).and_then(Plain::of);
    match field.form {
        Form::Arguments => true,
        Form::String if !field.signed => text().is_some_and(|plain| is_object(plain.text())),
        _ => false,
    }
}
