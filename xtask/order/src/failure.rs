//! What can go wrong.

use std::io;
use std::path::{Path, PathBuf};

use wasm_encoder::reencode;
use wasmparser::BinaryReaderError;

/// Why a module was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The module can't be read.
    #[error("not a module that can be read: {0}")]
    Unreadable(#[from] BinaryReaderError),
    /// The module has something that can't be written again.
    #[error("cannot write the module again: {0}")]
    Unwritable(#[from] reencode::Error),
    /// The module has a part that this program would lose.
    #[error("the module has a section that is not known here: {0}")]
    Unknown(&'static str),
}

impl Failure {
    /// For `map_err`: what happened to this file.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_path_buf();
        |source| Failure::File { path, source }
    }
}
