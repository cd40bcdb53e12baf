//! Texts of an event that come whole.

use weir_wire::content::{EventTexts, Form, Plain, TextField};
use weir_wire::edit::Edit;

use super::Events;
use crate::channel::{self, is_like_json};
use crate::inspection::BodyInspection;
use crate::inspector::BodyInspector;
use crate::piece::Piece;

impl Events {
    /// Inspects the texts that come whole; answers with the edits of the data.
    pub(super) fn whole(
        &mut self,
        texts: &EventTexts,
        data: &[u8],
        out: &mut Vec<u8>,
    ) -> Vec<Edit> {
        let mut inspector = BodyInspector::of_event(&self.watch, &mut self.names, data);
        inspector.troubles(&texts.whole);
        let (json, plain): (Vec<_>, Vec<_>) =
            texts.whole.fields.iter().partition(|field| is_streamed_json(field, data));
        plain.into_iter().for_each(|field| inspector.field(field));
        let BodyInspection { mut edits, mut report, refusal } = inspector.inspected;
        let mut refused = refusal.is_some();
        for field in json {
            let (edit, piece) = self.in_pieces(field, data);
            report.add(&piece.applied);
            refused |= piece.blocked;
            edits.extend(edit);
        }
        self.found_whole = !report.is_empty();
        match texts.repeats {
            true => self.report.merge_repeated(report),
            false => self.report.merge(report),
        }
        if refused {
            self.refuse(out);
        }
        edits
    }

    /// A text that comes whole, edited as it would be in pieces.
    fn in_pieces(&mut self, field: &TextField, data: &[u8]) -> (Option<Edit>, Piece) {
        let raw = data.get(field.span.clone()).unwrap_or_default();
        let Some(plain) = Plain::of(raw) else { return (None, Piece::new()) };
        let piece = channel::whole(&self.watch, field.form, plain.text(), &mut self.names);
        let whole = 0..plain.text().len();
        let edit = (!piece.is_exact()).then(|| plain.edit(field.span.start, &whole, &piece.text));
        (edit, piece)
    }
}

/// Whether a text that comes whole would be read as JSON if it came in pieces: arguments, and answers
/// in JSON mode. Of what is signed no piece may be edited either way.
fn is_streamed_json(field: &TextField, data: &[u8]) -> bool {
    let text = || data.get(field.span.clone()).and_then(Plain::of);
    match field.form {
        Form::Arguments => true,
        Form::String if !field.signed => text().is_some_and(|plain| is_like_json(plain.text())),
        _ => false,
    }
}
