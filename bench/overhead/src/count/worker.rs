//! Envoy's worker thread, one instruction at a time.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// What Envoy calls the thread of its first worker.
const NAME: &str = "wrk:worker_0";

/// `epoll_wait` and `epoll_pwait` on x86-64: the worker has nothing more to do.
const WAITS: [u64; 2] = [232, 281];

/// The bytes of the instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// A worker thread that this process traces; dropping it lets it run on.
#[derive(Debug)]
pub(crate) struct Worker {
    thread: Pid,
    memory: File,
}

/// The first bytes of `ret` and `ret imm16`.
const RETURNS: [u8; 2] = [0xc3, 0xc2];

/// The registers before an instruction.
pub(crate) type Registers = nix::libc::user_regs_struct;

impl Worker {
    /// Stops the worker of this Envoy. From now on it shares a processor with the calling thread, because
    /// each instruction takes turns of both, and from one processor to another that takes four times as
    /// long.
    ///
    /// # Errors
    /// When there is none, or it may not be traced.
    pub(crate) fn stop(process: u32) -> std::io::Result<Worker> {
        let thread = Pid::from_raw(named(process)?);
        let mut first = CpuSet::new();
        first.set(0)?;
        for id in [Pid::from_raw(0), thread] {
            sched_setaffinity(id, &first)?;
        }
        let memory = File::open(format!("/proc/{process}/mem"))?;
        ptrace::attach(thread)?;
        waitpid(thread, Some(WaitPidFlag::__WALL))?;
        Ok(Worker { thread, memory })
    }

    /// Executes instructions, each shown to `see` before it runs, until `done` is set and the worker
    /// waits for what comes next.
    ///
    /// # Errors
    /// When the worker ends, or can't be traced any more.
    pub(crate) fn walk(
        &self,
        done: &AtomicBool,
        mut see: impl FnMut(&Worker, &Registers),
    ) -> std::io::Result<()> {
        let mut signal = None;
        loop {
            let registers = ptrace::getregs(self.thread)?;
            if done.load(Ordering::Relaxed) && self.waits(&registers) {
                return Ok(());
            }
            see(self, &registers);
            ptrace::step(self.thread, signal)?;
            signal = match waitpid(self.thread, Some(WaitPidFlag::__WALL))? {
                WaitStatus::Stopped(_, Signal::SIGTRAP | Signal::SIGSTOP) => None,
                WaitStatus::Stopped(_, other) => Some(other),
                _ => return Err(Errno::ESRCH.into()),
            };
        }
    }

    /// Memory of the process from `address` on; less than asked for where it ends.
    pub(crate) fn memory(&self, address: u64, buffer: &mut [u8]) -> usize {
        self.memory.read_at(buffer, address).unwrap_or(0)
    }

    /// Whether the instruction that runs next is a return.
    pub(crate) fn returns(&self, registers: &Registers) -> bool {
        let mut byte = [0];
        self.memory(registers.rip, &mut byte) == 1 && RETURNS.contains(&byte[0])
    }

    fn waits(&self, registers: &Registers) -> bool {
        let mut bytes = [0; 2];
        WAITS.contains(&registers.rax)
            && self.memory(registers.rip, &mut bytes) == 2
            && bytes == SYSCALL
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A worker that has ended needs nothing.
        let _ = ptrace::detach(self.thread, None);
    }
}

/// The id of the thread that is called as Envoy calls its first worker.
fn named(process: u32) -> std::io::Result<i32> {
    for thread in fs::read_dir(Path::new("/proc").join(process.to_string()).join("task"))? {
        let thread = thread?;
        if fs::read_to_string(thread.path().join("comm"))?.trim_end() == NAME {
            let id = thread.file_name().to_string_lossy().parse();
            return id.map_err(std::io::Error::other);
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::NotFound, format!("Envoy has no thread {NAME}")))
}
