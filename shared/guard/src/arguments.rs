//! The arguments of a tool call: JSON that arrives in pieces, as text of a string.
//!
//! Strings are inspected without their escapes and written with them, numbers are inspected and
//! become strings where they are replaced, so that valid JSON stays valid. Where the pieces turn out
//! not to be JSON, the rest is inspected as plain text.

mod lead;
mod scalars;
mod strings;

use weir_detect::Pseudonyms;
use weir_wire::content::{is_named_before, is_option, names_next};

use crate::piece::{JsonText, Piece};
use crate::run::TextRun;
use crate::{Watch, key_context};
use lead::Lead;

/// The arguments of one tool call, or another text of JSON.
pub(crate) struct Arguments {
    state: State,
    /// What stands before it.
    outer: String,
    /// How many strings of JSON its own strings are in.
    depth: usize,
    /// A list that may yet turn out to be text (`[1] says`, `[this](https://…)`).
    lead: Option<Lead>,
    /// One entry per open container: whether it is an object.
    open: Vec<bool>,
    /// The next string of an object is a key.
    key_next: bool,
    /// A value has ended: a comma or a closing bracket must follow.
    after_value: bool,
    /// The last key as written, for the context of its value.
    key: String,
    /// The string right before, if that may name the next one, and whether one is being read.
    label: String,
    labels: bool,
    /// A piece of an escape that the last event cut.
    escape: String,
}

enum State {
    /// Between values.
    Between,
    /// In a string.
    Text { run: Box<TextRun>, key: bool },
    /// In a number.
    Number(String),
    /// In `true`, `false` or `null`, as it seems.
    Word(String),
    /// This is no JSON.
    Plain(Box<TextRun>),
}

/// Begins to read arguments in a string of arguments.
pub(crate) fn open(context: String, depth: usize, list: bool) -> Box<dyn JsonText> {
    Box::new(if list { Arguments::of_list(context, depth) } else { Arguments::new(context, depth) })
}

impl JsonText for Arguments {
    fn push(&mut self, watch: &Watch, text: &str, names: &mut Pseudonyms, piece: &mut Piece) {
        self.push(watch, text, names, piece);
    }

    fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece) {
        self.finish(watch, names, piece);
    }

    fn held_back(&self) -> usize {
        self.held_back()
    }
}

impl Arguments {
    /// JSON that stands after `outer`.
    pub(crate) fn new(outer: String, depth: usize) -> Self {
        Self {
            state: State::Between,
            outer,
            depth,
            lead: None,
            open: Vec::new(),
            key_next: false,
            after_value: false,
            key: String::new(),
            label: String::new(),
            labels: false,
            escape: String::new(),
        }
    }

    /// The same for a list, which may turn out to be text.
    pub(crate) fn of_list(outer: String, depth: usize) -> Self {
        Self { lead: Some(Lead::default()), ..Self::new(outer, depth) }
    }

    /// Bytes held back.
    pub(crate) fn held_back(&self) -> usize {
        let held = match &self.state {
            State::Between => 0,
            State::Text { run, .. } | State::Plain(run) => run.held_back(),
            State::Number(held) | State::Word(held) => held.len(),
        };
        held + self.escape.len() + self.lead.as_ref().map_or(0, |lead| lead.text.len())
    }

    /// Takes the next piece.
    pub(crate) fn push(
        &mut self,
        watch: &Watch,
        text: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        let Some(mut lead) = self.lead.take() else {
            return self.read(watch, text, names, piece);
        };
        let is_json = lead.push(text);
        self.led(watch, lead, is_json, names, piece);
    }

    /// Goes on with a list of which it shows, or not, whether it is JSON.
    fn led(
        &mut self,
        watch: &Watch,
        lead: Lead,
        is_json: Option<bool>,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        match is_json {
            None => self.lead = Some(lead),
            Some(true) => self.read(watch, &lead.text, names, piece),
            Some(false) => {
                self.state = State::Plain(self.plain(watch));
                self.read(watch, &lead.text, names, piece);
            }
        }
    }

    /// Text, from here on.
    fn plain(&self, watch: &Watch) -> Box<TextRun> {
        Box::new(TextRun::new(watch, &self.outer, false))
    }

