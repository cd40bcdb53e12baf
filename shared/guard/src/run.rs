//! One text on its way through an inspector, with the bytes that it was written as.

use std::borrow::Cow;

use weir_detect::{Inspector, Pseudonyms, Released, Restorer};
use weir_wire::edit::push_escaped;

use crate::Watch;
use crate::inspector::MAX_JSON_DEPTH;
use crate::piece::{JsonText, OpenJson, Piece};

/// What reads a text.
enum Reader {
    /// It begins with white space, so what it is does not show yet; after this context.
    Unknown { context: String, open: OpenJson },
    /// As text.
    Plain { inspector: Box<Inspector>, restorer: Option<Restorer>, kept: String },
    /// As JSON.
    Json(Box<dyn JsonText>),
}

/// A text in pieces: as it reads, and as it is written (with or without the escapes of JSON).
///
/// What is released without an edit is written as it came, byte for byte.
pub(crate) struct TextRun {
    reader: Reader,
    /// How many strings of JSON it is in.
    depth: usize,
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
        Self::read_by(plain(watch, context), escaped, 0)
    }

    /// A value that may be JSON, which `open` then reads, inside of so many strings of JSON.
    pub(crate) fn of_value(
        watch: &Watch,
        context: String,
        escaped: bool,
        depth: usize,
        open: OpenJson,
    ) -> Self {
        let reader = match depth < MAX_JSON_DEPTH {
            true => Reader::Unknown { context, open },
            false => plain(watch, &context),
        };
        Self::read_by(reader, escaped, depth)
    }

    fn read_by(reader: Reader, escaped: bool, depth: usize) -> Self {
        Self {
            reader,
            depth,
            released: Released::default(),
            escaped,
            raw: String::new(),
            escapes: Vec::new(),
            taken: (0, 0),
            out: 0,
        }
    }

    /// Takes text that is written as it reads.
    pub(crate) fn push(
        &mut self,
        watch: &Watch,
        text: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        self.take(watch, text, text, names, piece);
    }

    /// Takes a character that is written as the escape `raw`.
    pub(crate) fn push_escape(
        &mut self,
        watch: &Watch,
        character: char,
        raw: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        let mut buffer = [0; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        self.escapes.push((self.taken.0 + text.len(), self.taken.1 + raw.len()));
        self.take(watch, text, raw, names, piece);
    }

    /// Ends the text.
    pub(crate) fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece) {
        match &mut self.reader {
            Reader::Unknown { .. } => {}
            Reader::Plain { inspector, .. } => {
                self.released = inspector.finish(names);
                self.release(true, piece);
            }
            Reader::Json(arguments) => {
                let mut own = Piece::new();
                arguments.finish(watch, names, &mut own);
                self.release_json(own, piece);
            }
        }
    }

    /// Bytes as written that are held back.
    pub(crate) fn held_back(&self) -> usize {
        self.raw.len()
    }

    /// What is held back of a text that is no JSON, as written.
    pub(crate) fn held(&self) -> Option<&str> {
        matches!(self.reader, Reader::Plain { .. }).then_some(&self.raw)
    }

    fn take(
        &mut self,
        watch: &Watch,
        text: &str,
        raw: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        self.taken.0 += text.len();
        self.taken.1 += raw.len();
        self.raw.push_str(raw);
        if let Reader::Unknown { context, open } = &mut self.reader {
            let Some(first) = text.bytes().find(|byte| !byte.is_ascii_whitespace()) else {
                self.released.text.clear();
                return self.pass(self.taken.1, false, piece);
            };
            let (context, open) = (std::mem::take(context), *open);
            self.reader = match first {
                b'{' => Reader::Json(open(context, self.depth + 1, false)),
                b'[' => Reader::Json(open(context, self.depth + 1, true)),
                _ => plain(watch, &context),
            };
        }
        match &mut self.reader {
            Reader::Plain { inspector, .. } => {
                inspector.push_into(text, names, &mut self.released);
                self.release(false, piece);
            }
            Reader::Json(arguments) => {
                let mut own = Piece::new_in(std::mem::take(&mut self.released.text));
                arguments.push(watch, text, names, &mut own);
                self.release_json(own, piece);
            }
            Reader::Unknown { .. } => {}
        }
    }

    fn release(&mut self, last: bool, piece: &mut Piece) {
        piece.applied.append(&mut self.released.applied);
        piece.blocked |= self.released.blocked;
        piece.redacted |= self.released.edited;
        let restored = self.restore(last);
        let held = match &self.reader {
            Reader::Plain { inspector, kept, .. } if !last => inspector.held_back() + kept.len(),
            _ => 0,
        };
        let end = self.written(self.taken.0.saturating_sub(held));
        self.pass(end, self.released.edited || self.released.blocked || restored, piece);
    }

    /// Writes what was read as JSON in the way that this text is written.
    fn release_json(&mut self, mut own: Piece, piece: &mut Piece) {
        piece.applied.append(&mut own.applied);
        piece.blocked |= own.blocked;
        piece.redacted |= own.redacted;
        let held = match &self.reader {
            Reader::Json(arguments) => arguments.held_back(),
            _ => 0,
        };
        let end = self.written(self.taken.0.saturating_sub(held));
        let edited = !own.is_exact() || own.blocked;
        self.released.text = own.text;
        self.pass(end, edited, piece);
    }

    /// Lets what is written before `end` pass: as it came or, if it was edited, as it was released.
    fn pass(&mut self, end: usize, edited: bool, piece: &mut Piece) {
        debug_assert!(end <= self.taken.1, "more passes than has come");
        let end = end.max(self.out);
        debug_assert!(self.raw.is_char_boundary(end - self.out), "half a character passes");
        // A boundary of characters, whatever the offsets say: splitting elsewhere would panic.
        let len = self.raw.floor_char_boundary(end - self.out);
        let raw = self.raw.get(..len).unwrap_or_default();
        match edited {
            true => piece.push_edited(raw, &self.edited_text()),
            false => piece.text.push_str(raw),
        }
        self.raw.drain(..len);
        self.out = end;
        // The last one passed is still needed: later offsets count on from it.
        let passed = self.escapes.partition_point(|(_, raw)| *raw <= end);
        self.escapes.drain(..passed.saturating_sub(1));
    }

    /// Puts values back for the names that the request had in their place; true if any was.
    fn restore(&mut self, last: bool) -> bool {
        let Reader::Plain { restorer: Some(restorer), kept, .. } = &mut self.reader else {
            return false;
        };
        let mut restored = restorer.push(&self.released.text);
        if last {
            restored.push_str(&restorer.finish());
        }
        // What a restorer holds back is the end of what it was given.
        let mut given = std::mem::take(kept);
        given.push_str(&self.released.text);
        let passed = given.len().saturating_sub(restorer.held_back());
        *kept = given.split_off(given.floor_char_boundary(passed));
        self.released.text = restored;
        self.released.text != given
    }

    /// What was released, as it has to be written.
    fn edited_text(&self) -> Cow<'_, str> {
        if !self.escaped {
            return Cow::Borrowed(&self.released.text);
        }
        let mut escaped = Vec::with_capacity(self.released.text.len());
        push_escaped(&mut escaped, &self.released.text);
        // Escaping adds ASCII only.
        Cow::Owned(String::from_utf8_lossy(&escaped).into_owned())
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

fn plain(watch: &Watch, context: &str) -> Reader {
    let restore = !watch.pseudonyms.is_empty();
    Reader::Plain {
        inspector: Box::new(watch.inspector(context)),
        restorer: restore.then(|| Restorer::new(watch.pseudonyms.clone())),
        kept: String::new(),
    }
}
