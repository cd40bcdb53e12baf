//! Numbers and words of JSON that arrives in pieces.

use weir_detect::Pseudonyms;

use super::{Arguments, State};
use crate::Watch;
use crate::inspector::is_harmless_number;
use crate::piece::Piece;
use crate::run::TextRun;

/// Longest number that is inspected as one; a longer one is plain text.
const MAX_NUMBER: usize = 128;

impl Arguments {
    /// Goes on in a word; what is no word of JSON is plain text from its first letter on.
    pub(super) fn word<'t>(
        &mut self,
        watch: &Watch,
        mut word: String,
        text: &'t str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) -> &'t str {
        let len = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (more, rest) = text.split_at_checked(len).unwrap_or((text, ""));
        word.push_str(more);
        let words = ["true", "false", "null"];
        if !rest.is_empty() && words.contains(&word.as_str()) {
            self.after_value = true;
            self.label.clear();
            piece.text.push_str(&word);
        } else if rest.is_empty() && words.iter().any(|whole| whole.starts_with(&word)) {
            self.state = State::Word(word);
        } else {
            let mut run = self.plain(watch);
            run.push(watch, &word, names, piece);
            self.state = State::Plain(run);
        }
        rest
    }

    /// Goes on in a number; returns what is left of `text`.
    pub(super) fn number<'t>(
        &mut self,
        watch: &Watch,
        mut digits: String,
        text: &'t str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) -> &'t str {
        let part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
        let space = |byte: &u8| byte.is_ascii_whitespace();
        let mut len = 0;
        if !digits.bytes().last().is_some_and(|last| space(&last)) {
            len = text.bytes().take_while(|byte| part(byte)).count();
        }
        len += text.bytes().skip(len).take_while(|byte| space(byte)).count();
        let (more, rest) = text.split_at_checked(len).unwrap_or((text, ""));
        digits.push_str(more);
        // What follows tells whether this was the whole number: of "4111 1111" it was not.
        match rest.bytes().next() {
            None if digits.len() <= MAX_NUMBER => self.state = State::Number(digits),
            Some(b',' | b'}' | b']') if digits.len() <= MAX_NUMBER => {
                self.after_value = true;
                self.number_ended(watch, &digits, names, piece);
                self.label.clear();
            }
            _ => {
                let mut run = self.plain(watch);
                run.push(watch, &digits, names, piece);
                self.state = State::Plain(run);
            }
        }
        rest
    }

    /// Inspects a number of which all has come.
    pub(super) fn number_ended(
        &self,
        watch: &Watch,
        digits: &str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) {
        let number = digits.trim_ascii_end();
        let space = digits.get(number.len()..).unwrap_or_default();
        if is_harmless_number(number.len(), &watch.policy) {
            piece.text.push_str(digits);
            return;
        }
        let mut run = TextRun::new(watch, &self.context(), true);
        let mut own = Piece::new();
        run.push(watch, number, names, &mut own);
        run.finish(watch, names, &mut own);
        match own.is_exact() {
            true => piece.text.push_str(number),
            false => piece.push_edited(number, &format!("\"{}\"", own.text)),
        }
        piece.text.push_str(space);
        piece.applied.append(&mut own.applied);
        piece.redacted |= own.redacted;
        piece.blocked |= own.blocked;
    }
}
