//! From the events of the JSON reader to facts.

mod events;
mod tools;

use core::ops::Range;

use super::capture::Capture;
use super::collected::Collected;
use super::frame::{Frame, Media, Member};
use super::schema::{Slot, members};
use super::sink::{PromptSink, Stream, mark};
use super::value_type::{ValueType, count, require};
use crate::WireError;
use crate::json::Container;
use crate::long_strings::LongStrings;
use crate::path::Operation;
use tools::ToolWatch;

/// A key longer than this is none that we know.
const MAX_KEY: usize = 64;

/// What happens to the string being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// Nothing.
    Skipped,
    /// A key of a container that matters.
    Key,
    /// A short value that is kept.
    Captured(Slot),
    /// Text of the prompt.
    Prompt(Stream),
    /// Text of a string within JSON that is text as a whole.
    Raw(Stream),
    /// The same, and it may say who runs a tool.
    Tool(Stream),
    /// Data or address of a medium.
    Medium(Stream),
}

/// A container below which nothing is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Below {
    /// It means nothing.
    Ignored,
    /// All of it is text.
    Raw(Stream),
}

/// Collects the facts of one request.
#[derive(Clone)]
pub(super) struct Reader {
    operation: Operation,
    frames: Vec<Frame>,
    below: Option<(Below, u32)>,
    text: Text,
    text_at: usize,
    /// Bytes of the medium being read.
    medium_len: u64,
    capture: Capture,
    tools: ToolWatch,
    max_value: usize,
    pub(super) sink: PromptSink,
    pub(super) found: Collected,
    /// Where the long strings are, if that is to be noted.
    pub(super) strings: Option<LongStrings>,
}

impl Reader {
    /// A reader for one operation; captured values may have `max_value` bytes.
    pub(super) fn new(operation: Operation, max_value: usize) -> Self {
        Self {
            operation,
            frames: Vec::with_capacity(8),
            below: None,
            text: Text::Skipped,
            text_at: 0,
            medium_len: 0,
            capture: Capture::default(),
            tools: ToolWatch::default(),
            max_value,
            sink: PromptSink::default(),
            found: Collected::default(),
            strings: None,
        }
    }

    fn next_value(&mut self) -> Member {
        let Some(frame) = self.frames.last_mut() else {
            return Member { slot: Slot::Top, name: "body" };
        };
        frame.has_members = true;
        frame.next_value()
    }

    fn stream(&self) -> Stream {
        self.frames.last().map_or(Stream::Turns, |frame| frame.stream)
    }

    /// Where text of a member goes that belongs to the container open now.
    fn stream_of(&self, slot: Slot) -> Stream {
        match slot {
            Slot::Preamble => Stream::Preamble,
            Slot::Tools | Slot::ToolList => Stream::Tools,
            _ => self.stream(),
        }
    }

    fn open_raw(&mut self, stream: Stream, container: Container) {
        self.below = Some((Below::Raw(stream), 1));
        self.sink.push(stream, &[mark::TEXT, bracket(container, true)]);
    }

    fn open_frame(&mut self, member: Member, container: Container, at: usize) {
        let stream = self.stream_of(member.slot);
        match member.slot {
            Slot::Top => self.found.object_open = at,
            Slot::Message => {
                self.found.begin_message();
                self.sink.mark(stream, mark::MESSAGE);
            }
            Slot::StreamOptions => self.found.begin_stream_options(at),
            _ => {}
        }
        let mut frame = Frame::new(member, container == Container::Array, stream);
        frame.media.image = member.slot == Slot::Image;
        frame.media.audio = member.slot == Slot::Audio;
        self.frames.push(frame);
    }

    fn close_frame(&mut self, frame: Frame, end: usize) {
        match frame.slot {
            Slot::Top => self.found.has_members = frame.has_members,
            Slot::StreamOptions => self.found.end_stream_options(end, frame.has_members),
            Slot::Image | Slot::Audio | Slot::Media => self.note_media(frame.media),
            Slot::Part => self.found.count_media(frame.media),
            Slot::Message if !frame.array => {
                self.found.count_media(frame.media);
                self.end_message();
            }
            _ => {}
        }
    }

    fn end_message(&mut self) {
        if self.found.end_message(self.operation) {
            self.sink.end_user_message();
        }
    }

    fn note_media(&mut self, media: Media) {
        if let Some(frame) = self.frames.last_mut() {
            frame.media = frame.media.with(media);
        }
    }

