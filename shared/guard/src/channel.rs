//! One text that goes on over many events.
//!
//! What its inspector lets pass goes to the events that brought it, which wait in the stream's queue.

use std::collections::VecDeque;

use weir_detect::Pseudonyms;
use weir_wire::content::{Delta, Form, Repeats, Scope, is_encoded, is_media};

use crate::Watch;
use crate::arguments::{self, Arguments};
use crate::piece::{Piece, PieceEdit};
use crate::queue::{Passing, Queue};
use crate::run::TextRun;

/// Longest end of a text that is looked at to see whether it is the end of a sentence, in bytes.
const MAX_LAST_WORD: usize = 64;

/// Longest beginning of a text that is kept to see whether the next event repeats it, in bytes.
const MAX_REPEATED: usize = 1024;

/// Fewest letters and digits of a text that says all of it so far: no piece begins with as many of the piece before.
const LEAST_REPEATED: usize = 8;

enum Text {
    /// As it begins: in JSON mode models answer with JSON, whose strings are inspected without their
    /// escapes.
    Value(Box<TextRun>),
    Arguments(Box<Arguments>),
    /// Base64 of a file, whose later pieces have no head of their own. Nothing in it is found or edited.
    Medium,
}

impl Text {
    fn of(watch: &Watch, form: Form) -> Self {
        match form {
            Form::Arguments => Self::Arguments(Box::new(Arguments::new(String::new(), 1))),
            _ => Self::Value(Box::new(TextRun::of_value(
                watch,
                String::new(),
                false,
                0,
                arguments::open,
            ))),
        }
    }

    fn push(&mut self, watch: &Watch, text: &str, names: &mut Pseudonyms, piece: &mut Piece) {
        match self {
            Self::Value(run) => run.push(watch, text, names, piece),
            Self::Arguments(arguments) => arguments.push(watch, text, names, piece),
            Self::Medium => piece.text.push_str(text),
        }
    }

    fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece) {
        match self {
            Self::Value(run) => run.finish(watch, names, piece),
            Self::Arguments(arguments) => arguments.finish(watch, names, piece),
            Self::Medium => {}
        }
    }
}

/// A text that comes whole, edited as it would be in pieces.
pub(crate) fn whole(watch: &Watch, form: Form, text: &str, names: &mut Pseudonyms) -> Piece {
    let mut piece = Piece::new();
    let mut whole = Text::of(watch, form);
    whole.push(watch, text, names, &mut piece);
    if !piece.blocked {
        whole.finish(watch, names, &mut piece);
    }
    piece
}

/// Whether a text begins like JSON.
pub(crate) fn is_like_json(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '['])
}

/// The state of one channel.
pub(crate) struct ChannelState {
    pub(crate) scope: Scope,
    pub(crate) choice: u32,
    pub(crate) signed: bool,
    text: Text,
    /// Bytes of text taken in.
    taken: usize,
    /// Bytes of text that may pass, or were removed.
    decided: usize,
    /// The texts of events that wait, by the names that the queue gave them.
    waiting: VecDeque<(u64, usize)>,
    /// How the text begins, and how the last piece does, its length, and the findings that were told of it, where pieces may say
    /// all of the text so far.
    first: String,
    last: (String, usize),
    told: usize,
    /// For how long other events of the same choice have come since the last one with a piece of this text.
    pub(crate) silent: usize,
}

impl ChannelState {
    pub(crate) fn new(watch: &Watch, delta: &Delta, signed: bool) -> Self {
        let text = Text::of(watch, delta.form);
        Self {
            scope: delta.scope,
            choice: delta.choice,
            signed,
            text,
            taken: 0,
            decided: 0,
            waiting: VecDeque::new(),
            first: String::new(),
            last: (String::new(), 0),
            told: 0,
            silent: 0,
        }
    }

    /// Bytes of text taken in.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes the text of the next event.
    pub(crate) fn push(
        &mut self,
        watch: &Watch,
        text: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        if self.taken == 0 && matches!(self.text, Text::Value(_)) && is_media(text) {
            self.text = Text::Medium;
            piece.medium = true;
        } else if matches!(self.text, Text::Medium) && !is_encoded(text) {
            // What follows the file is text.
            self.text = Text::of(watch, Form::String);
        }
        self.taken += text.len();
        self.silent = 0;
        self.text.push(watch, text, names, piece);
    }

