//! Who runs on which processor, and that none halts while something is measured.
//!
//! A request waits for other processes several times, and two things that say nothing about what is
//! compared decide what that costs. Where the system happens to put client, upstream and Envoy, which
//! stays so for seconds: so Envoy has a processor to itself, and everything else the others. And
//! whether a processor has halted meanwhile, which is a matter of a few microseconds more or less: to
//! wake it takes tens of them on a virtual machine, at the expense of whoever is awake. So a thread on
//! each processor runs whenever nothing else wants to, as with a kernel booted with `idle=poll`.

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Steps between two looks at whether to stop: some microseconds.
const STEPS: u32 = 1 << 12;

/// Processors arranged for measuring; by default, none are. Threads that keep them awake end when it is
/// dropped.
#[derive(Default)]
pub(crate) struct Processors {
    envoy: Option<CpuSet>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Processors {
    /// Reserves one processor for Envoy if there are two or more: this process leaves it, and so does
    /// what it starts from now on. With `awake`, none of them halts.
    ///
    /// # Errors
    /// When the system refuses one or the other.
    pub(crate) fn reserve(awake: bool) -> io::Result<Self> {
        let this = Pid::from_raw(0);
        let all = sched_getaffinity(this)?;
        let numbers: Vec<usize> =
            (0..CpuSet::count()).filter(|number| all.is_set(*number) == Ok(true)).collect();
        let (mut envoy, mut others) = (all, all);
        if let [first @ .., last] = numbers.as_slice()
            && !first.is_empty()
        {
            envoy = set(&[*last])?;
            others = set(first)?;
        }
        let mut processors = Self::default();
        processors.envoy = Some(envoy);
        for number in numbers.iter().filter(|_| awake) {
            processors.keep_awake(set(&[*number])?)?;
        }
        sched_setaffinity(this, &others)?;
        Ok(processors)
    }

    /// Gives Envoy's processor to all threads of the process.
    ///
    /// # Errors
    /// When it has ended, or the system refuses.
    pub(crate) fn seat(&self, process: u32) -> io::Result<()> {
        let Some(envoy) = &self.envoy else { return Ok(()) };
        for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
            let id = thread?.file_name().to_string_lossy().parse().map_err(io::Error::other)?;
            sched_setaffinity(Pid::from_raw(id), envoy)?;
        }
        Ok(())
    }

    fn keep_awake(&mut self, processor: CpuSet) -> io::Result<()> {
        let stop = Arc::clone(&self.stop);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let body = move || {
            let ready = yield_to_all(&processor);
            let runs = ready.is_ok();
            let _ = tell.send(ready);
            let mut value = 1_u64;
            while runs && !stop.load(Ordering::Relaxed) {
                // One after the other, so that who shares the core is hardly disturbed.
                for _ in 0..STEPS {
                    value = black_box(value.wrapping_mul(3));
                }
            }
        };
        self.threads.push(thread::Builder::new().name("awake".to_owned()).spawn(body)?);
        told.recv().map_err(io::Error::other)?
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn set(numbers: &[usize]) -> io::Result<CpuSet> {
    let mut set = CpuSet::new();
    for number in numbers {
        set.set(*number)?;
    }
    Ok(set)
}

/// Has the calling thread stay on one processor, and run there only when nothing else wants to.
fn yield_to_all(processor: &CpuSet) -> io::Result<()> {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        .map_err(io::Error::other)?;
    Ok(sched_setaffinity(Pid::from_raw(0), processor)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policies of this process's threads, as `/proc` numbers them: 5 is SCHED_IDLE.
    fn idle_threads() -> usize {
        let threads = std::fs::read_dir("/proc/self/task").unwrap();
        let policies = threads.filter_map(|thread| {
            let stat = std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()?;
            // Field 41; the first two are cut off.
            stat.rsplit_once(") ")?.1.split(' ').nth(38).map(str::to_owned)
        });
        policies.filter(|policy| policy == "5").count()
    }

    /// How many processors the calling thread may run on.
    fn allowed() -> usize {
        let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
        (0..CpuSet::count()).filter(|number| set.is_set(*number) == Ok(true)).count()
    }

    /// Whether all idle threads go; one that was joined may be listed for a moment still.
    fn go_away() -> bool {
        let looks = std::iter::repeat_with(|| {
            thread::sleep(std::time::Duration::from_millis(5));
            idle_threads() == 0
        });
        looks.take(1000).any(|gone| gone)
    }

    #[test]
    fn a_thread_per_processor_gives_way_to_all_others_until_it_is_over() {
        let count = allowed();
        // Affinities are those of the thread, so the other tests keep theirs.
        thread::scope(|scope| {
            scope.spawn(|| {
                let processors = match Processors::reserve(true) {
                    Ok(processors) => processors,
                    // As sandboxes may: the benchmark then goes on without.
                    Err(error) => return eprintln!("skipped, the system refuses: {error}"),
                };
                assert_eq!(idle_threads(), count);
                assert_eq!(allowed(), count.saturating_sub(1).max(1));
                drop(processors);
                assert!(go_away());
                drop(Processors::reserve(false).unwrap());
            });
        });
    }
}