    /// What to do with a string value.
    fn string_value(&mut self, member: Member, at: usize) -> Result<Text, WireError> {
        require(member, ValueType::String, at)?;
        let stream = self.stream_of(member.slot);
        Ok(match member.slot {
            Slot::Model
            | Slot::User
            | Slot::CacheSalt
            | Slot::Session
            | Slot::CacheKey
            | Slot::Role
            | Slot::Kind
            | Slot::Detail => {
                self.capture.start(self.max_value);
                Text::Captured(member.slot)
            }
            Slot::Items => {
                self.found.begin_message();
                self.sink.push(stream, &[mark::MESSAGE, mark::ROLE]);
                self.sink.push(stream, b"user");
                self.begin_text(stream)
            }
            Slot::Preamble | Slot::Content | Slot::Part | Slot::Text | Slot::Prompt => {
                self.begin_text(stream)
            }
            Slot::TensorData | Slot::Raw | Slot::Tools => self.begin_text(stream),
            Slot::ToolList => {
                self.found.runs_tools = true;
                self.begin_text(stream)
            }
            Slot::Store | Slot::Background | Slot::ServerWork => {
                self.found.work(member.slot, true);
                Text::Skipped
            }
            Slot::Image | Slot::Audio | Slot::Media | Slot::MediaData => {
                let (image, audio) = (member.slot == Slot::Image, member.slot == Slot::Audio);
                self.note_media(Media { image, audio, ..Media::default() });
                self.medium_len = 0;
                Text::Medium(stream)
            }
            _ => Text::Skipped,
        })
    }

    fn begin_text(&mut self, stream: Stream) -> Text {
        self.sink.mark(stream, mark::TEXT);
        Text::Prompt(stream)
    }

    /// A key that was captured.
    #[cold]
    fn end_key(&mut self) -> Result<(), WireError> {
        let mut capture = core::mem::take(&mut self.capture);
        // A key that was cut off is longer than all that are known.
        let taken = self.key(capture.text().unwrap_or_default(), self.text_at);
        self.capture = capture;
        taken
    }

    /// A key (unescaped) that started at `at`.
    fn key(&mut self, key: &[u8], at: usize) -> Result<(), WireError> {
        let Some(frame) = self.frames.last_mut() else {
            return Ok(());
        };
        frame.has_members = true;
        let rows = members(self.operation, frame.slot);
        frame.key(rows, key, at)
    }

    /// A value that was captured.
    #[cold]
    fn end_captured(&mut self, slot: Slot, end: usize) -> Result<(), WireError> {
        let mut capture = core::mem::take(&mut self.capture);
        let span = self.text_at..end;
        let Some(text) = capture.text() else {
            let field = self.frames.last().map_or("", |frame| frame.member.name);
            return Err(WireError::TooLong { at: span.start, field, limit: self.max_value });
        };
        self.captured(slot, text, span)?;
        self.capture = capture;
        Ok(())
    }

    /// A short value (unescaped) that is kept, or decides something.
    fn captured(&mut self, slot: Slot, text: &[u8], span: Range<usize>) -> Result<(), WireError> {
        match slot {
            Slot::Kind => self.note_media(Media::of_kind(text)),
            Slot::Detail => self.note_media(Media { low: text == b"low", ..Media::default() }),
            Slot::Role => {
                self.found.role(text);
                let stream = self.stream();
                self.sink.mark(stream, mark::ROLE);
                self.sink.push(stream, text);
            }
            _ => return self.found.string(slot, text, span),
        }
        Ok(())
    }

    fn scalar(&mut self, member: Member, kind: ValueType<'_>, at: usize) -> Result<(), WireError> {
        require(member, kind, at)?;
        match kind {
            ValueType::Number(text) if member.slot == Slot::Prompt => {
                self.found.token_ids = self.found.token_ids.saturating_add(1);
                let stream = self.stream();
                let id = count(text).and_then(|id| u32::try_from(id).ok());
                self.sink.push_id(stream, id.unwrap_or(u32::MAX));
            }
            _ => self.found.scalar(member.slot, kind, at),
        }
        Ok(())
    }
}

fn bracket(container: Container, open: bool) -> u8 {
    match (container, open) {
        (Container::Object, true) => b'{',
        (Container::Object, false) => b'}',
        (Container::Array, true) => b'[',
        (Container::Array, false) => b']',
    }
}
