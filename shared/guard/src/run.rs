//! One text on its way through an inspector, with the bytes that it was written as.

use weir_detect::{Applied, Inspector, Pseudonyms, Released, Restorer};
use weir_wire::edit::push_escaped;

use crate::Watch;

/// What a piece of a text led to.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// What may pass, as it has to be written.
    pub(crate) text: String,
    /// Findings.
    pub(crate) applied: Vec<Applied>,
    /// `text` is exactly the next bytes that came in.
    pub(crate) exact: bool,
    /// Something was replaced.
    pub(crate) redacted: bool,
    /// Nothing more may pass.
    pub(crate) blocked: bool,
}

impl Piece {
    pub(crate) fn new() -> Self {
        Self { exact: true, ..Self::default() }
    }

    /// The same, with memory for its text.
    pub(crate) fn new_in(mut text: String) -> Self {
        text.clear();
        Self { text, ..Self::new() }
    }
}

/// A text in pieces: as it reads, and as it is written (with or without the escapes of JSON).
///
/// What is released without an edit is written as it came, byte for byte.
pub(crate) struct TextRun {
    inspector: Inspector,
    restorer: Option<Restorer>,
    /// What the restorer holds back.
    kept: String,
    released: Released,
    /// Written as between the quotes of a JSON string.
    escaped: bool,
    /// As written, what was not released.
    raw: String,
    /// After each escape that was not released: offset in the text, offset as written.
    escapes: Vec<(usize, usize)>,
    /// Bytes of the text taken in, and as written.
    taken: (usize, usize),
    /// Bytes as written that were released.
    out: usize,
}

impl TextRun {
    /// A text that stands after `context`.
    pub(crate) fn new(watch: &Watch, context: &str, escaped: bool) -> Self {
        let restore = !watch.pseudonyms.is_empty();
        Self {
            inspector: watch.inspector(context),
            restorer: restore.then(|| Restorer::new(watch.pseudonyms.clone())),
            kept: String::new(),
            released: Released::default(),
            escaped,
            raw: String::new(),
            escapes: Vec::new(),
            taken: (0, 0),
            out: 0,
        }
    }

    /// Takes text that is written as it reads.
    pub(crate) fn push(&mut self, text: &str, names: &mut Pseudonyms, piece: &mut Piece) {
        self.take(text, text, names, piece);
    }

    /// Takes a character that is written as the escape `raw`.
    pub(crate) fn push_escape(
        &mut self,
        character: char,
        raw: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        let mut buffer = [0; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        self.escapes.push((self.taken.0 + text.len(), self.taken.1 + raw.len()));
        self.take(text, raw, names, piece);
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, names: &mut Pseudonyms, piece: &mut Piece) {
        self.released = self.inspector.finish(names);
        self.release(true, piece);
    }

    /// Bytes as written that are held back.
    pub(crate) fn held_back(&self) -> usize {
        self.raw.len()
    }

    fn take(&mut self, text: &str, raw: &str, names: &mut Pseudonyms, piece: &mut Piece) {
        self.taken.0 += text.len();
        self.taken.1 += raw.len();
        self.raw.push_str(raw);
        self.inspector.push_into(text, names, &mut self.released);
        self.release(false, piece);
    }

    fn release(&mut self, last: bool, piece: &mut Piece) {
        piece.applied.append(&mut self.released.applied);
        piece.blocked |= self.released.blocked;
        piece.redacted |= self.released.edited;
        let restored = self.restore(last);
        let held = if last { 0 } else { self.inspector.held_back() + self.kept.len() };
        let end = self.written(self.taken.0.saturating_sub(held)).max(self.out);
        // A boundary of characters, whatever the offsets say: splitting elsewhere would panic.
        let len = self.raw.floor_char_boundary(end - self.out);
        if self.released.edited || self.released.blocked || restored {
            piece.exact = false;
            self.write_edited(piece);
        } else {
            piece.text.push_str(self.raw.get(..len).unwrap_or_default());
        }
        self.raw.drain(..len);
        self.out = end;
        // The last one passed is still needed: later offsets count on from it.
        let passed = self.escapes.partition_point(|(_, raw)| *raw <= end);
        self.escapes.drain(..passed.saturating_sub(1));
    }

    /// Puts values back for the names that the request had in their place; true if any was.
    fn restore(&mut self, last: bool) -> bool {
        let Some(restorer) = &mut self.restorer else { return false };
        let mut restored = restorer.push(&self.released.text);
        if last {
            restored.push_str(&restorer.finish());
        }
        // What a restorer holds back is the end of what it was given.
        let mut given = std::mem::take(&mut self.kept);
        given.push_str(&self.released.text);
        let passed = given.len().saturating_sub(restorer.held_back());
        self.kept = given.split_off(given.floor_char_boundary(passed));
        self.released.text = restored;
        self.released.text != given
    }

    fn write_edited(&self, piece: &mut Piece) {
        if !self.escaped {
            piece.text.push_str(&self.released.text);
            return;
        }
        let mut escaped = Vec::with_capacity(self.released.text.len());
        push_escaped(&mut escaped, &self.released.text);
        // Escaping adds ASCII only.
        piece.text.push_str(&String::from_utf8_lossy(&escaped));
    }

    /// The offset as written of an offset in the text.
    fn written(&self, offset: usize) -> usize {
        let before = self.escapes.partition_point(|(text, _)| *text <= offset);
        match before.checked_sub(1).and_then(|last| self.escapes.get(last)) {
            Some((text, raw)) => raw + (offset - text),
            // No escape lies before it.
            None => offset,
        }
    }
}
