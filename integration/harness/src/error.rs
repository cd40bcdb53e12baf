//! What can go wrong while something is started or asked.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A failure of the harness or of what it runs; the message says what to do where that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// Something that set-up or build makes is not there.
    #[error("{what} is missing at {path}: run `{remedy}` first")]
    Missing {
        /// What is missing.
        what: String,
        /// Where it was looked for.
        path: PathBuf,
        /// The command that makes it.
        remedy: &'static str,
    },
    /// A module is older than a source that it was built from.
    #[error("{module} is older than {source_file}: run `cargo xtask build` first")]
    Stale {
        /// The module.
        module: PathBuf,
        /// The source that changed.
        source_file: PathBuf,
    },
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A configuration is not the YAML that it should be.
    #[error("configuration {name}: {problem}")]
    Config {
        /// Where the configuration comes from.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No port could be found or listened on.
    #[error("no free port: {0}")]
    Port(#[source] io::Error),
    /// A program can't be started.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// A program ended before it was ready.
    #[error("{program} ended with {status} before it was ready:\n{log}")]
    Ended {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The lines of its log that matter.
        log: String,
    },
    /// Something did not happen in time.
    #[error("{what} took longer than {limit:?}\n{log}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
        /// The lines of a log that may say why; empty if there is none.
        log: String,
    },
    /// An HTTP exchange failed.
    #[error("{what}: {source}")]
    Http {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An answer is not of the expected form.
    #[error("{what}: {problem}")]
    Answer {
        /// Whose answer.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The simulated replicas can't be started.
    #[error(transparent)]
    Replica(#[from] weir_replica::StartError),
}

impl HarnessError {
    /// Whether there was no connection, so that nothing of a request can have arrived.
    pub fn is_unconnected(&self) -> bool {
        let Self::Http { source, .. } = self else { return false };
        let source = source.downcast_ref::<hyper_util::client::legacy::Error>();
        source.is_some_and(hyper_util::client::legacy::Error::is_connect)
    }

    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }

    pub(crate) fn http<E>(what: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let what = what.into();
        move |source| Self::Http { what, source: source.into() }
    }
}
