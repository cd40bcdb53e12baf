//! How long inspections take.

use std::cell::Cell;

use weir_host::Host;

/// Of so many inspections one is timed, the first of all among them: asking for the time costs as
/// much as inspecting a short answer.
const SAMPLED: u32 = 8;

/// Chooses the inspections that are timed.
#[derive(Default)]
pub(crate) struct Sampler(Cell<u32>);

impl Sampler {
    /// A stopwatch for the next inspection.
    pub(crate) fn next(&self) -> Stopwatch {
        let turn = self.0.get();
        self.0.set((turn + 1) % SAMPLED);
        Stopwatch((turn == 0).then_some(0))
    }
}

/// Adds up the time of one inspection, in ns, if it is one that is timed.
pub(crate) struct Stopwatch(Option<u64>);

impl Stopwatch {
    /// Does some of the work.
    pub(crate) fn time<H: Host, T>(&mut self, host: &H, work: impl FnOnce() -> T) -> T {
        let Some(sum) = &mut self.0 else { return work() };
        let started_ns = host.now_ns();
        let done = work();
        *sum += host.now_ns().saturating_sub(started_ns);
        done
    }

    /// All of the time, in ns; `None` if it was not taken.
    pub(crate) fn took_ns(&self) -> Option<u64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    #[test]
    fn one_inspection_in_eight_is_timed_beginning_with_the_first() {
        let (host, sampler) = (FakeHost::new(), Sampler::default());
        let timed: Vec<bool> = (0..17).map(|_| sampler.next().took_ns().is_some()).collect();
        let places: Vec<usize> = (0..17).filter(|place| timed[*place]).collect();
        assert_eq!(places, [0, 8, 16]);
        let mut watch = Sampler::default().next();
        for _ in 0..2 {
            watch.time(&host, || host.set_now_ns(host.now_ns() + 5));
        }
        assert_eq!(watch.took_ns(), Some(10));
    }
}
