//! A response of server-sent events, chunk by chunk.

use weir_detect::OnTrouble;
use weir_wire::array::ArrayParser;
use weir_wire::edit::Edit;
use weir_wire::path::{Dialect, Operation};
use weir_wire::same;
use weir_wire::sse::{Event, SseError, SseParser};

use crate::Watch;
use crate::body::inspect_body;
use crate::events::Events;
use crate::framing::Framing;
use crate::inspection::{BodyInspection, Refusal};
use crate::limits::MAX_EVENT_BYTES;
use crate::report::{Report, Trouble};
use crate::shape::Shapes;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What cuts a stream into events.
enum Parser {
    Events(SseParser),
    Array(ArrayParser),
}

impl Parser {
    fn feed(&mut self, chunk: &[u8], event: impl FnMut(Event<'_>)) -> Result<(), SseError> {
        match self {
            Self::Events(parser) => parser.feed(chunk, event),
            Self::Array(parser) => parser.feed(chunk, event),
        }
    }

    fn held(&self) -> usize {
        match self {
            Self::Events(parser) => parser.held(),
            Self::Array(parser) => parser.held(),
        }
    }

    fn finish(self, event: impl FnMut(Event<'_>)) {
        match self {
            Self::Events(parser) => parser.finish(event),
            Self::Array(parser) => parser.finish(event),
        }
    }
}

/// Inspects a stream of events.
pub struct StreamGuard {
    /// `None` once the stream was ended here, or is passed on unread.
    parser: Option<Parser>,
    /// Bytes received, and those of them that were dealt with.
    received: u64,
    passed: u64,
    events: Events,
}

impl StreamGuard {
    /// A stream in answer to a request of this dialect and operation.
    pub fn new(watch: Watch, dialect: Dialect, operation: Option<Operation>) -> Self {
        let events = Events::new(watch, dialect, operation, inspect_any);
        let parser = Some(Parser::Events(SseParser::new(MAX_EVENT_BYTES)));
        Self { parser, received: 0, passed: 0, events }
    }

    /// The stream is a JSON array whose elements are the events, as Gemini streams without `alt=sse`.
    #[must_use]
    pub fn in_array(self) -> Self {
        self.framed(Framing::Array { after_element: false, opened: false })
    }

    /// The stream is JSON documents, each on a line of its own, as Ollama streams.
    #[must_use]
    pub fn in_lines(self) -> Self {
        self.framed(Framing::Lines { after_element: false })
    }

    #[inline(never)]
    fn framed(mut self, framing: Framing) -> Self {
        self.parser = Some(Parser::Array(ArrayParser::new(MAX_EVENT_BYTES)));
        self.events.framed(framing);
        self
    }

    /// Shares what is learned of the form of events with other streams.
    #[must_use]
    pub fn sharing(mut self, shapes: Shapes) -> Self {
        self.events.share(shapes);
        self
    }

    /// Takes the next chunk and writes what may pass.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let Some(mut parser) = self.parser.take() else {
            if !self.events.is_ended() {
                out.extend_from_slice(chunk);
            }
            return self.check_invariants();
        };
        self.events.begin(out);
        let base = self.received;
        self.received += chunk.len() as u64;
        let (passed, events) = (&mut self.passed, &mut self.events);
        let fed = parser.feed(chunk, |event| {
            if !events.is_ended() {
                between(events, passed, event.offset, (base, chunk), out);
                *passed = event.offset + event.raw.len() as u64;
                events.event(event, out);
            }
        });
        if fed.is_err() {
            self.too_large(base, chunk, out);
            return self.check_invariants();
        }
        if self.events.is_ended() {
            return self.check_invariants();
        }
        let told = self.received - parser.held() as u64;
        between(&mut self.events, &mut self.passed, told, (base, chunk), out);
        self.events.written(out);
        self.parser = Some(parser);
        self.check_invariants();
    }

