//! Memory and processor time of a process, from `/proc`.

use std::fs;
use std::time::Duration;

use crate::error::HarnessError;

/// What a process has used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Processor time in user mode.
    pub user: Duration,
    /// Processor time in the kernel on its behalf.
    pub system: Duration,
    /// Memory that is resident now, in bytes.
    pub resident_bytes: u64,
}

impl Usage {
    /// The usage of process `id`.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(id: u32) -> Result<Self, HarnessError> {
        let path = format!("/proc/{id}/stat");
        let stat = fs::read_to_string(&path).map_err(HarnessError::file(&path))?;
        let malformed =
            || HarnessError::Answer { what: path.clone(), problem: "unknown form".into() };
        parse(&stat, rustix::param::clock_ticks_per_second(), rustix::param::page_size())
            .ok_or_else(malformed)
    }

    /// Processor time in user mode and kernel together.
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// Fields 14, 15 and 24 of `/proc/PID/stat`; the name before them may hold anything, so counting
/// begins behind its closing bracket.
fn parse(stat: &str, ticks_per_second: u64, page_size: usize) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    let time =
        |number| Some(Duration::from_secs_f64(field(number)? as f64 / ticks_per_second as f64));
    let page_size = u64::try_from(page_size).ok()?;
    let resident_bytes = field(24)?.saturating_mul(page_size);
    Some(Usage { user: time(14)?, system: time(15)?, resident_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 17 18 19 20 21 22";
        let expected = Usage {
            user: Duration::from_millis(1500),
            system: Duration::from_millis(500),
            resident_bytes: 21 * 4096,
        };
        assert_eq!(parse(stat, 100, 4096), Some(expected));
        assert_eq!(parse("7 (x) S 1", 100, 4096), None);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Usage::of(std::process::id()).unwrap().resident_bytes > 0);
        assert!(Usage::of(u32::MAX).is_err());
    }
}
