//! The bytes of [`Facts`]: little-endian integers, strings behind their length.

use thiserror::Error;
use weir_fingerprint::MAX_FINGERPRINTS;

use super::{Facts, FilterPolicy};
use crate::path::{Dialect, Operation};

/// Raised whenever the form changes.
const VERSION: u8 = 3;

/// Most policies that a model's entry names: one for each filter that has some.
const MAX_POLICIES: usize = 8;

const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini, Dialect::Kserve];

const OPERATIONS: [Operation; 15] = [
    Operation::ChatCompletions,
    Operation::Completions,
    Operation::Embeddings,
    Operation::Responses,
    Operation::Rerank,
    Operation::Score,
    Operation::Moderations,
    Operation::ListModels,
    Operation::RetrieveModel,
    Operation::Messages,
    Operation::CountTokens,
    Operation::GenerateContent,
    Operation::EmbedContent,
    Operation::Infer,
    Operation::Generate,
];

/// Bytes that are not facts of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FactsError {
    /// Written by another version.
    #[error("facts version {found}, this build reads {VERSION}")]
    Version {
        /// The version found.
        found: u8,
    },
    /// The bytes end too early.
    #[error("facts are cut off")]
    Truncated,
    /// A value that no encoder writes.
    #[error("facts field `{field}` is invalid")]
    Invalid {
        /// The field.
        field: &'static str,
    },
    /// More bytes follow.
    #[error("{len} bytes after the facts")]
    TrailingBytes {
        /// How many.
        len: usize,
    },
}

impl Facts {
    /// The facts as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(256 + 8 * self.fingerprints.len()));
        out.byte(VERSION);
        out.byte(index_of(&DIALECTS, &self.dialect));
        out.byte(index_of(&OPERATIONS, &self.operation));
        out.byte(self.stream.into());
        out.byte(self.runs_once.into());
        out.text(&self.model);
        out.text(&self.upstream_model);
        out.text(&self.pool);
        out.option(self.adapter.as_deref(), Writer::text);
        let policies = self.policies.get(..MAX_POLICIES).unwrap_or(&self.policies);
        out.byte(u8::try_from(policies.len()).unwrap_or(0));
        for policy in policies {
            out.text(&policy.filter);
            out.text(&policy.name);
        }
        out.option(self.max_tokens, Writer::long);
        out.option(self.n, Writer::long);
        out.int(self.prompt_tokens);
        out.int(self.messages);
        out.int(self.images);
        out.int(self.audio);
        out.long(self.body_len);
        out.option(self.cache_salt, Writer::long);
        out.option(self.user, Writer::long);
        out.option(self.session, Writer::long);
        out.long(self.conversation);
        out.long(self.prompt_bytes);
        out.long(self.preamble_bytes);
        let fingerprints = self.fingerprints.iter().take(MAX_FINGERPRINTS);
        out.int(u32::try_from(fingerprints.len()).unwrap_or(0));
        fingerprints.for_each(|mark| out.long(*mark));
        out.0
    }

    /// The facts from bytes of any origin.
    ///
    /// # Errors
    /// [`FactsError`] if the bytes are not what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, FactsError> {
        let mut input = Reader(bytes);
        let found = input.byte()?;
        if found != VERSION {
            return Err(FactsError::Version { found });
        }
        let facts = Self {
            dialect: input.one_of(&DIALECTS, "dialect")?,
            operation: input.one_of(&OPERATIONS, "operation")?,
            stream: input.one_of(&[false, true], "stream")?,
            runs_once: input.one_of(&[false, true], "runs_once")?,
            model: input.text("model")?,
            upstream_model: input.text("upstream_model")?,
            pool: input.text("pool")?,
            adapter: input.option("adapter", |input| input.text("adapter"))?,
            policies: input.policies()?,
            max_tokens: input.option("max_tokens", Reader::long)?,
            n: input.option("n", Reader::long)?,
            prompt_tokens: input.int()?,
            messages: input.int()?,
            images: input.int()?,
            audio: input.int()?,
            body_len: input.long()?,
            cache_salt: input.option("cache_salt", Reader::long)?,
            user: input.option("user", Reader::long)?,
            session: input.option("session", Reader::long)?,
            conversation: input.long()?,
            prompt_bytes: input.long()?,
            preamble_bytes: input.long()?,
            fingerprints: input.fingerprints()?,
        };
        match input.0.len() {
            0 => Ok(facts),
            len => Err(FactsError::TrailingBytes { len }),
        }
    }
}

fn index_of<T: PartialEq>(all: &[T], value: &T) -> u8 {
    let index = all.iter().position(|other| other == value);
    index.and_then(|index| u8::try_from(index).ok()).unwrap_or(u8::MAX)
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn int(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.int(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend(text.bytes());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], FactsError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(FactsError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FactsError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(FactsError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, FactsError> {
        self.array().map(|[byte]| byte)
    }

    fn int(&mut self) -> Result<u32, FactsError> {
        self.array().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64, FactsError> {
        self.array().map(u64::from_le_bytes)
    }

    fn one_of<T: Copy>(&mut self, all: &[T], field: &'static str) -> Result<T, FactsError> {
        let index = self.byte()?;
        all.get(usize::from(index)).copied().ok_or(FactsError::Invalid { field })
    }

    fn text(&mut self, field: &'static str) -> Result<String, FactsError> {
        let len = usize::try_from(self.int()?).map_err(|_| FactsError::Truncated)?;
        let text = core::str::from_utf8(self.take(len)?);
        text.map(str::to_owned).map_err(|_| FactsError::Invalid { field })
    }

    fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, FactsError>,
    ) -> Result<Option<T>, FactsError> {
        if self.one_of(&[false, true], field)? { read(self).map(Some) } else { Ok(None) }
    }

    fn policies(&mut self) -> Result<Vec<FilterPolicy>, FactsError> {
        let len = usize::from(self.byte()?);
        if len > MAX_POLICIES {
            return Err(FactsError::Invalid { field: "policies" });
        }
        let policy =
            |_| Ok(FilterPolicy { filter: self.text("policies")?, name: self.text("policies")? });
        (0..len).map(policy).collect()
    }

    fn fingerprints(&mut self) -> Result<Vec<u64>, FactsError> {
        let len = usize::try_from(self.int()?).unwrap_or(usize::MAX);
        if len > MAX_FINGERPRINTS {
            return Err(FactsError::Invalid { field: "fingerprints" });
        }
        let bytes = self.take(8 * len)?;
        Ok(bytes.as_chunks().0.iter().map(|mark| u64::from_le_bytes(*mark)).collect())
    }
}
