//! The type check of values that decide something.

use super::frame::Member;
use super::schema::{Expected, Slot};
use crate::WireError;
use crate::json::{Container, Literal};

/// The JSON type of a value, with what matters of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueType<'a> {
    Container(Container),
    String,
    Number(&'a [u8]),
    Literal(Literal),
}

/// Refuses a value of the wrong type at `at`.
pub(super) fn require(member: Member, found: ValueType<'_>, at: usize) -> Result<(), WireError> {
    let expected = member.slot.expected();
    let fits = match (expected, found) {
        (Expected::Any, _) => true,
        (Expected::String, ValueType::String) => true,
        (Expected::Boolean, ValueType::Literal(Literal::True | Literal::False)) => true,
        (Expected::Count, ValueType::Number(text)) => count(text).is_some(),
        (Expected::Object, ValueType::Container(Container::Object)) => true,
        (Expected::Array | Expected::ArrayOrString, ValueType::Container(Container::Array)) => true,
        (Expected::ArrayOrString, ValueType::String) => true,
        // Null is how clients write "not given"; only a model cannot be not given by name, and
        // only a message cannot be nothing.
        (_, ValueType::Literal(Literal::Null)) => {
            !matches!(member.slot, Slot::Model | Slot::Message | Slot::Tensor)
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    // An element goes by the name of its list.
    let expected = match member.slot {
        Slot::Message => "a list of objects",
        _ => expected.text(),
    };
    Err(WireError::WrongType { at, field: member.name, expected })
}

/// A number as a count. A fraction of zeros is allowed, as servers take `16.0` for 16.
pub(super) fn count(text: &[u8]) -> Option<u64> {
    let text = core::str::from_utf8(text).ok()?;
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole.parse().ok()
}
