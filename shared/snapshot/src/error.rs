//! Why a push is refused.

use crate::limits::{
    MAX_ADAPTERS_PER_ENDPOINT, MAX_BODY_BYTES, MAX_DISTINCT_ADAPTERS, MAX_ENDPOINTS, MAX_EPOCH,
    MAX_GRANTS, MAX_NAME_BYTES, MESSAGE_VERSION,
};

/// Why a body is no valid snapshot.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The body is over the limit.
    #[error("body: {bytes} bytes, at most {MAX_BODY_BYTES}")]
    TooLarge {
        /// Size of the body.
        bytes: usize,
    },
    /// The body is not the JSON of a message.
    #[error("body: {problem} (line {line}, column {column})")]
    Malformed {
        /// What the parser met, at most 200 bytes.
        problem: String,
        /// Line from 1.
        line: usize,
        /// Column from 1.
        column: usize,
    },
    /// The message is of a version that this build does not know.
    #[error(
        "version: {version}, this gateway reads version {MESSAGE_VERSION} only; update {}",
        if *version < u64::from(MESSAGE_VERSION) { "weir-sidecar" } else { "Weir in the gateway" }
    )]
    UnknownVersion {
        /// The version in the message.
        version: u64,
    },
    /// A value is outside its limits.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// A value outside its limits. Each message names the field, the value and the limit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// Another version than the one this crate writes.
    #[error("version: {0} is unknown, must be {MESSAGE_VERSION}")]
    Version(u32),
    /// A pool name that is empty, too long, or has other characters.
    #[error("pool: {0:?} must be 1 to {MAX_NAME_BYTES} letters, digits or any of . _ - : /")]
    PoolName(String),
    /// Sequence 0.
    #[error("sequence: 0, must be 1 or more")]
    Sequence,
    /// An epoch that nothing could follow.
    #[error("epoch: {0}, at most {MAX_EPOCH}")]
    Epoch(u64),
    /// Lines of a fleet's limits that are none. They are not repeated.
    #[error("fleet: must be lines of news and at most {MAX_GRANTS} grants")]
    Fleet,
    /// A zone that is empty or too long.
    #[error("endpoints[{index}].zone: a name of {bytes} bytes, must be 1 to {MAX_NAME_BYTES}")]
    Zone {
        /// Position of the endpoint.
        index: usize,
        /// Length of the name.
        bytes: usize,
    },
    /// Too many endpoints.
    #[error("endpoints: {0} entries, at most {MAX_ENDPOINTS}")]
    TooManyEndpoints(usize),
    /// An address that is no `ip:port`.
    #[error("endpoints[{index}].address: {value:?} is no ip:port with a port from 1 to 65535")]
    Address {
        /// Position of the endpoint.
        index: usize,
        /// The value, cut to 64 characters.
        value: String,
    },
    /// An address that an earlier endpoint has already.
    #[error("endpoints[{index}].address: {value} is listed more than once")]
    DuplicateAddress {
        /// Position of the later endpoint.
        index: usize,
        /// The address in its canonical spelling.
        value: String,
    },
    /// A share that is no number from 0 to 1.
    #[error("endpoints[{index}].{field}: {value}, must be from 0 to 1")]
    Fraction {
        /// Position of the endpoint.
        index: usize,
        /// Name of the field.
        field: &'static str,
        /// The value.
        value: f64,
    },
    /// Too many adapters at one endpoint.
    #[error("endpoints[{index}].{field}: {count} names, at most {MAX_ADAPTERS_PER_ENDPOINT}")]
    TooManyAdapters {
        /// Position of the endpoint.
        index: usize,
        /// Name of the field.
        field: &'static str,
        /// Number of names.
        count: usize,
    },
    /// An adapter name that is empty or too long.
    #[error("endpoints[{index}].{field}: a name of {bytes} bytes, must be 1 to {MAX_NAME_BYTES}")]
    AdapterName {
        /// Position of the endpoint.
        index: usize,
        /// Name of the field.
        field: &'static str,
        /// Length of the name.
        bytes: usize,
    },
    /// Too many different adapters in the pool.
    #[error("endpoints: more than {MAX_DISTINCT_ADAPTERS} distinct adapter names")]
    TooManyDistinctAdapters,
}
