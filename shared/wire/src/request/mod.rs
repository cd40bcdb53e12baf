//! Facts of a JSON request body, read once in chunks, with byte spans.
//!
//! [`RequestScanner`] takes the body chunk after chunk, in any pieces, and keeps no copy of it. It
//! accepts exactly the objects that JSON allows, and of those it refuses what different parsers
//! would understand differently or what could slip past a check:
//! - a key that decides something (`model`, `messages`, `content`, `stream`, `max_tokens`, …)
//!   given twice in one object, however it is escaped;
//! - such a key with a value of the wrong type (`"stream": "true"`);
//! - a lone surrogate, which is no text;
//! - a model whose name holds control characters or characters that are not shown;
//! - a byte order mark; nesting deeper than [`ScanLimits::max_depth`]; names longer than
//!   [`ScanLimits::max_value`].
//!
//! Numbers are checked for their grammar only: `1e999` is accepted where it means nothing to us.
//!
//! ```
//! use weir_wire::path::Operation;
//! use weir_wire::request::{RequestScanner, ScanLimits};
//!
//! let mut scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
//! scanner.feed(br#"{"mod\u0065l": "llama", "messages": [{"role": "us"#)?;
//! assert_eq!(scanner.model().map(|model| model.name.as_str()), Some("llama"));
//! scanner.feed(br#"er", "content": "Hello"}], "stream": true}"#)?;
//! let facts = scanner.finish()?;
//! assert!(facts.stream);
//! assert_eq!(facts.messages, 1);
//! # Ok::<(), weir_wire::WireError>(())
//! ```

mod capture;
mod collected;
mod facts;
mod frame;
mod reader;
mod schema;
mod sink;
mod value_type;

pub use facts::{ModelField, RequestFacts, StreamOptions};

use core::fmt;

use crate::WireError;
use crate::json::Lexer;
use crate::long_strings::LongStrings;
use crate::path::Operation;
use reader::Reader;

/// Limits of a request body. Its size is for the caller to limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanLimits {
    /// The deepest nesting of objects and arrays; at most 128.
    pub max_depth: u32,
    /// The longest model name, user, session or cache salt, in bytes.
    pub max_value: usize,
}

impl Default for ScanLimits {
    /// Tool schemas of real clients nest 20 deep; names have a few dozen bytes.
    fn default() -> Self {
        Self { max_depth: 96, max_value: crate::name::MAX_BYTES }
    }
}

/// Reads the body of one request.
#[derive(Clone)]
pub struct RequestScanner {
    operation: Operation,
    lexer: Lexer,
    reader: Reader,
    failed: Option<WireError>,
}

impl fmt::Debug for RequestScanner {
    /// Without the text that is still under way.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestScanner")
            .field("operation", &self.operation)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

impl RequestScanner {
    /// A scanner for a body sent to `operation`.
    pub fn new(operation: Operation, limits: ScanLimits) -> Self {
        Self {
            operation,
            lexer: Lexer::new(limits.max_depth),
            reader: Reader::new(operation, limits.max_value),
            failed: None,
        }
    }

    /// Notes where the long strings are: [`RequestFacts::strings`].
    #[must_use]
    pub fn noting_strings(mut self) -> Self {
        self.reader.strings = Some(LongStrings::default());
        self
    }

    /// Reads the next chunk of the body.
    ///
    /// # Errors
    /// The first thing wrong with the body; every later call returns the same.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), WireError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let read = self.lexer.feed(chunk, &mut self.reader);
        self.failed = read.err();
        read
    }

    /// The model, as soon as its value has been read.
    pub fn model(&self) -> Option<&ModelField> {
        self.reader.found.model.as_ref()
    }

    /// Ends the body.
    ///
    /// # Errors
    /// What was wrong with it, or [`WireError::Truncated`].
    pub fn finish(self) -> Result<RequestFacts, WireError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.lexer.finish()?;
        let body_len = self.lexer.offset();
        let Reader { found, sink, strings, .. } = self.reader;
        let prompt = sink.finish();
        let runs_once = found.runs_once(self.operation);
        let mut counts = prompt.counts;
        counts.token_ids = found.token_ids;
        Ok(RequestFacts {
            operation: self.operation,
            model: found.model,
            stream: found.stream,
            stream_options: found.stream_options,
            max_tokens: found.max_output.or(found.max_tokens),
            n: found.n,
            user: found.user,
            cache_salt: found.cache_salt,
            session: found.session.or(found.cache_key),
            object_open: found.object_open,
            has_members: found.has_members,
            messages: found.messages,
            images: found.images,
            images_low: found.images_low,
            audio: found.audio,
            audio_base64: found.audio_base64,
            counts,
            prefix: prompt.prefix,
            tools: prompt.tools,
            runs_once,
            strings: strings.unwrap_or_default(),
            body_len,
        })
    }
}

#[cfg(test)]
mod tests;
