//! One module for each subcommand.

pub(crate) mod eval;
pub(crate) mod limits;
pub(crate) mod rules;
pub(crate) mod scan;
