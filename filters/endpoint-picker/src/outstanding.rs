//! The in-flight counts of a pool, shared by all workers through compare-and-swap.

use weir_host::{Host, HostError};
use weir_placement::Outstanding;

/// How often a change that lost against another worker is tried again. A change takes about a
/// microsecond, so losing this often means dozens of workers; the count then heals with the next
/// snapshots.
const ATTEMPTS: usize = 8;

/// The counts as they are now.
pub(crate) fn read<H: Host>(host: &H, key: &str) -> (Outstanding, Option<u32>) {
    match host.shared(key) {
        Ok(Some((bytes, cas))) => (Outstanding::decode(&bytes), Some(cas)),
        _ => (Outstanding::default(), None),
    }
}

/// Applies `change` to the counts that were read before, and again to newer ones if another worker
/// was faster.
pub(crate) fn change<H: Host>(
    host: &H,
    key: &str,
    read_before: Option<(Outstanding, Option<u32>)>,
    change: impl Fn(&mut Outstanding),
) {
    let (mut counts, mut cas) = read_before.unwrap_or_else(|| read(host, key));
    for _ in 0..ATTEMPTS {
        change(&mut counts);
        match host.set_shared(key, &counts.encode(), cas) {
            Err(HostError::CasMismatch) => (counts, cas) = read(host, key),
            // Counts are hints: a host that cannot store them must not fail a request.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_placement::Dispatch;

    #[test]
    fn a_change_that_lost_is_applied_to_the_newer_counts() {
        let host = FakeHost::new();
        let dispatch = Dispatch { replica: 9, uncached_tokens: 10, prefill_us: 1 };
        change(&host, "k", None, |counts| counts.dispatch(&dispatch, 1));
        let stale = read(&host, "k");
        change(&host, "k", None, |counts| counts.dispatch(&dispatch, 1));
        change(&host, "k", Some(stale), |counts| counts.dispatch(&dispatch, 1));
        assert_eq!(read(&host, "k").0.load(9).in_flight, 3);
    }
}
