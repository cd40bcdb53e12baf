//! What the picker counts and tells of one pool.

use weir_host::metrics::{Metric, label};
use weir_host::notice::Notice;
use weir_host::tick::Tick;
use weir_host::{Host, LogLevel};
use weir_placement::Basis;
use weir_snapshot::{Directory, keys};

use crate::whereabouts::Misdirected;

/// Age of a snapshot after which a sidecar is missed: longer than one takes to start anew, and than another takes to step in.
const SILENT_NS: u64 = 5_000_000_000;

/// The counters of one pool. Its name is a label: it stands in the configuration, so there are few.
pub(crate) struct PoolMetrics {
    by_load: Metric,
    by_affinity: Metric,
    none: Metric,
    asked: Metric,
    ignored: Metric,
    failed: Metric,
    /// That no snapshot has come.
    no_snapshot: Notice,
    /// That no snapshot has come for long.
    silent: Notice,
    /// That a request went elsewhere than it was placed.
    misdirected: Notice,
    /// That a replica fails.
    failing: Notice,
    /// Requests that were placed and for which Envoy had no host.
    hostless: Metric,
    hostless_told: Notice,
}

impl PoolMetrics {
    pub(crate) fn new(pool: &str) -> Self {
        let pool = label(pool);
        let picks = |basis| Metric::counter(format!("weir_picks_total.basis.{basis}.pool.{pool}"));
        Self {
            by_load: picks("load"),
            by_affinity: picks("affinity"),
            none: picks("none"),
            asked: Metric::counter(format!("weir_picks_asked_total.pool.{pool}")),
            ignored: Metric::counter(format!("weir_picks_ignored_total.pool.{pool}")),
            failed: Metric::counter(format!("weir_picker_failures_total.pool.{pool}")),
            no_snapshot: Notice::default(),
            silent: Notice::default(),
            misdirected: Notice::default(),
            failing: Notice::default(),
            hostless: Metric::counter(format!("weir_picks_hostless_total.pool.{pool}")),
            hostless_told: Notice::default(),
        }
    }

    /// Counts a pick.
    pub(crate) fn picked<H: Host>(&self, host: &H, tick: &Tick, basis: Basis) {
        let metric = match basis {
            Basis::Affinity => &self.by_affinity,
            _ => &self.by_load,
        };
        metric.add_by_tick(host, tick, 1);
    }

    /// Counts a request that was not placed.
    pub(crate) fn not_placed<H: Host>(&self, host: &H) {
        self.none.increment(host);
    }

    /// Counts a response that Envoy was asked about.
    pub(crate) fn asked<H: Host>(&self, host: &H, tick: &Tick) {
        self.asked.add_by_tick(host, tick, 1);
    }

    /// Counts an attempt at `replica` that failed, and says so.
    #[cold]
    pub(crate) fn failed<H: Host>(&self, host: &H, pool: &str, replica: &[u8]) {
        self.failed.increment(host);
        self.failing.say(host, LogLevel::Warn, || {
            let replica = String::from_utf8_lossy(replica);
            format!(
                "weir.endpoint-picker: pool {pool:?}: {replica} has failed a request; while it fails, it gets single requests now and then"
            )
        });
    }

