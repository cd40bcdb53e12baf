//! The only crate that names host calls: fallible, bytes in and out.
