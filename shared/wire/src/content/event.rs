//! The texts of one event of a stream: which go on from event to event, and what ends them.

mod anthropic;
mod openai;
mod others;
mod parts;
mod pieces;
mod remainder;
mod responses;

use core::ops::Range;
use std::borrow::Cow;

use super::field::{Side, Texts};
use super::tape::{Kind, Tape, Value};
use parts::Api;
pub(crate) use parts::is_empty;
pub use parts::{Channel, Choices, Delta, Ended, EventTexts, Repeats, Scope};

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
}

impl<'t> Api<'t> {
    fn of(root: Value<'t>, name: Option<&'t [u8]>) -> Self {
        let name = || Some(Cow::Borrowed(core::str::from_utf8(name?).ok()?));
        let is_chunk = || root.get("choices").is_some_and(|choices| choices.kind() == Kind::Array);
        match root.get_string("type").and_then(Value::text) {
            Some(kind) if kind.starts_with("response.") => Self::Responses(kind),
            // Some servers give their chunks a type, too.
            _ if is_chunk() => Self::Chunk,
            Some(kind) => Self::Named(kind),
            None => match name() {
                Some(kind) if kind.starts_with("response.") => Self::Responses(kind),
                Some(kind) if anthropic::NAMES.contains(&kind.as_ref()) => Self::Named(kind),
                _ => Self::Other,
            },
        }
    }
}
