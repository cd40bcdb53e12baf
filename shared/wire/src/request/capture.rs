//! Short strings that are kept.

use crate::json::plain;

/// Collects one string up to a limit.
#[derive(Clone, Default)]
pub(super) struct Capture {
    escaped: Vec<u8>,
    room: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Capture {
    /// A string begins; more than `limit` bytes (still escaped) are not kept.
    pub(super) fn start(&mut self, limit: usize) {
        self.escaped.clear();
        self.limit = limit;
        self.cut = false;
    }

    /// A piece of it, in canonical escaped form.
    pub(super) fn push(&mut self, piece: &[u8]) {
        let free = self.limit.saturating_sub(self.escaped.len());
        self.cut |= piece.len() > free;
        if !self.cut {
            self.escaped.extend_from_slice(piece);
        }
    }

    /// The string, unescaped; `None` if it was too long.
    pub(super) fn text(&mut self) -> Option<&[u8]> {
        if self.cut {
            return None;
        }
        Some(plain(&self.escaped, &mut self.room))
    }
}
