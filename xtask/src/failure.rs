//! Why a command of xtask ended early, and what its user can do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a command ended early. `Display` gives the reason, then the way out where one is known.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense; the text says what was expected.
    Usage(String),
    /// A program or a part of one that the machine has to have is not there.
    Missing {
        /// What is missing.
        what: String,
        /// What the user can do.
        remedy: String,
    },
    /// A program could be found but not started.
    Start {
        /// The command line as a person would type it.
        line: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// A program ended with a status other than zero.
    Status {
        /// The command line as a person would type it.
        line: String,
        /// How it ended: `exit status: 101`, `signal: 9`.
        status: String,
        /// What the user can do, or empty where the program's own output says enough.
        remedy: String,
    },
    /// A file below the repository could not be read or written.
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A module is larger than it may be.
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size allowed, in bytes.
        limit: u64,
    },
    /// Too many functions of the list that modules are ordered by do not exist.
    StaleList {
        /// The list, from the repository's top folder.
        path: PathBuf,
        /// How many exist.
        found: usize,
        /// How many are listed.
        listed: usize,
    },
    /// The source of a shipped configuration has a mistake; the text says where.
    Source(String),
    /// These shipped configurations are not what their sources make of them.
    Stale(Vec<PathBuf>),
    /// A file that commands read or write does not have the form that it should; the text says where.
    Form(String),
    /// Tests failed in these Envoys; their output is above.
    Envoys(Vec<String>),
    /// These tests failed; their output is above. None, where they did not end well and none is named.
    Tests(Vec<String>),
    /// These steps of `test` failed; each one's own output is above.
    Steps(Vec<&'static str>),
}

impl Failure {
    /// A [`Failure::File`] for `path`, to be given to `map_err`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Failure {
        let path = path.to_path_buf();
        move |source| Failure::File { path, source }
    }

    /// The same failure with another way out, for callers who know more than the command does.
    pub(crate) fn with_remedy(self, text: &str) -> Failure {
        match self {
            Failure::Status { line, status, .. } => {
                Failure::Status { line, status, remedy: text.to_owned() }
            }
            other => other,
        }
    }

    /// The exit code for this failure: 2 for a wrong command line, else 1.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) => write!(out, "{text}\n`cargo xtask --help` lists the commands"),
            Failure::Missing { what, remedy } => write!(out, "{what} is missing\n→ {remedy}"),
            Failure::Start { line, source } => write!(out, "could not start `{line}`: {source}"),
            Failure::Status { line, status, remedy } => {
                write!(out, "`{line}` failed ({status})")?;
                match remedy.as_str() {
                    "" => Ok(()),
                    text => write!(out, "\n→ {text}"),
                }
            }
            Failure::File { path, source } => write!(out, "{}: {source}", path.display()),
            Failure::TooLarge { path, bytes, limit } => {
                write!(out, "{} is {bytes} bytes, over the limit of {limit}", path.display())
            }
            Failure::StaleList { path, found, listed } => {
                let path = path.display();
                writeln!(out, "{path}: {found} of {listed} functions exist, not nine in ten")?;
                let command = "cargo xtask bench overhead --count --body-kb 1,32 --functions";
                write!(out, "→ `{command} {path}` lists them anew (Linux on x86-64)")
            }
            Failure::Source(text) => write!(out, "envoy-config/source: {text}"),
            Failure::Form(text) => write!(out, "{text}"),
            Failure::Tests(names) if names.is_empty() => write!(out, "the tests did not end well"),
            Failure::Tests(names) => write!(out, "{} failed: {}", names.len(), names.join(", ")),
            Failure::Envoys(versions) => write!(out, "tests failed in {}", versions.join(", ")),
            Failure::Stale(paths) => {
                let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
                let paths = paths.join(", ");
                write!(out, "out of date: {paths}\n→ `cargo xtask configs` writes them")
            }
            Failure::Steps(names) => write!(
                out,
                "failed: {}\n→ `cargo xtask test --only {}` repeats one step",
                names.join(", "),
                names.first().copied().unwrap_or("STEP")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_program_is_named_with_its_way_out() {
        let failure = Failure::Status {
            line: "pip install x".into(),
            status: "exit status: 1".into(),
            remedy: String::new(),
        };
        assert_eq!(
            failure.with_remedy("check the network").to_string(),
            "`pip install x` failed (exit status: 1)\n→ check the network"
        );
    }

    #[test]
    fn only_a_wrong_command_line_exits_with_2() {
        assert_eq!(Failure::Usage("no such command".into()).exit_code(), 2);
        assert_eq!(Failure::Steps(vec!["lint"]).exit_code(), 1);
    }
}
