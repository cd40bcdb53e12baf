//! What gateways have learned of prefix caches, on its way through a sidecar.

use serde::{Deserialize, Serialize};

use crate::limits::MAX_PREFIXES_DIGITS;

/// Two numbers of 64 bits, and a `-`.
const MAX_CURSOR_BYTES: usize = 41;

/// In a push: what other gateways have learned of the prefix caches of a pool's replicas, and up to where this one has told
/// the sidecar. In a reply: what this one has learned since.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LearnedPrefixes {
    /// Up to where the gateway has told: what its last reply said, or `0-0`.
    pub cursor: String,
    /// Events in hex, at most [`MAX_PREFIXES_DIGITS`]; only gateways read them.
    pub events: String,
}

impl LearnedPrefixes {
    /// Whether it has the form that a sidecar hands on.
    pub(crate) fn fits(&self) -> bool {
        let cursor = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        self.events.len() <= MAX_PREFIXES_DIGITS
            && self.events.bytes().all(|digit| digit.is_ascii_hexdigit())
            && self.cursor.len() <= MAX_CURSOR_BYTES
            && self.cursor.bytes().all(cursor)
    }
}
