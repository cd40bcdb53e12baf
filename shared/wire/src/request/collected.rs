//! The facts found so far.

use core::ops::Range;

use super::facts::{ModelField, StreamOptions};
use super::frame::Media;
use super::schema::Slot;
use super::value_type::{ValueType, count};
use crate::WireError;
use crate::json::Literal;
use crate::name;
use crate::path::Operation;

/// Who speaks, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    User,
    Other,
}

/// What was found in the body.
#[derive(Clone, Default)]
pub(super) struct Collected {
    pub(super) model: Option<ModelField>,
    pub(super) stream: bool,
    pub(super) stream_options: Option<StreamOptions>,
    pub(super) max_output: Option<u64>,
    pub(super) max_tokens: Option<u64>,
    pub(super) n: Option<u64>,
    pub(super) user: Option<String>,
    pub(super) cache_salt: Option<String>,
    pub(super) session: Option<String>,
    pub(super) cache_key: Option<String>,
    pub(super) object_open: usize,
    pub(super) has_members: bool,
    pub(super) messages: u32,
    pub(super) images: u32,
    pub(super) images_low: u32,
    pub(super) audio: u32,
    pub(super) audio_base64: u64,
    pub(super) token_ids: u64,
    /// What `store` says; `None` if it is not there.
    store: Option<bool>,
    /// Whether the server is to do more than to generate.
    server_work: bool,
    /// Whether the server runs some tool.
    pub(super) runs_tools: bool,
    speaker: Option<Speaker>,
}

impl Collected {
    /// A message begins.
    pub(super) fn begin_message(&mut self) {
        self.speaker = None;
    }

    /// The role of the message.
    pub(super) fn role(&mut self, role: &[u8]) {
        self.speaker = Some(if role == b"user" { Speaker::User } else { Speaker::Other });
    }

    /// A message ended; true if it was a user's. Gemini takes a missing role for the user's.
    pub(super) fn end_message(&mut self, operation: Operation) -> bool {
        self.messages = self.messages.saturating_add(1);
        let default = match operation {
            Operation::GenerateContent | Operation::CountTokens => Speaker::User,
            _ => Speaker::Other,
        };
        self.speaker.unwrap_or(default) == Speaker::User
    }

    /// A part with media ended.
    pub(super) fn count_media(&mut self, media: Media) {
        self.images = self.images.saturating_add(media.image.into());
        self.images_low = self.images_low.saturating_add((media.image && media.low).into());
        if media.audio {
            self.audio = self.audio.saturating_add(1);
            self.audio_base64 = self.audio_base64.saturating_add(media.len);
        }
    }

    /// A member that asks the server for more than to generate is there, and is neither null nor false (`on`).
    pub(super) fn work(&mut self, slot: Slot, on: bool) {
        match slot {
            Slot::Store => self.store = Some(on),
            _ => self.server_work |= on,
        }
    }

    /// Whether the request must not be run twice. The Responses API keeps what does not say `store: false`.
    pub(super) fn runs_once(&self, operation: Operation) -> bool {
        let stored = self.store.unwrap_or(operation == Operation::Responses);
        stored || self.server_work || self.runs_tools
    }

    /// `stream_options` opens as an object.
    pub(super) fn begin_stream_options(&mut self, at: usize) {
        let options = StreamOptions { span: at..at, has_members: false, include_usage: None };
        self.stream_options = Some(options);
    }

    /// `stream_options` closed.
    pub(super) fn end_stream_options(&mut self, end: usize, has_members: bool) {
        if let Some(options) = &mut self.stream_options {
            options.span.end = end;
            options.has_members = has_members;
        }
    }

    /// A captured string. Text that the JSON reader accepted is UTF-8.
    pub(super) fn string(
        &mut self,
        slot: Slot,
        text: &[u8],
        span: Range<usize>,
    ) -> Result<(), WireError> {
        let text = String::from_utf8_lossy(text).into_owned();
        match slot {
            Slot::Model if !name::is_plain(&text) => {
                return Err(WireError::HiddenCharacter { at: span.start, field: "model" });
            }
            Slot::Model => self.model = Some(ModelField { name: text, span }),
            Slot::User => self.user = self.user.take().or(Some(text)),
            Slot::CacheSalt => self.cache_salt = Some(text),
            Slot::Session => self.session = self.session.take().or(Some(text)),
            Slot::CacheKey => self.cache_key = Some(text),
            _ => {}
        }
        Ok(())
    }

    /// A number or literal whose type fits its slot.
    pub(super) fn scalar(&mut self, slot: Slot, value: ValueType<'_>, at: usize) {
        let flag = value == ValueType::Literal(Literal::True);
        let number = match value {
            ValueType::Number(text) => count(text),
            _ => None,
        };
        match slot {
            Slot::Stream => self.stream = flag,
            Slot::MaxOutput => self.max_output = number,
            Slot::MaxTokens => self.max_tokens = number,
            // `n`, and `best_of`, of which `n` are sent and all are generated.
            Slot::Choices => self.n = self.n.max(number),
            Slot::StreamOptions => {
                let span = at..at.saturating_add(Literal::Null.text().len());
                self.stream_options =
                    Some(StreamOptions { span, has_members: false, include_usage: None });
            }
            Slot::IncludeUsage => self.include_usage(value, at),
            Slot::Store | Slot::Background | Slot::ServerWork => self.scalar_work(slot, value),
            _ => {}
        }
    }

    fn scalar_work(&mut self, slot: Slot, value: ValueType<'_>) {
        match value {
            ValueType::Literal(Literal::Null) => {}
            ValueType::Literal(Literal::False) => self.work(slot, false),
            _ => self.work(slot, true),
        }
    }

    fn include_usage(&mut self, value: ValueType<'_>, at: usize) {
        let (Some(options), ValueType::Literal(literal)) = (&mut self.stream_options, value) else {
            return;
        };
        let span = at..at.saturating_add(literal.text().len());
        options.include_usage = Some((literal == Literal::True, span));
    }
}
