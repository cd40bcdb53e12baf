//! The measured process.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use tokio::process::{Child, Command};

/// Clock ticks per second in `/proc/PID/stat`: 100 on every Linux (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

/// A running program; dropping it ends it.
pub(crate) struct Program {
    child: Child,
    pid: u32,
}

impl Program {
    pub(crate) fn start(binary: &Path, arguments: &[OsString]) -> io::Result<Self> {
        let child = Command::new(binary).args(arguments).kill_on_drop(true).spawn()?;
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { child, pid })
    }

    /// User and system time so far.
    pub(crate) fn cpu_seconds(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // Fields 14 and 15; the name, field 2, may hold spaces and ends with the last parenthesis.
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let ticks: f64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Ok(ticks / TICKS)
    }

    /// Most resident memory so far.
    pub(crate) fn most_resident_mib(&self) -> io::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = most.and_then(|most| most.split_whitespace().next()?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    pub(crate) async fn end(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}