    fn read(&mut self, watch: &Watch, mut text: &str, names: &mut Pseudonyms, piece: &mut Piece) {
        while !text.is_empty() && !piece.blocked {
            text = match std::mem::replace(&mut self.state, State::Between) {
                State::Between => self.between(watch, text, piece),
                State::Text { run, key } => self.string(watch, (run, key), text, names, piece),
                State::Number(digits) => self.number(watch, digits, text, names, piece),
                State::Word(word) => self.word(watch, word, text, names, piece),
                State::Plain(mut run) => {
                    run.push(watch, text, names, piece);
                    self.state = State::Plain(run);
                    ""
                }
            };
        }
    }

    /// Ends the arguments, complete or not.
    pub(crate) fn finish(&mut self, watch: &Watch, names: &mut Pseudonyms, piece: &mut Piece) {
        if let Some(lead) = self.lead.take() {
            let is_json = lead.is_closed();
            self.led(watch, lead, Some(is_json), names, piece);
        }
        match std::mem::replace(&mut self.state, State::Between) {
            State::Between => {}
            State::Text { mut run, .. } | State::Plain(mut run) => {
                run.finish(watch, names, piece);
            }
            State::Number(digits) => self.number_ended(watch, &digits, names, piece),
            State::Word(word) => {
                let mut run = self.plain(watch);
                run.push(watch, &word, names, piece);
                run.finish(watch, names, piece);
            }
        }
        piece.text.push_str(&std::mem::take(&mut self.escape));
    }

    /// Passes what stands between values; returns what is left of `text`.
    fn between<'t>(&mut self, watch: &Watch, text: &'t str, piece: &mut Piece) -> &'t str {
        for (at, byte) in text.bytes().enumerate() {
            let from_here = text.get(at..).unwrap_or_default();
            if self.is_misplaced(byte) {
                self.state = State::Plain(self.plain(watch));
                return from_here;
            }
            match byte {
                b'"' => {
                    self.state = self.open_string(watch);
                    piece.text.push('"');
                    return text.get(at + 1..).unwrap_or_default();
                }
                b'-' | b'0'..=b'9' => {
                    self.state = State::Number(String::new());
                    return from_here;
                }
                b't' | b'f' | b'n' => {
                    self.state = State::Word(String::new());
                    return from_here;
                }
                b'{' | b'[' | b'}' | b']' | b',' | b':' => self.structure(byte),
                b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => {
                    self.state = State::Plain(self.plain(watch));
                    return from_here;
                }
            }
            piece.text.push(char::from(byte));
        }
        ""
    }

    /// Begins a string: a key, or a value in the context of what names it.
    #[inline]
    fn open_string(&mut self, watch: &Watch) -> State {
        let key = self.key_next && self.in_object();
        let run = match key {
            true => TextRun::new(watch, "", true),
            false => TextRun::of_value(watch, self.context(), true, self.depth, open),
        };
        if key {
            self.key.clear();
        } else {
            self.labels = !self.in_object() || names_next(&self.key);
            self.label.clear();
        }
        State::Text { run: Box::new(run), key }
    }

    /// Follows a bracket, a comma or a colon: which containers are open, and what may come next.
    #[inline]
    fn structure(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' => {
                self.open.push(byte == b'{');
                self.label.clear();
            }
            b'}' | b']' => {
                self.open.pop();
                self.label.clear();
                self.after_value = true;
            }
            _ => {}
        }
        match byte {
            b'{' | b',' => (self.key_next, self.after_value) = (true, false),
            b'[' => self.after_value = false,
            b':' => (self.key_next, self.after_value) = (false, false),
            _ => {}
        }
    }

    /// Whether JSON has no value here, or none of this kind.
    fn is_misplaced(&self, byte: u8) -> bool {
        let key_next = self.key_next && self.in_object();
        match byte {
            // Another text of JSON: some servers give all calls of tools the same index.
            b'{' | b'[' if self.open.is_empty() => false,
            b'"' => self.after_value,
            b'-' | b'0'..=b'9' | b'{' | b'[' | b't' | b'f' | b'n' => self.after_value || key_next,
            _ => false,
        }
    }

    /// The context of a value: the key it stands under, or the string before that names it.
    fn context(&self) -> String {
        match self.in_object() {
            true if is_named_before(&self.key) && !self.label.is_empty() => {
                key_context(&self.label)
            }
            true => key_context(&self.key),
            false if is_option(&self.label) => key_context(&self.label),
            false => String::new(),
        }
    }

    fn in_object(&self) -> bool {
        self.open.last() == Some(&true)
    }
}
