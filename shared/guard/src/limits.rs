//! What a stream may take.

/// Longest event that is read, in bytes. The longest that servers send repeat a whole response.
pub const MAX_EVENT_BYTES: usize = 4 << 20;
