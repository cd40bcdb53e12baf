//! The texts of one event of a stream: which go on from event to event, and what ends them.

mod anthropic;
mod openai;
mod others;
mod remainder;
mod responses;

use core::ops::Range;
use std::borrow::Cow;

use super::field::{Form, Side, Texts};
use super::tape::{Kind, Tape, Value};

/// One text that goes on over many events: the content of a choice, the arguments of one of its
/// tool calls. Two of one stream are the same if and only if they are equal, but for collisions of
/// 64-bit hashes, which a replica could only make on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(u64);

/// What log probabilities and endings belong to: a choice, an output item, a content block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(pub u32);

/// The piece of a text that an event brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// Where it is, between the quotes.
    pub span: Range<usize>,
    /// How it is written: as text, or as a piece of JSON.
    pub form: Form,
    /// Which text it continues.
    pub channel: Channel,
    /// What that text belongs to.
    pub scope: Scope,
    /// The choice that the scope is in.
    pub choice: u32,
    /// The text carries a signature over itself, so that no edit of it can go unnoticed.
    pub signed: bool,
}

/// Texts that an event ends. What is held back of them has to come before the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// One text.
    Channel(Channel),
    /// All texts of a scope.
    Scope(Scope),
    /// All texts of the stream.
    All,
}

/// The choices of a response that an event is about. What is about one choice keeps its order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choices {
    /// None: a sign of life, which may come at any time.
    #[default]
    None,
    /// One.
    One(u32),
    /// Several, or the response as a whole.
    All,
}

impl Choices {
    /// Whether two events are about one choice.
    pub fn meet(self, other: Self) -> bool {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => false,
            (Self::One(one), Self::One(other)) => one == other,
            _ => true,
        }
    }

    fn add(&mut self, choice: u32) {
        *self = match self {
            Self::None => Self::One(choice),
            Self::One(other) if *other == choice => Self::One(choice),
            _ => Self::All,
        };
    }
}

/// Most texts that go on that one event may bring; an event with more is not known. Servers send one
/// for each choice.
const MAX_DELTAS: usize = 256;

/// The texts of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTexts {
    /// Whether the event is one that this crate knows. Others are JSON of any form, in which text may
    /// go on in ways that nobody here has heard of.
    pub known: bool,
    /// The event has more texts that go on than are read.
    pub overflows: bool,
    /// What it is about.
    pub choices: Choices,
    /// Whether nothing but envelope stands around its one text, so that it may be sent in two: see
    /// [`remainder`](Self::remainder).
    pub divisible: bool,
    /// Whether the event repeats what others have brought.
    pub repeats: bool,
    /// Texts that go on, in the order of the event.
    pub deltas: Vec<Delta>,
    /// Texts that are complete, media and log probabilities.
    pub whole: Texts,
    /// What the event ends.
    pub ended: Vec<Ended>,
    /// Strings (between their quotes) and numbers that mean nothing to all this, in the order of the
    /// event: with another string or number in their place it would be the same.
    pub loose: Vec<(Range<usize>, Kind)>,
}

impl EventTexts {
    /// The texts of an event whose data `tape` was read from. The form of the data tells which API
    /// it is of; `name` is what the event itself is called, for data that do not say their type.
    pub fn of(tape: &Tape, json: &[u8], name: Option<&[u8]>) -> Self {
        let root = tape.root(json);
        let mut event = Self::default();
        let api = Api::of(root, name);
        match &api {
            Api::Responses(kind) => responses::read(root, kind, &mut event),
            Api::Named(kind) => anthropic::read(root, kind, &mut event),
            Api::Chunk => openai::read(root, &mut event),
            Api::Other => others::read(root, &mut event),
        }
        let media = core::mem::take(&mut event.whole.opaque);
        event.whole = match event.known {
            true => Texts::of(tape, json, Side::Response),
            false => Texts::of_any(tape, json),
        };
        event.leave_out(media);
        let deltas = &event.deltas;
        let is_delta = |span: &Range<usize>| deltas.iter().any(|delta| delta.span == *span);
        event.whole.fields.retain(|field| !is_delta(&field.span));
        if let [delta] = &event.deltas[..] {
            event.divisible = remainder::of(root, &api, &delta.span).is_some();
        }
        event
    }

