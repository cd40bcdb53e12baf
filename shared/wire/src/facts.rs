//! What the filters of one chain tell each other about a request, as bytes.
//!
//! The form is for filters of one build that share one filter-state value; a version in the first
//! byte makes a mixed chain refuse instead of misread. It holds no text of the prompt, and of who
//! asks only hashes.

mod codec;

pub use codec::FactsError;

use weir_fingerprint::{Fingerprint, Seed, text_hash};

use crate::path::{Dialect, Endpoint, Operation};
use crate::request::RequestFacts;

/// The facts of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whose form the exchange has.
    pub dialect: Dialect,
    /// What is asked for.
    pub operation: Operation,
    /// The model's name as the client wrote it.
    pub model: String,
    /// The name that the replica is sent.
    pub upstream_model: String,
    /// The pool that serves it.
    pub pool: String,
    /// The LoRA adapter, if the model is one.
    pub adapter: Option<String>,
    /// The policies that the model's entry names for the filters that follow; most often none.
    pub policies: Vec<FilterPolicy>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Whether it must not be run twice.
    pub runs_once: bool,
    /// Limit of output tokens.
    pub max_tokens: Option<u64>,
    /// How many choices.
    pub n: Option<u64>,
    /// Estimated tokens of the prompt.
    pub prompt_tokens: u32,
    /// How many messages.
    pub messages: u32,
    /// How many images.
    pub images: u32,
    /// How many pieces of sound.
    pub audio: u32,
    /// Length of the body as the client sent it.
    pub body_len: u64,
    /// Hash of the cache salt.
    pub cache_salt: Option<u64>,
    /// Hash of the end user.
    pub user: Option<u64>,
    /// Hash of the session that the body names.
    pub session: Option<u64>,
    /// The conversation's fingerprint.
    pub conversation: Fingerprint,
    /// Bytes of the canonical prompt.
    pub prompt_bytes: u64,
    /// Those of them that are the preamble.
    pub preamble_bytes: u64,
    /// The prefix fingerprints, shortest prefix first.
    pub fingerprints: Vec<Fingerprint>,
}

/// The policy that one filter is to apply to a request, whatever its route says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterPolicy {
    /// The filter, by its `root_id`.
    pub filter: String,
    /// The policy's name.
    pub name: String,
}

/// Where a request goes, as its model name decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The model's name as the client wrote it.
    pub model: &'a str,
    /// The name that the replica is sent.
    pub upstream_model: &'a str,
    /// The pool.
    pub pool: &'a str,
    /// The LoRA adapter.
    pub adapter: Option<&'a str>,
}

impl Facts {
    /// The facts of a request whose body was read and whose destination is known.
    pub fn new(endpoint: &Endpoint, request: &RequestFacts, to: Destination<'_>) -> Self {
        let hash = |text: &Option<String>| text.as_ref().map(|text| text_hash(text.as_bytes()));
        let cache_salt = hash(&request.cache_salt);
        let seed = Seed::new(to.upstream_model, to.adapter, cache_salt, request.tools);
        Self {
            dialect: endpoint.dialect,
            operation: endpoint.operation,
            model: to.model.to_owned(),
            upstream_model: to.upstream_model.to_owned(),
            pool: to.pool.to_owned(),
            adapter: to.adapter.map(str::to_owned),
            policies: Vec::new(),
            stream: request.stream || endpoint.stream_by_path,
            runs_once: request.runs_once,
            max_tokens: request.max_tokens,
            n: request.n,
            prompt_tokens: request.prompt_tokens(),
            messages: request.messages,
            images: request.images,
            audio: request.audio,
            body_len: request.body_len as u64,
            cache_salt,
            user: hash(&request.user),
            session: hash(&request.session),
            conversation: request.prefix.conversation(seed),
            prompt_bytes: request.prefix.bytes(),
            preamble_bytes: request.prefix.preamble_bytes(),
            fingerprints: request.prefix.fingerprints(seed),
        }
    }

    /// The policy that the model's entry names for `filter`.
    pub fn policy_of(&self, filter: &str) -> Option<&str> {
        let mut policies = self.policies.iter();
        policies.find(|policy| policy.filter == filter).map(|policy| policy.name.as_str())
    }

    /// Prompt tokens that the fingerprint at `index` covers; 0 if there is none.
    pub fn covered_tokens(&self, index: usize) -> u64 {
        let tokens = u64::from(self.prompt_tokens);
        weir_fingerprint::covered_tokens(index, self.preamble_bytes, self.prompt_bytes, tokens)
    }
}

#[cfg(test)]
mod tests;
