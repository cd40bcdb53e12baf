//! The container engine: `docker`, and `docker compose` or docker-compose, whichever there is.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::error::Error;

/// What runs the containers of one project.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    /// `docker compose`, or `docker-compose`.
    compose: Vec<String>,
    file: PathBuf,
    /// What the compose file calls variables.
    variables: Vec<(String, String)>,
    /// The project's name.
    pub(crate) project: String,
}

impl Engine {
    /// An engine for a project whose compose file is `file`.
    ///
    /// # Errors
    /// [`Error::NoEngine`] with the reason.
    pub(crate) fn new(
        project: &str,
        file: PathBuf,
        variables: Vec<(String, String)>,
    ) -> Result<Self, Error> {
        answers(&["docker", "version", "--format", "{{.Server.Version}}"]).map_err(|problem| {
            Error::NoEngine(format!("no container engine answers `docker version`: {problem}"))
        })?;
        let known = [vec!["docker", "compose", "version"], vec!["docker-compose", "version"]];
        let found = known.iter().find(|words| answers(words).is_ok());
        let found = found.and_then(|words| words.split_last()).map(|(_, compose)| compose);
        let compose = found.ok_or_else(|| {
            Error::NoEngine("neither `docker compose` nor `docker-compose` is there".to_owned())
        })?;
        let compose = compose.iter().map(|word| (*word).to_owned()).collect();
        Ok(Self { compose, file, variables, project: project.to_owned() })
    }

    /// Runs `docker` and returns what it wrote to stdout.
    ///
    /// # Errors
    /// When it can't be started or fails.
    pub(crate) fn docker(&self, arguments: &[&str]) -> Result<String, Error> {
        output(Command::new("docker").args(arguments))
    }

    /// Starts `docker` with a pipe as its standard input and output each.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start_docker(&self, arguments: &[&str]) -> Result<Child, Error> {
        let mut command = Command::new("docker");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let line = line(&command);
        command.spawn().map_err(|source| Error::Start { line, source })
    }

    /// Runs `docker compose` with this project and file.
    ///
    /// # Errors
    /// When it can't be started or fails.
    pub(crate) fn compose(&self, arguments: &[&str]) -> Result<String, Error> {
        let (program, first) = self
            .compose
            .split_first()
            .ok_or_else(|| Error::NoEngine("no compose program".to_owned()))?;
        let mut command = Command::new(program);
        command.args(first).arg("--project-name").arg(&self.project).arg("--file").arg(&self.file);
        command.args(arguments);
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        output(&mut command)
    }
}

fn answers(words: &[&str]) -> Result<(), Error> {
    let (program, arguments) = words.split_first().unwrap_or((&"", &[]));
    output(Command::new(program).args(arguments)).map(drop)
}

fn output(command: &mut Command) -> Result<String, Error> {
    let line = line(command);
    match command.stdin(Stdio::null()).output() {
        Ok(output) => text(&line, &output),
        Err(source) => Err(Error::Start { line, source }),
    }
}

/// What a program that has ended wrote to stdout.
///
/// # Errors
/// [`Error::Failed`] if it failed, with the last of what it wrote to stderr.
pub(crate) fn text(line: &str, output: &Output) -> Result<String, Error> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let written = String::from_utf8_lossy(&output.stderr);
    let mut last: Vec<_> = written.trim().lines().rev().take(6).collect();
    last.reverse();
    Err(Error::Failed { line: line.to_owned(), output: last.join("\n") })
}

/// The command as a person would type it, long arguments cut.
fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words = words.map(|word| word.to_string_lossy().chars().take(120).collect::<String>());
    words.collect::<Vec<_>>().join(" ")
}
