//! What each event of the JSON reader does.

use super::{Below, MAX_KEY, Reader, Text, bracket};
use crate::WireError;
use crate::json::{Container, Handler, Literal, StringRole};
use crate::request::frame::{Frame, Media};
use crate::request::schema::Slot;
use crate::request::sink::Stream;
use crate::request::value_type::{ValueType, require};

impl Handler for Reader {
    fn open(&mut self, container: Container, at: usize) -> Result<(), WireError> {
        if let Some((below, depth)) = &mut self.below {
            *depth += 1;
            if let Below::Raw(stream) = *below {
                self.sink.mark(stream, bracket(container, true));
            }
            return Ok(());
        }
        let member = self.next_value();
        require(member, ValueType::Container(container), at)?;
        match member.slot {
            Slot::Ignored => self.below = Some((Below::Ignored, 1)),
            Slot::Raw | Slot::Text | Slot::Tools => {
                self.open_raw(self.stream_of(member.slot), container);
            }
            Slot::ToolList => {
                self.tools.begin(self.operation);
                self.found.runs_tools |= container != Container::Array;
                self.open_raw(self.stream_of(member.slot), container);
            }
            Slot::Store | Slot::Background | Slot::ServerWork => {
                self.found.work(member.slot, true);
                self.below = Some((Below::Ignored, 1));
            }
            _ => self.open_frame(member, container, at),
        }
        Ok(())
    }

    fn close(&mut self, container: Container, end: usize) -> Result<(), WireError> {
        if let Some((below, depth)) = &mut self.below {
            *depth -= 1;
            let (below, ended) = (*below, *depth == 0);
            if let Below::Raw(stream) = below {
                self.sink.mark(stream, bracket(container, false));
            }
            if ended {
                self.below = None;
                self.tools.end();
            }
            return Ok(());
        }
        if let Some(frame) = self.frames.pop() {
            self.close_frame(frame, end);
        }
        Ok(())
    }

    fn string_begin(&mut self, role: StringRole, at: usize) -> Result<(), WireError> {
        self.text_at = at;
        self.text = match (self.below, role) {
            (Some((Below::Ignored, _)), _) => Text::Skipped,
            (Some((Below::Raw(stream), depth)), _) => {
                self.sink.mark(stream, b'"');
                if self.tools.listens(depth, role) {
                    self.capture.start(MAX_KEY);
                    Text::Tool(stream)
                } else {
                    Text::Raw(stream)
                }
            }
            (None, StringRole::Key) => {
                self.capture.start(MAX_KEY);
                Text::Key
            }
            (None, StringRole::Value) => {
                let member = self.next_value();
                self.string_value(member, at)?
            }
        };
        Ok(())
    }

    #[inline]
    fn text(&mut self, piece: &[u8]) {
        match self.text {
            Text::Prompt(stream) | Text::Raw(stream) => self.sink.push(stream, piece),
            Text::Key | Text::Captured(_) => self.capture.push(piece),
            Text::Tool(stream) => {
                self.sink.push(stream, piece);
                self.capture.push(piece);
            }
            Text::Medium(_) => {
                self.medium_len = self.medium_len.saturating_add(piece.len() as u64);
                self.sink.push_medium(piece);
            }
            Text::Skipped => {}
        }
    }

    fn string_end(&mut self, role: StringRole, end: usize) -> Result<(), WireError> {
        if let Some(strings) = &mut self.strings {
            strings.note(self.text_at, end);
        }
        match core::mem::replace(&mut self.text, Text::Skipped) {
            Text::Key => return self.end_key(),
            Text::Captured(slot) => return self.end_captured(slot, end),
            Text::Raw(stream) => self.end_raw(stream, role),
            Text::Tool(stream) => {
                self.end_raw(stream, role);
                // What was cut off is longer than all that are known.
                let text = self.capture.text().unwrap_or_default();
                self.found.runs_tools |= self.tools.is_run_by_server(role, text);
            }
            Text::Medium(stream) => {
                self.note_media(Media { len: self.medium_len, ..Media::default() });
                self.sink.end_medium(stream);
            }
            Text::Prompt(stream) => self.end_text(stream),
            Text::Skipped => {}
        }
        Ok(())
    }

    fn string(
        &mut self,
        role: StringRole,
        text: &[u8],
        at: usize,
        end: usize,
    ) -> Result<(), WireError> {
        if role == StringRole::Key && self.below.is_none() {
            return self.key(text, at);
        }
        self.string_begin(role, at)?;
        match self.text {
            Text::Captured(slot) if text.len() <= self.max_value => {
                self.text = Text::Skipped;
                self.captured(slot, text, at..end)
            }
            _ => {
                self.text(text);
                self.string_end(role, end)
            }
        }
    }

    fn message(&mut self, role: &[u8], content_at: usize) -> bool {
        let frame = self.frames.last_mut().filter(|_| self.below.is_none());
        let Some(list) = frame.filter(|frame| frame.array && frame.slot.element() == Slot::Message)
        else {
            return false;
        };
        if role.len() > self.max_value {
            return false;
        }
        list.has_members = true;
        let (frame, stream) = (Frame::of_message(list.name, list.stream), list.stream);
        self.frames.push(frame);
        self.found.begin_message();
        self.found.role(role);
        self.sink.begin_message(stream, role);
        (self.text, self.text_at) = (Text::Prompt(stream), content_at);
        true
    }

    fn number(&mut self, text: &[u8], at: usize) -> Result<(), WireError> {
        self.any_scalar(text, ValueType::Number(text), at)
    }

    fn literal(&mut self, literal: Literal, at: usize) -> Result<(), WireError> {
        self.any_scalar(literal.text(), ValueType::Literal(literal), at)
    }
}

impl Reader {
    fn any_scalar(&mut self, text: &[u8], kind: ValueType, at: usize) -> Result<(), WireError> {
        match self.below {
            Some((Below::Ignored, _)) => Ok(()),
            Some((Below::Raw(stream), _)) => {
                self.sink.push(stream, text);
                self.sink.mark(stream, b',');
                Ok(())
            }
            None => {
                let member = self.next_value();
                self.scalar(member, kind, at)
            }
        }
    }

    fn end_raw(&mut self, stream: Stream, role: StringRole) {
        let after: &[u8] = if role == StringRole::Key { b"\":" } else { b"\"," };
        self.sink.push(stream, after);
    }

    fn end_text(&mut self, stream: Stream) {
        // The only text that is a message of its own: a Responses input that is a string.
        let alone = self.frames.last().is_some_and(|frame| frame.member.slot == Slot::Items);
        if alone && stream == Stream::Turns {
            self.found.role(b"user");
            self.end_message();
        }
    }
}
