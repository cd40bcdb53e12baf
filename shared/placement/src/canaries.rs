//! Shares of splits that lose their requests while they fail, as one value that all workers share.
//!
//! A share that has failed so many times in so much time is cut. After a while one request asks whether it serves again; if it
//! does, the share has its requests back, if not, it waits as long once more. A probe that nobody hears of counts as failed.
//!
//! The value lists only shares that have failed lately: for each its key, when its next probe is due (0: it is not cut), and the
//! times of its failures, all as 8 bytes LE in ms, after their number in one byte.

/// Most shares of which failures are remembered; beyond that, those that have failed longest ago are forgotten.
pub const MAX_CANARIES: usize = 64;

/// Most failures that are remembered of one share.
const MAX_TIMES: usize = 32;

/// When a share is cut, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanaryRule {
    /// So many failures cut it.
    pub failures: u32,
    /// In this time, in ms.
    pub within_ms: u64,
    /// After this time a request asks whether it serves again, in ms.
    pub probe_after_ms: u64,
}

/// Whether a share has its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has.
    Whole,
    /// It has none.
    Cut,
    /// It has none, but for one request that may ask now.
    ProbeDue,
}

/// What a failure has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The new value.
    pub value: Vec<u8>,
    /// Whether the share is cut by it.
    pub cuts: bool,
}

/// The shares that have failed lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canaries(Vec<Canary>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Canary {
    key: u64,
    /// 0 while it is not cut.
    probe_at_ms: u64,
    failed_ms: Vec<u64>,
}

impl Canary {
    fn last_ms(&self) -> u64 {
        self.failed_ms.iter().copied().chain([self.probe_at_ms]).max().unwrap_or(0)
    }

    /// A clock that was set back must not cut a share for ever.
    fn standing(&self, rule: CanaryRule, now_ms: u64) -> Standing {
        match self.probe_at_ms {
            0 => Standing::Whole,
            at if at > now_ms && at.saturating_sub(now_ms) <= rule.probe_after_ms => Standing::Cut,
            _ => Standing::ProbeDue,
        }
    }
}

impl Canaries {
    /// Reads a value; `None` if it is none. An empty one has no shares.
    #[must_use]
    pub fn read(value: &[u8]) -> Option<Self> {
        let (mut rest, mut all) = (value, Vec::new());
        while !rest.is_empty() {
            let (head, after) = rest.split_first_chunk::<17>()?;
            let [key, probe_at_ms] = [word(head, 0)?, word(head, 8)?];
            let count = usize::from(*head.last()?);
            let (times, after) = after.split_at_checked(count.checked_mul(8)?)?;
            let failed_ms = (0..count).map(|at| word(times, at * 8)).collect::<Option<_>>()?;
            all.push(Canary { key, probe_at_ms, failed_ms });
            rest = after;
        }
        (all.len() <= MAX_CANARIES).then_some(Self(all))
    }

    /// Whether the share `key` has its requests.
    #[must_use]
    pub fn standing(&self, key: u64, rule: CanaryRule, now_ms: u64) -> Standing {
        self.get(key).map_or(Standing::Whole, |canary| canary.standing(rule, now_ms))
    }

    /// Takes the probe of the share `key`, if it is due; the new value then.
    #[must_use]
    pub fn take_probe(mut self, key: u64, rule: CanaryRule, now_ms: u64) -> Option<Vec<u8>> {
        let canary = self.0.iter_mut().find(|canary| canary.key == key)?;
        if canary.standing(rule, now_ms) != Standing::ProbeDue {
            return None;
        }
        canary.probe_at_ms = now_ms.saturating_add(rule.probe_after_ms);
        Some(self.encode())
    }

    /// A request of the share `key` has failed; `probe` if it was to ask. `None` if that changes nothing: a request that
    /// was under way when the share was cut.
    #[must_use]
    pub fn failed(
        mut self,
        key: u64,
        rule: CanaryRule,
        probe: bool,
        now_ms: u64,
    ) -> Option<Failed> {
        let whole = self.standing(key, rule, now_ms) == Standing::Whole;
        if !whole && !probe {
            return None;
        }
        let mut canary = self.take(key);
        // Of a clock that was set back, too, nothing is older than the window.
        canary.failed_ms.retain(|at| at.abs_diff(now_ms) < rule.within_ms);
        canary.failed_ms.push(now_ms);
        let count = canary.failed_ms.len();
        let enough = usize::try_from(rule.failures).unwrap_or(MAX_TIMES).min(MAX_TIMES);
        let cuts = probe || count >= enough;
        if cuts {
            canary.failed_ms.clear();
            canary.probe_at_ms = now_ms.saturating_add(rule.probe_after_ms);
        }
        self.0.push(canary);
        Some(Failed { value: self.encode(), cuts: cuts && whole })
    }

    /// The probe of the share `key` was served: it has its requests again. `None` if it had them.
    #[must_use]
    pub fn served(mut self, key: u64) -> Option<Vec<u8>> {
        let before = self.0.len();
        self.0.retain(|canary| canary.key != key);
        (self.0.len() < before).then(|| self.encode())
    }

    fn get(&self, key: u64) -> Option<&Canary> {
        self.0.iter().find(|canary| canary.key == key)
    }

