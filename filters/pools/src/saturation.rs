//! How loaded a pool is, and whether it is saturated, from the view that the sidecar pushed.

use hashbrown::HashMap;
use weir_host::Host;
use weir_snapshot::{VersionStamp, limits};

use crate::source::{Latest, PoolSource};
use crate::undecodable::Undecodable;

/// How long an answer holds, in ns: half a snapshot's interval.
const HOLDS_NS: u64 = 50_000_000;

/// Oldest view that says anything about now, in ns: ten polls of the sidecar.
const FRESH_NS: u64 = 1_000_000_000;

/// What was last seen of each pool.
pub struct Saturation {
    pools: HashMap<String, Seen>,
    undecodable: Undecodable,
}

struct Seen {
    source: PoolSource,
    /// The load that the newest view says, and when it came.
    view: Option<(f64, VersionStamp)>,
    at_ns: Option<u64>,
}

impl Saturation {
    /// For the filter by that name, such as `weir.guardrail`.
    pub fn new(filter: &'static str) -> Self {
        Self { pools: HashMap::new(), undecodable: Undecodable::new(filter) }
    }

    /// Whether the pool is saturated. Not known is no.
    pub fn of<H: Host>(&mut self, host: &H, pool: &str) -> bool {
        self.load(host, pool).is_some_and(|load| load >= 1.0)
    }

    /// What the pool's endpoints have used, in thousandths of what fits; `None` if that is not known.
    pub fn load_permille<H: Host>(&mut self, host: &H, pool: &str) -> Option<u32> {
        // A float to an integer saturates.
        self.load(host, pool).map(|load| (load * 1_000.0) as u32)
    }

    fn load<H: Host>(&mut self, host: &H, pool: &str) -> Option<f64> {
        let now_ns = host.now_ns();
        if !self.pools.contains_key(pool) {
            self.make_room();
        }
        let seen = self.pools.entry_ref(pool).or_insert_with(|| Seen::new(pool));
        seen.load(host, &self.undecodable, now_ns)
    }

    /// There are few pools, and their names are the configuration's; but no more are remembered than can
    /// have a view.
    fn make_room(&mut self) {
        if self.pools.len() >= limits::MAX_SLOTS {
            let oldest = self.pools.iter().min_by_key(|(_, seen)| seen.at_ns);
            if let Some(name) = oldest.map(|(name, _)| name.clone()) {
                self.pools.remove(&name);
            }
        }
    }
}

impl Seen {
    fn new(pool: &str) -> Self {
        Self { source: PoolSource::new(pool), view: None, at_ns: None }
    }

    fn load<H: Host>(&mut self, host: &H, undecodable: &Undecodable, now_ns: u64) -> Option<f64> {
        if self.at_ns.is_none_or(|at| at.abs_diff(now_ns) >= HOLDS_NS) {
            self.at_ns = Some(now_ns);
            match self.source.look(host, undecodable) {
                Latest::Unchanged => {}
                Latest::Absent => self.view = None,
                Latest::New(view) => self.view = view.load().map(|load| (load, view.stamp())),
            }
        }
        let fresh = self.view.filter(|(_, stamp)| stamp.age_ns(now_ns) <= FRESH_NS);
        fresh.map(|(load, _)| load)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_snapshot::{Directory, EndpointReport, EndpointState, SnapshotMessage, encode, keys};

    const MS: u64 = 1_000_000;

    fn store(host: &FakeHost, pool: &str, waiting: u32) {
        let mut endpoint = EndpointReport::new("10.0.0.1:80", EndpointState::Ready);
        endpoint.waiting = Some(waiting);
        let (now_ns, slot) = (host.now_ns(), 0);
        let message = SnapshotMessage::new(pool, (1, now_ns), 0, vec![endpoint]);
        host.set_shared(keys::POOLS, &Directory::new(b"").with(slot, pool), None).unwrap();
        let stamp = VersionStamp::of(&message, now_ns).encode();
        host.set_shared(&keys::stamp(slot), &stamp, None).unwrap();
        host.set_shared(&keys::view(slot), &encode(&message, now_ns).unwrap(), None).unwrap();
    }

    #[test]
    fn a_pool_is_saturated_as_its_newest_fresh_view_says() {
        let (host, mut saturation) = (FakeHost::new(), Saturation::new("weir.guardrail"));
        host.set_now_ns(1000 * MS);
        assert!(!saturation.of(&host, "p"));
        store(&host, "p", 5);
        assert!(!saturation.of(&host, "p"), "the last answer holds");
        host.set_now_ns(1050 * MS);
        assert!(saturation.of(&host, "p"));
        host.set_now_ns(2001 * MS);
        assert!(!saturation.of(&host, "p"), "too old to say anything");
        store(&host, "p", 0);
        host.set_now_ns(2051 * MS);
        assert!(!saturation.of(&host, "p"));
        store(&host, "p", 9);
        host.set_now_ns(2101 * MS);
        assert!(saturation.of(&host, "p"));
        assert_eq!(saturation.load_permille(&host, "p"), Some(1_800));
        assert_eq!(saturation.load_permille(&host, "other"), None);
    }

    #[test]
    fn a_view_that_cannot_be_read_is_counted_and_logged_and_saturates_nothing() {
        let (host, mut saturation) = (FakeHost::new(), Saturation::new("weir.guardrail"));
        host.set_now_ns(1000 * MS);
        store(&host, "p", 5);
        host.set_shared(&keys::view(0), b"garbage", None).unwrap();
        assert!(!saturation.of(&host, "p"));
        assert_eq!(host.metric("weir_undecodable_total"), Some(1));
        assert!(host.logs()[0].1.starts_with("weir.guardrail: shared data weir/v2/view/0"));
    }

    #[test]
    fn any_number_of_pools_is_looked_at_in_bounded_memory() {
        let (host, mut saturation) = (FakeHost::new(), Saturation::new("weir.guardrail"));
        for index in 0..3 * limits::MAX_SLOTS {
            host.set_now_ns(index as u64 * MS);
            assert!(!saturation.of(&host, &format!("pool-{index}")));
        }
        assert_eq!(saturation.pools.len(), limits::MAX_SLOTS);
        store(&host, "late", 5);
        assert!(saturation.of(&host, "late"));
    }
}
