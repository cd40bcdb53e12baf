//! Child processes that end with whoever holds them.

mod spawn;
mod usage;

pub use usage::Usage;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::HarnessError;

/// How long a process may take to end by itself before it is killed.
const GRACE: Duration = Duration::from_secs(3);

/// How often a process is looked at while it ends.
const LOOK: Duration = Duration::from_millis(5);

/// A running program whose output goes to a file. Dropping it ends the program.
#[derive(Debug)]
pub struct ChildProcess {
    name: String,
    child: Child,
    log: PathBuf,
}

impl ChildProcess {
    /// Starts `program`, with standard output and error going to the file `log`.
    ///
    /// # Errors
    /// When the log can't be made or the program can't be started.
    pub fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(OsString, OsString)],
        log: &Path,
    ) -> Result<Self, HarnessError> {
        let name =
            program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let output = File::create(log).map_err(HarnessError::file(log))?;
        let errors = output.try_clone().map_err(HarnessError::file(log))?;
        let mut command = ending_with_parent(program);
        command.args(arguments).envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = spawn::spawn(command);
        let child =
            child.map_err(|source| HarnessError::Spawn { program: name.clone(), source })?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// The program's file name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the process has used so far.
    ///
    /// # Errors
    /// When it has ended.
    pub fn usage(&self) -> Result<Usage, HarnessError> {
        Usage::of(self.child.id())
    }

    /// The file that it writes its output to.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Everything it has written.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to end (SIGTERM) and waits; kills it after three seconds.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        // A frozen process would not see the request.
        self.thaw();
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if let Some(status) = self.exit_status() {
                return Some(status);
            }
            sleep(LOOK);
        }
        self.kill()
    }

    /// Kills it (SIGKILL) and waits.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        // An error means that it has ended already.
        let _ = self.child.kill();
        self.child.wait().ok()
    }

    /// Freezes it (SIGSTOP): it keeps its connections and answers nothing.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`ChildProcess::freeze`].
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Sends SIGHUP.
    pub fn hang_up(&mut self) {
        self.signal(Signal::HUP);
    }

    /// The error for a process that is no longer there, if it is not.
    pub(crate) fn ended(&mut self, log: impl FnOnce(&str) -> String) -> Option<HarnessError> {
        let status = self.exit_status()?;
        Some(HarnessError::Ended { program: self.name.clone(), status, log: log(&self.log()) })
    }

    fn signal(&mut self, signal: Signal) {
        // Once it has been waited for, its id may belong to another process.
        if self.exit_status().is_some() {
            return;
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `program`, which the kernel ends if this process dies without running destructors, as far as
/// util-linux's `setpriv` is there.
fn ending_with_parent(program: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("setpriv"));
    let Some(setpriv) = found.into_iter().find(|candidate| candidate.is_file()) else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (ChildProcess, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let process = ChildProcess::start(Path::new("/bin/sh"), ["-c", script], &[], &log);
        (process.unwrap(), folder)
    }

    fn wait_for_log(process: &ChildProcess, text: &str) {
        while !process.log().contains(text) {
            sleep(LOOK);
        }
    }

    fn alive(id: u32) -> bool {
        Path::new(&format!("/proc/{id}/stat")).exists()
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let (process, _folder) = shell("echo up; exec sleep 60");
        wait_for_log(&process, "up");
        let id = process.id();
        assert!(alive(id));
        drop(process);
        assert!(!alive(id));
    }

    #[test]
    fn a_panicking_holder_leaves_no_process() {
        let (process, _folder) = shell("exec sleep 60");
        let id = process.id();
        let panicked = std::panic::catch_unwind(move || {
            let _held = process;
            panic!("a failing test");
        });
        assert!(panicked.is_err() && !alive(id));
    }

    #[test]
    fn a_frozen_process_can_be_stopped() {
        let (mut process, _folder) = shell("exec sleep 60");
        process.freeze();
        drop(process);
    }

    #[test]
    fn output_and_status_are_kept() {
        let (mut process, _folder) = shell("echo out; echo err >&2; exit 3");
        let status = loop {
            if let Some(status) = process.exit_status() {
                break status;
            }
        };
        assert_eq!(status.code(), Some(3));
        let ended = process.ended(str::to_owned).unwrap().to_string();
        assert!(ended.contains("out\nerr"), "{ended}");
    }
}
