//! What can go wrong.

use std::path::PathBuf;

/// Why the harness could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A program ended with a status other than zero.
    #[error("`{line}` failed: {output}")]
    Failed {
        /// The command line.
        line: String,
        /// What it wrote to stderr.
        output: String,
    },
    /// A program could not be started.
    #[error("could not start `{line}`: {source}")]
    Start {
        /// The command line.
        line: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What a program wrote is not what was expected.
    #[error("{what}: {found}")]
    Unexpected {
        /// What was expected.
        what: String,
        /// What was found, at most its beginning.
        found: String,
    },
    /// No engine that this can work with answers.
    #[error("{0}")]
    NoEngine(String),
    /// Some tests failed.
    #[error("{failed} of {all} tests failed")]
    Tests {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
}

impl Error {
    /// An [`Error::Unexpected`] with the beginning of what was found.
    pub(crate) fn unexpected(what: impl Into<String>, found: impl std::fmt::Display) -> Self {
        let found: String = found.to_string().chars().take(400).collect();
        Self::Unexpected { what: what.into(), found }
    }
}
