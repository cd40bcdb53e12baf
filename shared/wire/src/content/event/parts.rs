//! What events are read into.

use core::ops::Range;
use std::borrow::Cow;

use crate::content::field::{Form, Texts};
use crate::content::tape::{Kind, Value};

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
    /// Whether it says all of the text so far in place of its next piece.
    pub repeats: Repeats,
}

/// Whether the next piece of a text says all of it so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// It does not.
    Never,
    /// Nobody here knows the form of the event, so it may.
    Perhaps,
    /// It does where it goes on as the last one began.
    Grows,
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

    pub(super) fn add(&mut self, choice: u32) {
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
    /// A block of thinking that begins without a place for a signature (false), or to which one comes (true).
    pub signature: Option<(Scope, bool)>,
    /// Strings (between their quotes) and numbers that mean nothing to all this, in the order of the
    /// event: with another string or number in their place it would be the same.
    pub loose: Vec<(Range<usize>, Kind)>,
}

impl EventTexts {
    /// What is no text does not go on as one: media, also pieces of them that do not show what they are,
    /// and what the client works with.
    pub(super) fn leave_out(&mut self, media: Vec<usize>) {
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
    pub(super) fn push(&mut self, value: Value<'_>, form: Form, channel: Channel, at: At) {
        if value.content_span().is_empty() {
            return;
        }
        if self.deltas.len() >= MAX_DELTAS {
            self.overflows = true;
            return;
        }
        let span = value.content_span();
        let (scope, choice) = (at.scope, at.choice);
        self.deltas.push(Delta {
            span,
            form,
            channel,
            scope,
            choice,
            signed: false,
            repeats: Repeats::Never,
        });
    }
}

/// Where a text stands.
#[derive(Clone, Copy)]
pub(super) struct At {
    pub(super) scope: Scope,
    pub(super) choice: u32,
}

impl At {
    /// In a choice of its own.
    pub(super) fn choice(index: u32) -> Self {
        Self { scope: Scope(index), choice: index }
    }

    /// In a part of the only choice that there is.
    pub(super) fn part(index: u32) -> Self {
        Self { scope: Scope(index), choice: 0 }
    }
}

/// The API that an event is of.
pub(super) enum Api<'t> {
    Responses(Cow<'t, str>),
    Named(Cow<'t, str>),
    Chunk,
    Other,
}

/// The name of a channel, piece by piece: FNV-1a, 64 bits.
#[derive(Clone, Copy)]
pub(super) struct ChannelName(u64);

impl ChannelName {
    /// Offset basis and prime of 64-bit FNV.
    const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01B3;

    pub(super) fn new(scope: Scope) -> Self {
        Self(Self::BASIS).with_number(scope.0)
    }

    pub(super) fn with(self, part: &str) -> Self {
        // No UTF-8 text holds the byte that ends it.
        part.bytes().chain([0xFF]).fold(self, Self::byte)
    }

    pub(super) fn with_number(self, number: u32) -> Self {
        number.to_le_bytes().into_iter().fold(self, Self::byte)
    }

    fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(Self::PRIME))
    }

    pub(super) fn channel(self) -> Channel {
        Channel(self.0)
    }
}

/// Whether a value says nothing: `null`, or an empty string, list or object.
pub(crate) fn is_empty(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::String => value.content_span().is_empty(),
        Kind::Object | Kind::Array => value.children().next().is_none(),
        Kind::Number | Kind::Boolean => false,
    }
}

/// Whether the event says that something went wrong.
pub(super) fn has_error(root: Value<'_>) -> bool {
    root.get("error").is_some_and(|error| !is_empty(error))
        || root.get_string("object").is_some_and(|object| object.is("error"))
}

/// The number under `name`, 0 where there is none.
pub(super) fn number(value: Value<'_>, name: &str) -> u32 {
    value.get(name).and_then(Value::number).unwrap_or(0)
}

/// The number under `index`, or else the place in the list.
pub(super) fn index_or(value: Value<'_>, place: u32) -> u32 {
    value.get("index").and_then(Value::number).unwrap_or(place)
}