    /// Takes what is known of the share out of the list, which has room for it afterwards.
    fn take(&mut self, key: u64) -> Canary {
        match self.0.iter().position(|canary| canary.key == key) {
            Some(at) => self.0.swap_remove(at),
            None => {
                self.make_room();
                Canary { key, ..Canary::default() }
            }
        }
    }

    fn make_room(&mut self) {
        if self.0.len() >= MAX_CANARIES {
            let oldest = self.0.iter().map(Canary::last_ms).min();
            if let Some(at) = self.0.iter().position(|canary| Some(canary.last_ms()) == oldest) {
                self.0.swap_remove(at);
            }
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Vec::new();
        for Canary { key, probe_at_ms, failed_ms } in &self.0 {
            let count = u8::try_from(failed_ms.len()).unwrap_or(u8::MAX);
            value.extend(key.to_le_bytes());
            value.extend(probe_at_ms.to_le_bytes());
            value.push(count);
            let times = failed_ms.iter().take(count.into());
            times.for_each(|at| value.extend(at.to_le_bytes()));
        }
        value
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let (_, rest) = bytes.split_at_checked(at)?;
    rest.first_chunk::<8>().map(|word| u64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Cut, ProbeDue, Whole};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const RULE: CanaryRule = CanaryRule { failures: 3, within_ms: 1_000, probe_after_ms: 5_000 };

    /// Shared data, in which one share is known.
    struct Shared(Vec<u8>);

    impl Shared {
        fn now(&self) -> Canaries {
            Canaries::read(&self.0).unwrap()
        }

        fn fail(&mut self, probe: bool, at_ms: u64) -> bool {
            let failed = self.now().failed(7, RULE, probe, at_ms);
            failed.is_some_and(|failed| {
                self.0 = failed.value;
                failed.cuts
            })
        }

        fn standing(&self, at_ms: u64) -> Standing {
            self.now().standing(7, RULE, at_ms)
        }

        fn probe(&mut self, at_ms: u64) -> bool {
            let taken = self.now().take_probe(7, RULE, at_ms);
            taken.map(|value| self.0 = value).is_some()
        }
    }

    #[test]
    fn so_many_failures_in_the_time_cut_a_share_and_fewer_or_slower_ones_do_not() {
        let mut slow = Shared(Vec::new());
        for at_ms in [10_000, 10_600, 11_100, 11_700, 12_200] {
            assert!(!slow.fail(false, at_ms));
        }
        assert_eq!(slow.standing(12_200), Whole);
        assert!(slow.fail(false, 12_300));
        assert_eq!((slow.standing(12_301), slow.standing(17_299)), (Cut, Cut));
        assert!(!slow.fail(false, 12_400), "was under way");
        assert_eq!(slow.standing(17_300), ProbeDue);
    }

    #[test]
    fn one_probe_at_a_time_gives_the_share_back_or_waits_once_more() {
        let mut shared = Shared(Vec::new());
        assert_eq!([1, 2, 3].map(|at_ms| shared.fail(false, 10_000 + at_ms)), [false, false, true]);
        assert!(!shared.probe(15_000) && shared.probe(15_003) && !shared.probe(15_004));
        assert_eq!(shared.standing(15_004), Cut);
        assert!(!shared.fail(true, 16_000), "it was cut before");
        assert_eq!((shared.standing(20_999), shared.standing(21_000)), (Cut, ProbeDue));
        // Nobody hears of this one.
        assert!(shared.probe(21_000));
        assert_eq!((shared.standing(25_999), shared.standing(26_000)), (Cut, ProbeDue));
        assert!(shared.probe(26_000));
        shared.0 = shared.now().served(7).unwrap();
        assert_eq!((shared.standing(26_001), shared.0.len()), (Whole, 0));
        assert_eq!(shared.now().served(7), None);
    }

    #[test]
    fn a_clock_that_is_set_back_cuts_nothing_for_ever() {
        let mut shared = Shared(Vec::new());
        assert!([1, 2, 3].map(|at_ms| shared.fail(false, 1_000_000 + at_ms))[2]);
        assert_eq!(shared.standing(10_000), ProbeDue);
        let mut shared = Shared(Vec::new());
        assert!(!shared.fail(false, 1_000_000) && !shared.fail(false, 1_000_001));
        assert!(!shared.fail(false, 5), "those of the future are none of this window");
    }

    #[test]
    fn failures_of_any_number_of_shares_are_kept_in_bounded_memory() {
        let mut value = Vec::new();
        for key in 0..1000 {
            let canaries = Canaries::read(&value).unwrap();
            value = canaries.failed(key, RULE, false, 10_000 + key).unwrap().value;
        }
        assert_eq!(Canaries::read(&value).unwrap().0.len(), MAX_CANARIES);
        assert!(Canaries::read(&value).unwrap().get(999).is_some());
    }

    #[test]
    fn what_is_no_value_is_refused_at_any_length() {
        let mut value = Canaries::default().failed(7, RULE, false, 1).unwrap().value;
        for len in 1..value.len() {
            assert_eq!(Canaries::read(&value[..len]), None, "{len}");
        }
        value.push(0);
        assert_eq!(Canaries::read(&value), None);
        assert_eq!(Canaries::read(&[]), Some(Canaries::default()));
        assert_eq!(Canaries::read(&[0; 17 * (MAX_CANARIES + 1)]), None);
    }
}
