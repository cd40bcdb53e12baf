//! Paths as data.