    /// Ends the stream and writes all that was held back.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Some(parser) = self.parser.take() else { return };
        let events = &mut self.events;
        events.begin(out);
        parser.finish(|event| events.event(event, out));
        if !self.events.is_ended() {
            self.events.end_all(out);
        }
        debug_assert_eq!(self.held(), 0, "something is kept of a stream that is over");
        self.check_invariants();
    }

    /// Bytes of the stream that are kept, because their text is not final or their event not complete.
    pub fn held(&self) -> usize {
        self.parser.as_ref().map_or(0, Parser::held).saturating_add(self.events.held())
    }

    /// Ends the stream with an error, whatever the policy says, and gives its memory back.
    pub fn shed(&mut self, out: &mut Vec<u8>) {
        self.parser = None;
        self.events.begin(out);
        self.events.trouble(Trouble::Memory, OnTrouble::Block, out);
        debug_assert!(self.is_blocked(), "a stream that was shed goes on");
        debug_assert_eq!(self.held(), 0, "memory that was to be given back");
        self.check_invariants();
    }

    /// Whether the stream was ended here.
    pub fn is_blocked(&self) -> bool {
        self.events.is_ended()
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        self.events.report()
    }

    /// What was found, once it is over.
    pub(crate) fn take_report(&mut self) -> Report {
        self.events.take_report()
    }

    /// Fails where something does not hold that always must between two calls: what is read is passed on, kept in an event that
    /// waits, or the beginning of the next; a stream that has ended here keeps nothing. Looked at after every call where debug
    /// assertions are on; does nothing without them.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.events.check_invariants();
            debug_assert!(self.passed <= self.received, "more is dealt with than has come");
            let begun = self.parser.as_ref().map(|parser| parser.held() as u64);
            let left = self.received - self.passed;
            debug_assert!(
                begun.is_none_or(|begun| begun == left),
                "bytes between two events are lost"
            );
            let unread = self.parser.is_none() && !self.is_blocked();
            debug_assert!(!(unread && self.held() > 0), "what waits would wait for ever");
        }
    }

    /// An event is longer than what is read: refused, or passed on unread with all that follows.
    fn too_large(&mut self, base: u64, chunk: &[u8], out: &mut Vec<u8>) {
        self.events.unscannable(Trouble::TooLarge, out);
        if self.events.is_ended() {
            return;
        }
        self.events.end_all(out);
        // What earlier chunks held of the event is gone with the parser, so it cannot be passed on
        // whole: the stream has to end.
        let missing = self.passed < base;
        if missing {
            self.events.trouble(Trouble::TooLarge, OnTrouble::Block, out);
            return;
        }
        between(&mut self.events, &mut self.passed, self.received, (base, chunk), out);
    }
}

/// Writes the bytes up to `to` that belong to no event: line feeds, a byte order mark.
fn between(
    events: &mut Events,
    passed: &mut u64,
    to: u64,
    (base, chunk): (u64, &[u8]),
    out: &mut Vec<u8>,
) {
    // Only a byte order mark can have begun in an earlier chunk.
    let offset = |from: u64| usize::try_from(from).unwrap_or(usize::MAX);
    if *passed < base.min(to) {
        let mark = BYTE_ORDER_MARK.get(offset(*passed)..offset(base.min(to)));
        out.extend_from_slice(mark.unwrap_or_default());
        *passed = base.min(to);
    }
    if *passed < to {
        let here = chunk.get(offset(*passed - base)..offset(to - base));
        events.between(here.unwrap_or_default(), out);
        *passed = to;
    }
}

/// Inspects the whole body of a response as what it is: JSON, JSON documents one after the other, or plain text. If it is said to
/// be `json` and is not, the policy decides, and what it lets pass is inspected as text.
pub fn inspect_response(watch: &Watch, body: &[u8], json: bool) -> BodyInspection {
    inspect_body(watch, body, json, documents)
}

/// The same of what is not said to be anything.
pub(crate) fn inspect_any(watch: &Watch, body: &[u8]) -> BodyInspection {
    inspect_response(watch, body, false)
}

/// Documents one after the other, which are a stream whatever the body is called: a text may go on from one to the next.
#[cold]
fn documents(watch: &Watch, body: &[u8]) -> BodyInspection {
    let mut guard = Box::new(StreamGuard::new(watch.clone(), Dialect::OpenAi, None).in_lines());
    let mut replacement = Vec::with_capacity(body.len());
    guard.push(body, &mut replacement);
    guard.finish(&mut replacement);
    let refusal = guard.is_blocked().then_some(Refusal::Policy);
    let mut edits = Vec::new();
    if !same(&replacement, body) {
        edits.push(Edit { span: 0..body.len(), replacement });
    }
    BodyInspection { edits, report: guard.take_report(), refusal }
}
