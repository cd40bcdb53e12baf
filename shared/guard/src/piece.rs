//! What comes of a piece of a text.

use weir_detect::{Applied, Pseudonyms};

use crate::Watch;

/// What a piece of a text led to.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// What may pass, as it has to be written.
    pub(crate) text: String,
    /// Findings.
    pub(crate) applied: Vec<Applied>,
    /// Where it is not what came in, in order.
    pub(crate) edits: Vec<PieceEdit>,
    /// Something was replaced.
    pub(crate) redacted: bool,
    /// Nothing more may pass.
    pub(crate) blocked: bool,
    /// The text has turned out to be an encoded medium.
    pub(crate) medium: bool,
}

/// Text of a piece that stands for other text that came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PieceEdit {
    /// Its offset in the piece's text, in bytes.
    pub(crate) at: usize,
    /// Its bytes there.
    pub(crate) len: usize,
    /// The bytes that it stands for.
    pub(crate) taken: usize,
}

impl Piece {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether the text is exactly the next bytes that came in.
    pub(crate) fn is_exact(&self) -> bool {
        self.edits.is_empty()
    }

    /// Adds `text` in place of `raw`, which came in. What both begin and end with is no edit.
    pub(crate) fn push_edited(&mut self, raw: &str, text: &str) {
        let pairs = || raw.bytes().zip(text.bytes());
        let head = raw.floor_char_boundary(pairs().take_while(|(one, other)| one == other).count());
        let left = raw.len().min(text.len()) - head;
        let ends = raw.bytes().rev().zip(text.bytes().rev()).take(left);
        let tail = ends.take_while(|(one, other)| one == other).count();
        let end = raw.ceil_char_boundary(raw.len() - tail);
        let (len, taken) = (text.len() - head - (raw.len() - end), end - head);
        self.edits.push(PieceEdit { at: self.text.len() + head, len, taken });
        self.text.push_str(text);
    }

    /// The same, with memory for its text.
    pub(crate) fn new_in(mut text: String) -> Self {
        text.clear();
        Self { text, ..Self::new() }
    }
}

/// JSON in a text: what reads it is made of texts again, so a text knows it by this only.
pub(crate) trait JsonText {
    /// Takes text.
    fn push(&mut self, watch: &Watch, text: &str, names: &mut Pseudonyms, piece: &mut Piece);
    /// The text has ended.
    fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece);
    /// Bytes held back.
    fn held_back(&self) -> usize;
}

/// Begins to read an object (or a list, if that is true) that stands after a context, in so many strings of JSON.
pub(crate) type OpenJson = fn(context: String, depth: usize, list: bool) -> Box<dyn JsonText>;