    /// Whether `text` says all of the text so far, and not its next piece.
    pub(crate) fn repeats(&mut self, text: &str, repeats: Repeats) -> bool {
        let (last, len) = &mut self.last;
        let says = |byte: &&u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
        let says_enough =
            |text: &str, least| text.as_bytes().iter().filter(says).nth(least).is_some();
        let least = match repeats {
            Repeats::Never => return false,
            Repeats::Grows if text.len() > *len => 1,
            _ => LEAST_REPEATED,
        };
        if text.len() >= *len && text.starts_with(&**last) && says_enough(last, least - 1) {
            return true;
        }
        // A word that says the same in each event (`"result": "success"`) would be held as one that never ends.
        if text == last && text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            return true;
        }
        // All of what came in pieces, as some servers end a stream: another text, which no piece goes before.
        let again = text.len() == self.taken
            && text.starts_with(&self.first)
            && says_enough(text, LEAST_REPEATED - 1);
        if again {
            *len = text.len();
        }
        again
    }

    /// Notes a piece that the next may repeat.
    pub(crate) fn remember(&mut self, text: &str) {
        let head = text.get(..text.floor_char_boundary(MAX_REPEATED)).unwrap_or_default();
        if self.taken == text.len() {
            head.clone_into(&mut self.first);
        }
        let (last, len) = &mut self.last;
        *len = text.len();
        head.clone_into(last);
    }

    /// Takes a text that says all of the text so far. What was held back of that may turn out to be the beginning of a value: it
    /// goes out where the text is without a finding as far as it, and else not at all, because it comes again.
    pub(crate) fn start_over(
        &mut self,
        watch: &Watch,
        text: &str,
        names: &mut Pseudonyms,
        (piece, queue): (&mut Piece, &mut Queue),
    ) {
        let (before, held) = (self.last.1, self.taken.saturating_sub(self.decided));
        let mut rest = Piece::new();
        if text.len() == before {
            self.text.finish(watch, names, &mut rest);
        }
        self.text = Text::of(watch, Form::String);
        self.text.push(watch, text, names, piece);
        let decided = text.len().saturating_sub(self.held_back());
        let clean = piece.is_exact() && !piece.blocked && decided >= before;
        let same = before.checked_sub(held).and_then(|from| text.get(from..before));
        match same.filter(|_| clean) {
            _ if text.len() == before => {}
            Some(same) => rest.text.push_str(same),
            None => rest.edits.push(PieceEdit { at: 0, len: 0, taken: held }),
        }
        self.release_until(&rest, self.taken, queue);
        self.taken += text.len();
        self.silent = 0;
    }

    /// Leaves of what was found in a piece what was not told of the pieces before it.
    pub(crate) fn tell(&mut self, piece: &mut Piece, repeats: bool) {
        let known = if repeats { self.told.min(piece.applied.len()) } else { 0 };
        piece.applied.drain(..known);
        self.told += piece.applied.len();
    }

    /// Ends the text; what follows under its name is another.
    pub(crate) fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece) {
        self.text.finish(watch, names, piece);
    }

    fn held_back(&self) -> usize {
        match &self.text {
            Text::Value(run) => run.held_back(),
            Text::Arguments(arguments) => arguments.held_back(),
            Text::Medium => 0,
        }
    }

    /// Whether events wait for it.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn held(&self) -> Option<&str> {
        let Text::Value(run) = &self.text else { return None };
        run.held()
    }

    /// Whether the text is read as it is written, so that it may go on after its end.
    pub(crate) fn is_prose(&self) -> bool {
        self.held().is_some()
    }

    /// Whether what is held back is the end of a sentence in prose, in which no value can have begun that
    /// is worth waiting for.
    pub(crate) fn has_paused(&self) -> bool {
        let Some(held) = self.held() else { return false };
        let prose = |c: char| c.is_alphabetic() || c.is_whitespace() || ".,;:!?'\"()*`".contains(c);
        // A colon ends the scheme of an address, too.
        let ends = |c: char| c.is_whitespace() || ".!?;,)*`\"".contains(c) || !c.is_ascii();
        held.len() <= MAX_LAST_WORD && held.chars().all(prose) && held.ends_with(ends)
    }

    /// Lets the text that the queue has given a name wait for what may pass of it.
    pub(crate) fn wait(&mut self, name: (u64, usize)) {
        self.waiting.push_back(name);
    }

    /// Gives what may pass to the events that brought it.
    pub(crate) fn release(&mut self, piece: &Piece, queue: &mut Queue) {
        self.release_until(piece, self.taken.saturating_sub(self.held_back()), queue);
    }

    fn release_until(&mut self, piece: &Piece, mut until: usize, queue: &mut Queue) {
        if piece.blocked {
            // Only the beginning of the event that is blocked may go.
            until = until.min(self.taken.saturating_sub(1));
        }
        let (mut rest, mut from, mut sent) = (piece.text.as_str(), self.decided, 0);
        let mut over = Over { next: 0, done: false };
        for edit in &piece.edits {
            let exact = edit.at.saturating_sub(sent);
            let (mut own, after) = rest.split_at_checked(exact).unwrap_or((rest, ""));
            let end = (from + own.len()).min(until);
            over = self.pass(over, queue, |queue, name| {
                let (text, from) = (&mut own, &mut from);
                queue.advance(name, end, Passing::Exact { text, from })
            });
            let (mut edited, after) = after.split_at_checked(edit.len).unwrap_or((after, ""));
            (rest, sent) = (after, edit.at + edit.len);
            from = (from + edit.taken).min(until);
            // The event in which the replaced text begins takes all.
            over = self.pass(over, queue, |queue, name| {
                queue.advance(name, from, Passing::Edited(&mut edited))
            });
        }
        over = self.pass(over, queue, |queue, name| {
            let (text, from) = (&mut rest, &mut from);
            queue.advance(name, until, Passing::Exact { text, from })
        });
        self.waiting.drain(..(over.next + usize::from(over.done)).min(self.waiting.len()));
        self.decided = until;
    }

    /// Lets the texts that wait, from the next on, take their own; the last keeps what is left.
    fn pass(
        &self,
        Over { mut next, mut done }: Over,
        queue: &mut Queue,
        mut advance: impl FnMut(&mut Queue, (u64, usize)) -> bool,
    ) -> Over {
        while let Some(name) = self.waiting.get(next).copied() {
            done = advance(queue, name);
            if !done || next + 1 >= self.waiting.len() {
                break;
            }
            next += 1;
        }
        Over { next, done }
    }
}

/// How far the texts that wait have been given their own.
#[derive(Clone, Copy)]
struct Over {
    /// The next to take something.
    next: usize,
    /// All of it may pass.
    done: bool,
}
