//! What can go wrong on the command line.

use std::path::PathBuf;

/// Why a command failed. Never carries inspected text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CliError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// Standard input or output failed.
    #[error("standard input or output: {0}")]
    Stream(#[from] std::io::Error),
    /// A policy or table is no YAML, or not of the expected shape.
    #[error("{}: {reason}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The text to inspect is no text.
    #[error("standard input: not UTF-8 from byte {0} on; Weir inspects text only")]
    NotText(usize),
    /// A line of a data file is not a record.
    #[error("{}: line {line}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong; no text of the record.
        reason: String,
    },
    /// A sidecar cannot be asked, or refuses.
    #[error("{0}")]
    Sidecar(String),
    /// A result could not be written as JSON.
    #[error("result: {0}")]
    Json(#[from] serde_json::Error),
}

impl CliError {
    /// Whether the reader of standard output has gone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        let kind = match self {
            Self::Stream(error) => Some(error.kind()),
            Self::Json(error) => error.io_error_kind(),
            _ => None,
        };
        kind == Some(std::io::ErrorKind::BrokenPipe)
    }
}