    /// Of an event that is [`divisible`](Self::divisible) and was sent with the beginning of its text, what
    /// the event with the rest has to leave out: values to be replaced by `null`, in order.
    pub fn remainder(tape: &Tape, json: &[u8], name: Option<&[u8]>) -> Option<Vec<Range<usize>>> {
        let event = Self::of(tape, json, name);
        let [delta] = &event.deltas[..] else { return None };
        let root = tape.root(json);
        remainder::of(root, &Api::of(root, name), &delta.span)
    }

    /// What is no text does not go on as one: media, also pieces of them that do not show what they are,
    /// and what the client works with.
    fn leave_out(&mut self, media: Vec<usize>) {
        self.whole.opaque.extend(media);
        let (opaque, functional) = (&self.whole.opaque, &self.whole.functional);
        if opaque.is_empty() && functional.is_empty() && self.whole.encoded.is_empty() {
            return;
        }
        let is_medium = |span: &Range<usize>| opaque.iter().any(|at| at + 1 == span.start);
        self.whole.fields.retain(|field| !is_medium(&field.span));
        self.deltas.retain(|delta| {
            !is_medium(&delta.span) && functional.iter().all(|field| field.span != delta.span)
        });
        // What a medium begins with goes on as one.
        let deltas = &self.deltas;
        self.whole.encoded.retain(|at| deltas.iter().all(|delta| at + 1 != delta.span.start));
    }

    /// A text that goes on, if it is not empty.
    fn push(&mut self, value: Value<'_>, form: Form, channel: Channel, at: At) {
        if value.content_span().is_empty() {
            return;
        }
        if self.deltas.len() >= MAX_DELTAS {
            self.overflows = true;
            return;
        }
        let span = value.content_span();
        let (scope, choice) = (at.scope, at.choice);
        self.deltas.push(Delta { span, form, channel, scope, choice, signed: false });
    }
}

/// Where a text stands.
#[derive(Clone, Copy)]
struct At {
    scope: Scope,
    choice: u32,
}

impl At {
    /// In a choice of its own.
    fn choice(index: u32) -> Self {
        Self { scope: Scope(index), choice: index }
    }

    /// In a part of the only choice that there is.
    fn part(index: u32) -> Self {
        Self { scope: Scope(index), choice: 0 }
    }
}

/// The API that an event is of.
enum Api<'t> {
    Responses(Cow<'t, str>),
    Named(Cow<'t, str>),
    Chunk,
    Other,
}

impl<'t> Api<'t> {
    fn of(root: Value<'t>, name: Option<&'t [u8]>) -> Self {
        let name = || Some(Cow::Borrowed(core::str::from_utf8(name?).ok()?));
        let is_chunk = || root.get("choices").is_some_and(|choices| choices.kind() == Kind::Array);
        match root.get_string("type").and_then(Value::text) {
            Some(kind) if kind.starts_with("response.") => Self::Responses(kind),
            Some(kind) => Self::Named(kind),
            None if is_chunk() => Self::Chunk,
            None => match name() {
                Some(kind) if kind.starts_with("response.") => Self::Responses(kind),
                Some(kind) if anthropic::NAMES.contains(&kind.as_ref()) => Self::Named(kind),
                _ => Self::Other,
            },
        }
    }
}

/// The name of a channel, piece by piece: FNV-1a, 64 bits.
#[derive(Clone, Copy)]
struct ChannelName(u64);

impl ChannelName {
    /// Offset basis and prime of 64-bit FNV.
    const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01B3;

    fn new(scope: Scope) -> Self {
        Self(Self::BASIS).with_number(scope.0)
    }

    fn with(self, part: &str) -> Self {
        // No UTF-8 text holds the byte that ends it.
        part.bytes().chain([0xFF]).fold(self, Self::byte)
    }

    fn with_number(self, number: u32) -> Self {
        number.to_le_bytes().into_iter().fold(self, Self::byte)
    }

    fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(Self::PRIME))
    }

    fn channel(self) -> Channel {
        Channel(self.0)
    }
}

/// Whether a value says nothing: `null`, or an empty string, list or object.
fn is_empty(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::String => value.content_span().is_empty(),
        Kind::Object | Kind::Array => value.children().next().is_none(),
        Kind::Number | Kind::Boolean => false,
    }
}

/// Whether the event says that something went wrong.
fn has_error(root: Value<'_>) -> bool {
    root.get("error").is_some_and(|error| !is_empty(error))
        || root.get_string("object").is_some_and(|object| object.is("error"))
}

/// The number under `name`, 0 where there is none.
fn number(value: Value<'_>, name: &str) -> u32 {
    value.get(name).and_then(Value::number).unwrap_or(0)
}
