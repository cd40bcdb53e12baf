//! Processor time of processes, exact to the nanosecond.

use std::fs;
use std::path::Path;
use std::time::Duration;

use weir_harness::{HarnessError, Usage};

/// Processor time that these processes have used so far, user mode and kernel together.
///
/// The scheduler keeps what utime and stime in `/proc/PID/stat` are rounded from, to a hundredth
/// of a second; where the kernel shows it (`schedstat` of each thread), the exact value is taken.
///
/// # Errors
/// When a process has ended.
pub(crate) fn used(processes: &[u32]) -> Result<Duration, HarnessError> {
    processes.iter().map(|id| used_by(*id)).sum()
}

fn used_by(id: u32) -> Result<Duration, HarnessError> {
    match exact(&Path::new("/proc").join(id.to_string()).join("task")) {
        Some(time) => Ok(time),
        None => Usage::of(id).map(|usage| usage.cpu()),
    }
}

/// The sum over the threads. The processes measured keep their threads for life, so none is lost.
fn exact(threads: &Path) -> Option<Duration> {
    let mut total = Duration::ZERO;
    for thread in fs::read_dir(threads).ok()? {
        let statistics = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        total += on_processor(&statistics)?;
    }
    Some(total)
}

/// The first of the three numbers in a thread's `schedstat`: nanoseconds on a processor.
fn on_processor(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_time_on_a_processor() {
        assert_eq!(on_processor("1500 7 3\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(on_processor("none"), None);
    }

    #[test]
    fn a_process_that_has_ended_is_an_error() {
        assert!(used(&[std::process::id()]).is_ok());
        assert!(used(&[std::process::id(), u32::MAX]).is_err());
    }
}
