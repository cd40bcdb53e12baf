//! Replies as data.
