//! Whether a pool is saturated, from the view that the sidecar pushed.

use hashbrown::HashMap;
use weir_host::Host;
use weir_snapshot::{CompactView, keys, limits};

/// How long an answer holds, in ns: half a snapshot's interval.
const HOLDS_NS: u64 = 50_000_000;

/// Oldest view that says anything about now, in ns: ten polls of the sidecar.
const FRESH_NS: u64 = 1_000_000_000;

/// What was last seen of each pool.
#[derive(Default)]
pub(crate) struct Saturation {
    pools: HashMap<String, Seen>,
}

#[derive(Clone, Copy)]
struct Seen {
    saturated: bool,
    at_ns: u64,
}

impl Saturation {
    /// Whether the pool is saturated. Not known is no.
    pub(crate) fn of<H: Host>(&mut self, host: &H, pool: &str) -> bool {
        let now_ns = host.now_ns();
        let recent = |seen: &&Seen| now_ns.saturating_sub(seen.at_ns) < HOLDS_NS;
        if let Some(seen) = self.pools.get(pool).filter(recent) {
            return seen.saturated;
        }
        let saturated = saturated(host, pool, now_ns);
        if self.pools.len() < limits::MAX_POOLS || self.pools.contains_key(pool) {
            self.pools.insert(pool.to_owned(), Seen { saturated, at_ns: now_ns });
        }
        saturated
    }
}

fn saturated<H: Host>(host: &H, pool: &str, now_ns: u64) -> bool {
    let Ok(Some((bytes, _))) = host.shared(&keys::view(pool)) else { return false };
    let Ok(view) = CompactView::decode(&bytes) else { return false };
    view.stamp().age_ns(now_ns) <= FRESH_NS && view.is_saturated()
}
