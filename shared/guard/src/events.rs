//! The events of a stream, in order, and the texts that go on through them.

mod texts;
mod unreadable;
mod whole;

use std::borrow::Cow;
use std::sync::Arc;

use weir_detect::{OnTrouble, Pseudonyms};
use weir_wire::content::{Channel, Choices, Ended, EventTexts, Scope};
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Operation};
use weir_wire::sse::Event;

use crate::Watch;
use crate::beside;
use crate::body::{InspectBody, of_policy};
use crate::channel::ChannelState;
use crate::ending;
use crate::envelope::write_edited;
use crate::framing::Framing;
use crate::halves::Halves;
use crate::queue::{Entry, Queue, Way};
use crate::readable::tape_of;
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
    /// Inspects what is no event as what it is.
    inspect_any: InspectBody,
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
    /// Blocks of thinking that nobody signs, as far as their beginnings tell.
    unsigned: Vec<Scope>,
    /// Scopes in which something was replaced.
    redacted: Vec<Scope>,
    report: Report,
    ended: bool,
}

impl Events {
    pub(crate) fn new(
        watch: Watch,
        dialect: Dialect,
        operation: Option<Operation>,
        inspect_any: InspectBody,
    ) -> Self {
        let names = watch.pseudonyms.as_ref().clone();
        let signed = Watch { pseudonyms: Arc::default(), ..watch.clone() };
        Self {
            watch,
            signed,
            names,
            dialect,
            operation,
            inspect_any,
            framing: Framing::Events,
            begin: 0,
            channels: Vec::new(),
            queue: Queue::default(),
            shapes: StreamShapes::new(Shapes::default()),
            spare: String::new(),
            found_whole: false,
            halves: Halves::default(),
            unsigned: Vec::new(),
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

    pub(crate) fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
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
        let Some(found) = beside::inspect(&self.watch, event, self.inspect_any) else {
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

    /// An event whose comments and the like are inspected; `again` says that another one like it need not be.
    fn dispatched(&mut self, event: Event<'_>, again: bool, out: &mut Vec<u8>) {
        // A comment, an id, a name without data, or data that are empty: nobody dispatches anything for it.
        let data = event.data().filter(|data| !data.trim_ascii().is_empty());
        let Some(data) = data else { return self.pass(event, Choices::None, out) };
        if data.trim_ascii() == b"[DONE]" {
            self.end(&[Ended::All], &[], out);
            return self.pass(event, Choices::All, out);
        }
        let (tape, data) = match tape_of(&data, false) {
            Ok(read) => read,
            Err(error) => return self.odd(event, (&data, &error), out),
        };
        // What could be read only as a copy is like no other event.
        let again = again && matches!(data, Cow::Borrowed(_));
        let mut texts = EventTexts::of(&tape, &data, event.kind());
        texts.whole = of_policy(&self.watch.policy, texts.whole);
        if texts.overflows {
            self.unscannable(Trouble::UnknownEvent, out);
        }
        // What is held back comes, and is counted, before an event that repeats it.
        let carried: Vec<Channel> = texts.deltas.iter().map(|delta| delta.channel).collect();
        self.end(&texts.ended, &carried, out);
        self.signature(texts.signature, out);
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
            self.pause(event, choices, &[], out);
            self.drain(event.raw, out);
            self.bound_memory(out);
        }
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
