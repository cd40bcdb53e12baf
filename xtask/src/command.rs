//! Running other programs: echoed as a person would type them, failures as values.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::failure::Failure;
use crate::layout::Layout;

/// One program to run, from the repository's top folder.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
    line: String,
}

impl Run {
    /// A run of `program`, without arguments yet.
    pub(crate) fn program(layout: &Layout, program: impl AsRef<OsStr>) -> Run {
        let mut command = Command::new(program.as_ref());
        command.current_dir(layout.root());
        forget_own_package(&mut command);
        let line = shown(layout.root(), program.as_ref());
        Run { command, line }
    }

    /// A run of the cargo that started xtask, so that both use one toolchain.
    pub(crate) fn cargo(layout: &Layout) -> Run {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut run = Run::program(layout, program);
        run.line = "cargo".to_owned();
        run
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Run {
        let folder = self.command.get_current_dir().map(Path::to_path_buf);
        self.line.push(' ');
        self.line.push_str(&shown(&folder.unwrap_or_default(), argument.as_ref()));
        self.command.arg(argument);
        self
    }

    /// Adds several arguments.
    pub(crate) fn args(self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
        arguments.into_iter().fold(self, Run::arg)
    }

    /// Runs in another folder.
    pub(crate) fn folder(mut self, folder: &Path) -> Run {
        self.command.current_dir(folder);
        self
    }

    /// Sets a variable of the program's environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.command.env(name, value);
        self
    }

    /// Runs to the end with the terminal's own output.
    ///
    /// # Errors
    /// [`Failure::Start`] if the program can't be started, [`Failure::Status`] if it fails.
    pub(crate) fn shown(mut self) -> Result<(), Failure> {
        println!("  $ {}", self.line);
        let status = self.command.status();
        let status = status.map_err(|source| self.unstartable(source))?;
        match status.success() {
            true => Ok(()),
            false => Err(self.ended(status.to_string())),
        }
    }

    /// Runs to the end, shows each line that it writes to stdout, and returns whether it ended well, with those lines.
    ///
    /// # Errors
    /// [`Failure::Start`] if the program can't be started.
    pub(crate) fn followed(mut self) -> Result<(bool, String), Failure> {
        println!("  $ {}", self.line);
        let started = self.command.stdout(Stdio::piped()).spawn();
        let mut process = started.map_err(|source| self.unstartable(source))?;
        let mut output = String::new();
        let lines = process.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        for line in lines.into_iter().flatten().map_while(Result::ok) {
            println!("{line}");
            output.push_str(&line);
            output.push('\n');
        }
        let status = process.wait().map_err(|source| self.unstartable(source))?;
        Ok((status.success(), output))
    }

    /// Becomes the program, for programs that are the task: its exit code is xtask's, and a signal
    /// to xtask's process id reaches it. Returns only when it can't be started.
    ///
    /// # Errors
    /// [`Failure::Start`] if the program can't be started.
    pub(crate) fn handed_over(mut self) -> Result<ExitCode, Failure> {
        println!("  $ {}", self.line);
        let source = self.command.exec();
        Err(self.unstartable(source))
    }

    /// Runs silently and returns what it wrote to stdout.
    ///
    /// # Errors
    /// As [`Run::shown`].
    pub(crate) fn captured(mut self) -> Result<String, Failure> {
        let output = self.command.stdin(Stdio::null()).output();
        let output = output.map_err(|source| self.unstartable(source))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(self.ended(output.status.to_string())),
        }
    }

    fn unstartable(&self, source: std::io::Error) -> Failure {
        Failure::Start { line: self.line.clone(), source }
    }

    fn ended(&self, status: String) -> Failure {
        Failure::Status { line: self.line.clone(), status, remedy: String::new() }
    }
}

/// Cargo describes xtask's own package to xtask in variables. Some build scripts watch these, and
/// would run again each time a command is called by xtask after having been called by hand.
fn forget_own_package(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
}

/// `text` with the repository's own path left out, for lines that people read.
fn shown(root: &Path, text: &OsStr) -> String {
    match Path::new(text).strip_prefix(root) {
        Ok(relative) => relative.display().to_string(),
        Err(_) => text.to_string_lossy().into_owned(),
    }
}

/// The program of this name in a folder of PATH, if there is one.
pub(crate) fn found_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// The PATH of this process with `folder` in front.
pub(crate) fn path_with(folder: PathBuf) -> OsString {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.clone()).chain(std::env::split_paths(&inherited));
    // Joining fails only if a folder's name holds the separator: then the inherited PATH stays.
    std::env::join_paths(folders).unwrap_or(inherited)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_files_relative_to_the_repository() {
        let root = Path::new("/repo");
        assert_eq!(shown(root, OsStr::new("/repo/target/x")), "target/x");
        assert_eq!(shown(root, OsStr::new("--quiet")), "--quiet");
    }

    #[test]
    fn a_folder_put_in_front_is_searched_first() {
        let path = path_with("/first".into());
        let folders: Vec<_> = std::env::split_paths(&path).collect();
        assert_eq!(folders.first(), Some(&PathBuf::from("/first")));
        assert!(folders.len() > 1);
    }

    #[test]
    fn a_failing_program_is_a_value_that_names_it() {
        let layout = Layout::of_workspace();
        let failure = Run::program(&layout, "false").arg("now").captured();
        assert!(matches!(failure, Err(Failure::Status { line, .. }) if line == "false now"));
        let (ended_well, output) =
            Run::program(&layout, "sh").args(["-c", "echo a; echo b; false"]).followed().unwrap();
        assert_eq!((ended_well, output.as_str()), (false, "a\nb\n"));
        let failure = Run::program(&layout, "no-such-program-anywhere").captured();
        assert!(matches!(failure, Err(Failure::Start { .. })));
    }
}
