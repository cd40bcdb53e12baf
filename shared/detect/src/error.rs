//! What is wrong with a policy.

use std::fmt;

/// Why a policy can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct PolicyError {
    /// Path of the field, as in the policy: `rules[2].min_confidence`.
    pub field: String,
    /// What is wrong with it, and what to write instead.
    pub problem: String,
}

impl PolicyError {
    // Out of line, as are the checks: they run once, and the crate is compiled for speed.
    #[cold]
    #[inline(never)]
    pub(crate) fn new(field: fmt::Arguments<'_>, problem: fmt::Arguments<'_>) -> Self {
        Self { field: field.to_string(), problem: problem.to_string() }
    }
}

/// Checks a confidence.
#[cold]
#[inline(never)]
pub(crate) fn confidence(field: fmt::Arguments<'_>, value: f32) -> Result<(), PolicyError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(PolicyError::new(field, format_args!("{value} is outside 0 to 1")))
}
