//! Strings in arguments: read without their escapes, which a piece may cut.

use weir_detect::Pseudonyms;

use super::{Arguments, State};
use crate::piece::Piece;
use crate::run::TextRun;
use crate::{MAX_CONTEXT_KEY, Watch};

impl Arguments {
    /// Goes on in a string; returns what is left of `text`.
    pub(super) fn string<'t>(
        &mut self,
        watch: &Watch,
        (mut run, key): (Box<TextRun>, bool),
        text: &'t str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) -> &'t str {
        if !self.escape.is_empty() {
            let rest = self.escaped(watch, &mut run, text, names, piece);
            self.state = State::Text { run, key };
            return rest;
        }
        let end = memchr::memchr2(b'"', b'\\', text.as_bytes()).unwrap_or(text.len());
        let (run_of_text, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        if key && self.key.len() <= MAX_CONTEXT_KEY {
            self.key.push_str(run_of_text);
        } else if !key && self.labels && self.label.len() <= MAX_CONTEXT_KEY {
            self.label.push_str(run_of_text);
        }
        if !run_of_text.is_empty() {
            run.push(watch, run_of_text, names, piece);
        }
        match rest.strip_prefix('"') {
            Some(rest) => {
                run.finish(watch, names, piece);
                piece.text.push('"');
                self.after_value = true;
                rest
            }
            None => {
                self.escape.push_str(rest.get(..1).unwrap_or_default());
                self.state = State::Text { run, key };
                rest.get(1..).unwrap_or_default()
            }
        }
    }

    /// Goes on in an escape; returns what is left of `text`.
    fn escaped<'t>(
        &mut self,
        watch: &Watch,
        run: &mut TextRun,
        text: &'t str,
        names: &mut Pseudonyms,
        piece: &mut Piece,
    ) -> &'t str {
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            self.escape.push(next);
            match weir_wire::content::unescape_one(self.escape.as_bytes()) {
                Ok(None) => {}
                Ok(Some(character)) => {
                    let escape = std::mem::take(&mut self.escape);
                    run.push_escape(watch, character, &escape, names, piece);
                    return rest.as_str();
                }
                // No escape that JSON knows: its characters are text.
                Err(_) => {
                    run.push(watch, &std::mem::take(&mut self.escape), names, piece);
                    return rest.as_str();
                }
            }
        }
        ""
    }
}
