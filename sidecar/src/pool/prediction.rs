//! How long the next request will wait for its first token, from what the server has counted lately.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::scrape::FirstTokens;

/// Time between two kept counts, and how many are kept: rates are those of the last 10 to 12 s.
const STEP: Duration = Duration::from_secs(2);
const KEPT: usize = 6;

/// Counts of the last seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prediction {
    kept: VecDeque<(Instant, FirstTokens)>,
    newest: Option<(Instant, FirstTokens)>,
}

impl Prediction {
    /// Takes what a page said `now`.
    pub(super) fn observe(&mut self, counted: Option<FirstTokens>, now: Instant) {
        let restarted = |(_, before): &(Instant, FirstTokens)| {
            counted.is_none_or(|counted| counted.count < before.count)
        };
        if self.newest.as_ref().is_some_and(restarted) {
            self.kept.clear();
        }
        self.newest = counted.map(|counted| (now, counted));
        let last = self.kept.back().map(|(at, _)| now.saturating_duration_since(*at));
        if let Some(counted) = counted
            && last.is_none_or(|age| age >= STEP)
        {
            self.kept.push_back((now, counted));
            if self.kept.len() > KEPT {
                self.kept.pop_front();
            }
        }
    }

    /// Seconds until the first token of a request that would come now and find `waiting` before it: those leave the
    /// queue at the rate of first tokens (Little's law), and then it takes what requests took once they had left
    /// it. `None` where no first token was counted lately.
    pub(crate) fn seconds(&self, waiting: Option<u32>) -> Option<f64> {
        let (since, before) = self.kept.front()?;
        let (at, now) = self.newest.as_ref()?;
        let (period, count) = ((*at - *since).as_secs_f64(), now.count - before.count);
        if count < 1.0 || period <= 0.0 {
            return None;
        }
        let mean = (now.seconds - before.seconds).max(0.0) / count;
        let wait = f64::from(waiting.unwrap_or(0)) * period / count;
        match (now.queued_seconds, before.queued_seconds) {
            (Some(queued), Some(queued_before)) => {
                Some((mean - (queued - queued_before).max(0.0) / count).max(0.0) + wait)
            }
            // What it takes and what is waited cannot be told apart.
            _ => Some(mean.max(wait)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(count: f64, seconds: f64, queued_seconds: Option<f64>) -> Option<FirstTokens> {
        Some(FirstTokens { count, seconds, queued_seconds })
    }

    /// Ten first tokens a second, each 0.4 s after its request, 0.3 s of them in the queue if that is told.
    fn after_ten_seconds(queued: bool) -> Prediction {
        let (mut prediction, start) = (Prediction::default(), Instant::now());
        for tenth in 0..=100_u32 {
            let at = start + Duration::from_millis(100) * tenth;
            let count = f64::from(tenth);
            prediction
                .observe(counted(1e6 + count, count * 0.4, queued.then_some(count * 0.3)), at);
        }
        prediction
    }

    #[test]
    fn it_is_the_queue_at_the_rate_of_first_tokens_and_what_comes_after_it() {
        for (queued, waiting, expected) in [
            (true, Some(0), 0.1),
            (true, None, 0.1),
            (true, Some(50), 5.1),
            (false, Some(0), 0.4),
            (false, Some(2), 0.4),
            (false, Some(50), 5.0),
        ] {
            let found = after_ten_seconds(queued).seconds(waiting).unwrap();
            assert!((found - expected).abs() < 1e-6, "{queued} {waiting:?}: {found}");
        }
    }

    #[test]
    fn without_first_tokens_nothing_is_predicted_and_a_restart_begins_anew() {
        let (mut prediction, start) = (Prediction::default(), Instant::now());
        assert_eq!(prediction.seconds(Some(1)), None);
        for second in 0..60 {
            prediction.observe(counted(7.0, 3.0, None), start + Duration::from_secs(second));
            assert_eq!(prediction.seconds(Some(1)), None, "nothing was served");
        }
        assert!(prediction.kept.len() <= KEPT);
        prediction.observe(counted(9.0, 4.0, None), start + Duration::from_secs(60));
        assert!(prediction.seconds(Some(0)).is_some());
        prediction.observe(counted(1.0, 0.1, None), start + Duration::from_secs(61));
        assert_eq!(prediction.seconds(Some(0)), None);
        prediction.observe(None, start + Duration::from_secs(62));
        assert_eq!(prediction.seconds(Some(0)), None);
    }
}
