//! Where in the body the reader is.

use super::schema::{ROLE_AND_CONTENT, Row, Slot};
use super::sink::Stream;
use crate::WireError;

/// An open container whose members or elements mean something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// What the container is.
    pub(super) slot: Slot,
    /// Whether it is an array.
    pub(super) array: bool,
    /// The name of the member it belongs to.
    pub(super) name: &'static str,
    /// Where text below it goes.
    pub(super) stream: Stream,
    /// The media seen below it.
    pub(super) media: Media,
    /// What the last key was.
    pub(super) member: Member,
    /// The rows of its table whose member was seen, as bits.
    seen: u64,
    /// Whether it has any member or element.
    pub(super) has_members: bool,
}

/// Which media a part holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) image: bool,
    pub(super) audio: bool,
    /// Whether the image is to be looked at in low detail.
    pub(super) low: bool,
    /// Bytes of its data or address.
    pub(super) len: u64,
}

impl Media {
    /// Both together.
    pub(super) fn with(self, other: Self) -> Self {
        Self {
            image: self.image || other.image,
            audio: self.audio || other.audio,
            low: self.low || other.low,
            len: self.len.saturating_add(other.len),
        }
    }

    /// What a part's `type`, or a medium's MIME type, says.
    pub(super) fn of_kind(kind: &[u8]) -> Self {
        let holds = |word: &[u8]| memchr::memmem::find(kind, word).is_some();
        Self { image: holds(b"image"), audio: holds(b"audio"), ..Self::default() }
    }
}

/// A member that a key announces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    /// What its value means.
    pub(super) slot: Slot,
    /// How errors name it.
    pub(super) name: &'static str,
}

impl Member {
    /// A member that means nothing.
    pub(super) const IGNORED: Self = Self { slot: Slot::Ignored, name: "" };
}

impl Frame {
    /// A container that just opened.
    pub(super) fn new(member: Member, array: bool, stream: Stream) -> Self {
        Self {
            slot: if array { member.slot } else { member.slot.object() },
            array,
            name: member.name,
            stream,
            media: Media::default(),
            member: Member::IGNORED,
            seen: 0,
            has_members: false,
        }
    }

    /// A message in the list `name`, of which the role was read and the content is to come.
    pub(super) fn of_message(name: &'static str, stream: Stream) -> Self {
        let message = Self::new(Member { slot: Slot::Message, name }, false, stream);
        let content = Member { slot: Slot::Content, name: "content" };
        Self { member: content, seen: ROLE_AND_CONTENT, has_members: true, ..message }
    }

    /// What the next value in this container is.
    pub(super) fn next_value(&self) -> Member {
        if self.array { Member { slot: self.slot.element(), name: self.name } } else { self.member }
    }

    /// Takes a key (unescaped) that started at `at`.
    pub(super) fn key(&mut self, rows: &[Row], key: &[u8], at: usize) -> Result<(), WireError> {
        self.member = Member::IGNORED;
        let matches = |names: &[&str]| names.iter().any(|name| name.as_bytes() == key);
        for ((names, slot), bit) in rows.iter().zip(0_u32..) {
            if !matches(names) {
                continue;
            }
            let field = names.first().copied().unwrap_or_default();
            if self.seen >> bit & 1 == 1 {
                return Err(WireError::DuplicateKey { at, field });
            }
            self.seen |= 1 << bit;
            self.member = Member { slot: *slot, name: field };
            break;
        }
        Ok(())
    }
}
