//! The texts of one event of a stream: which go on from event to event, and what ends them.

mod anthropic;
mod openai;
mod others;
mod responses;

use core::ops::Range;

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

/// Most texts that go on that one event may bring; an event with more is not known. Servers send one
/// for each choice.
const MAX_DELTAS: usize = 256;

/// The texts of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTexts {
    /// Whether the event is one that this crate knows; text may go on in others in ways it does not.
    pub known: bool,
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
    /// it is of.
    pub fn of(tape: &Tape, json: &[u8]) -> Self {
        let root = tape.root(json);
        let mut event = Self::default();
        let kind = root.get_string("type").and_then(Value::text);
        match kind.as_deref() {
            Some(kind) if kind.starts_with("response.") => responses::read(root, kind, &mut event),
            Some(kind) => anthropic::read(root, kind, &mut event),
            None if root.get("choices").is_some_and(|choices| choices.kind() == Kind::Array) => {
                openai::read(root, &mut event);
            }
            None => others::read(root, &mut event),
        }
        event.whole = Texts::of(tape, json, Side::Response);
        let deltas = &event.deltas;
        let is_delta = |span: &Range<usize>| deltas.iter().any(|delta| delta.span == *span);
        event.whole.fields.retain(|field| !is_delta(&field.span));
        event
    }

    fn push(&mut self, value: Value<'_>, form: Form, channel: Channel, scope: Scope) {
        if self.deltas.len() >= MAX_DELTAS {
            self.known = false;
            return;
        }
        let span = value.content_span();
        self.deltas.push(Delta { span, form, channel, scope, signed: false });
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

/// The number under `name`, 0 where there is none.
fn number(value: Value<'_>, name: &str) -> u32 {
    value.get(name).and_then(Value::number).unwrap_or(0)
}