    /// Adds what waits to the counters.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        for metric in [&self.by_load, &self.by_affinity, &self.asked] {
            metric.flush(host);
        }
    }

    /// Says that no snapshot of `pool` has come, and of which pools some have.
    #[cold]
    pub(crate) fn tell_no_snapshot<H: Host>(&self, host: &H, pool: &str) {
        self.no_snapshot.say(host, LogLevel::Warn, || {
            let stored = host.shared(keys::POOLS).ok().flatten().unwrap_or_default().0;
            let names: Vec<_> = Directory::new(&stored).pools().map(|(_, name)| name).collect();
            let there = match names.as_slice() {
                [] => "of any pool: does the sidecar push to this Envoy, and is the vm_id of the intake filter that of this one?".to_owned(),
                names => format!("of it; there are: {}", names.join(", ")),
            };
            format!(
                "weir.endpoint-picker: pool {pool:?}: Envoy's fallback policy chooses, because no snapshot has come {there}"
            )
        });
    }

    /// Says how old the last snapshot is, where that is older than a sidecar that lives would leave it.
    pub(crate) fn tell_silent<H: Host>(&self, host: &H, pool: &str, age_ns: u64) {
        if age_ns < SILENT_NS {
            return;
        }
        self.silent.say(host, LogLevel::Warn, || {
            let age_s = age_ns / 1_000_000_000;
            format!(
                "weir.endpoint-picker: pool {pool:?}: the last snapshot is {age_s} s old, so prefix affinity and own counts place requests: is the sidecar running?"
            )
        });
    }

    /// Counts a request that was placed and for which Envoy had no host, and says what to look at.
    #[cold]
    pub(crate) fn tell_hostless<H: Host>(&self, host: &H, pool: &str) {
        self.hostless.increment(host);
        self.hostless_told.say(host, LogLevel::Error, || {
            format!(
                "weir.endpoint-picker: pool {pool:?}: a request was placed, and its cluster had no host: a cluster of type \
                 ORIGINAL_DST takes one address, so the policy needs alternates: 0; others need endpoints"
            )
        });
    }

    /// Counts a request that went elsewhere than it was placed, and says what to look at.
    #[cold]
    pub(crate) fn tell_misdirected<H: Host>(
        &self,
        host: &H,
        pool: &str,
        (picked, went): (&[u8], &[u8]),
        why: Misdirected,
    ) {
        self.ignored.increment(host);
        self.misdirected.say(host, LogLevel::Error, || {
            let (picked, went) = (String::from_utf8_lossy(picked), String::from_utf8_lossy(went));
            format!("weir.endpoint-picker: pool {pool:?}: {picked} was picked, and the request went to {went}, {}", why.advice())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    fn said(host: &FakeHost) -> String {
        host.logs().into_iter().map(|(_, line)| line + "\n").collect()
    }

    #[test]
    fn a_pool_without_a_snapshot_is_named_beside_those_that_have_one() {
        let (host, metrics) = (FakeHost::new(), PoolMetrics::new("lama"));
        metrics.tell_no_snapshot(&host, "lama");
        assert!(said(&host).contains("has come of any pool"), "{}", said(&host));
        let stored = Directory::new(&[]).with(0, "llama");
        let stored = Directory::new(&stored).with(1, "qwen");
        host.set_shared(keys::POOLS, &stored, None).unwrap();
        PoolMetrics::new("lama").tell_no_snapshot(&host, "lama");
        assert!(
            said(&host).contains("pool \"lama\"") && said(&host).contains("there are: llama, qwen")
        );
        metrics.tell_no_snapshot(&host, "lama");
        assert_eq!(host.logs().len(), 2, "once a minute");
    }

    #[test]
    fn a_sidecar_that_is_silent_is_missed_after_five_seconds_and_once_a_minute() {
        let (host, metrics) = (FakeHost::new(), PoolMetrics::new("llama"));
        metrics.tell_silent(&host, "llama", 4_999_999_999);
        assert_eq!(said(&host), "");
        metrics.tell_silent(&host, "llama", 7_000_000_000);
        metrics.tell_silent(&host, "llama", 8_000_000_000);
        assert!(
            said(&host).contains("pool \"llama\": the last snapshot is 7 s old"),
            "{}",
            said(&host)
        );
        assert_eq!(host.logs().len(), 1);
    }

    #[test]
    fn a_pools_name_cannot_end_its_label() {
        let host = FakeHost::new();
        PoolMetrics::new("llama-3.1 x").not_placed(&host);
        assert_eq!(host.metric("weir_picks_total.basis.none.pool.llama-3_1_x"), Some(1));
    }
}
