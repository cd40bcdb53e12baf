//! Bodies as data.
