//! One test, and what it saw.

use crate::error::Error;
use crate::stack::Stack;

/// What a test saw: as expected, or not.
pub(crate) type Seen = Result<String, Wrong>;

/// Why a test failed.
#[derive(Debug)]
pub(crate) enum Wrong {
    /// It saw something else.
    Seen(String),
    /// It could not look.
    Harness(Error),
    /// There is nothing here to look at.
    Skipped(&'static str),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self::Harness(error)
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Seen(text) => out.write_str(text),
            Self::Harness(error) => write!(out, "could not look: {error}"),
            Self::Skipped(reason) => out.write_str(reason),
        }
    }
}

/// `seen` if it is as expected.
pub(crate) fn expect(as_expected: bool, seen: impl Into<String>) -> Seen {
    let seen = seen.into();
    if as_expected { Ok(seen) } else { Err(Wrong::Seen(seen)) }
}

/// One test.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) group: &'static str,
    /// What it tries.
    pub(crate) name: &'static str,
    /// What it expects to see.
    pub(crate) expected: &'static str,
    /// Only when asked for, because it takes minutes.
    pub(crate) nightly: bool,
    /// Looks.
    pub(crate) run: fn(&Stack) -> Seen,
}

impl Case {
    pub(crate) const fn new(
        group: &'static str,
        name: &'static str,
        expected: &'static str,
        run: fn(&Stack) -> Seen,
    ) -> Self {
        Self { group, name, expected, nightly: false, run }
    }

    pub(crate) const fn nightly(self) -> Self {
        Self { nightly: true, ..self }
    }
}
