//! What stands beside the data of a server-sent event: comments, names, lines of no meaning, and bytes that
//! are no event at all, such as a JSON body that calls itself a stream.
//!
//! Clients dispatch nothing for it, and yet it reaches them: a reader that takes a response for what it is, and
//! not for what its `content-type` says, reads all of it. So it is inspected as text.

use std::ops::Range;

use weir_wire::edit::Edit;
use weir_wire::sse::{Event, Field, Line};

use crate::Watch;
use crate::body::InspectBody;
use crate::inspection::BodyInspection;

/// Longest id or name of an event that is taken for one by its characters.
const LONGEST_NAME: usize = 64;

/// Inspects what stands beside the data of `event`; `None` where nothing does that could be text. Edits are of
/// the event's bytes.
pub(crate) fn inspect(
    watch: &Watch,
    event: Event<'_>,
    inspect_any: InspectBody,
) -> Option<BodyInspection> {
    let mut texts = event.lines.iter().filter(|line| is_text(event, line)).peekable();
    texts.peek()?;
    let has_data = event.lines.iter().any(|line| line.field == Field::Data);
    if !has_data {
        // It may be JSON in several lines.
        return Some(inspect_any(watch, event.raw));
    }
    let mut found = BodyInspection::default();
    for line in texts {
        let span = whole_line(event.raw, line);
        let part = inspect_any(watch, event.raw.get(span.clone()).unwrap_or_default());
        found.report.merge(part.report);
        found.refusal = found.refusal.or(part.refusal);
        found.edits.extend(part.edits.into_iter().map(|edit| moved(edit, span.start)));
    }
    Some(found)
}

/// Whether a line may hold text. Names and ids of letters, digits and few marks are what they say they are.
fn is_text(event: Event<'_>, line: &Line) -> bool {
    let value = event.raw.get(line.value.clone()).unwrap_or_default().trim_ascii();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(byte);
    match line.field {
        Field::Data | Field::Retry => false,
        Field::Event | Field::Id => value.len() > LONGEST_NAME || !value.iter().all(plain),
        Field::Comment => !value.is_empty(),
        Field::Other => true,
    }
}

/// The line from its first byte, which a name comes before in a line of no meaning.
fn whole_line(raw: &[u8], line: &Line) -> Range<usize> {
    let before = raw.get(..line.value.start).unwrap_or_default();
    let start = before.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
    start.map_or(0, |end| end.saturating_add(1))..line.value.end
}

fn moved(edit: Edit, by: usize) -> Edit {
    let span = edit.span.start.saturating_add(by)..edit.span.end.saturating_add(by);
    Edit { span, ..edit }
}
