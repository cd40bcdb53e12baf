//! What the workers of an Envoy tell each other of the replicas' prefix caches, through a ring in shared data.
//!
//! What a worker learns waits for its tick, some 20 ms. It takes over what others have told with the first request
//! 5 ms after the last time. A worker that counts alone in a pool looks at nothing, and tells once a second, for one that
//! comes later.

use std::hash::{BuildHasher, RandomState};

use weir_host::metrics::Metric;
use weir_host::{Host, HostError};
use weir_placement::{PrefixEvents, PrefixIndex, PrefixRing, RingCursor};
use weir_pools::{PoolSource, Undecodable};

/// How often events that lost against another worker's are tried again at once; then they wait for the next tick.
const ATTEMPTS: usize = 8;

/// How long the events of a worker wait that counts alone, in ns: 1 s.
const ALONE_NS: u64 = 1_000_000_000;

/// A number that stands for this worker, from Envoy's source of randomness. Two of the values mean something else.
pub(crate) fn own_number() -> u64 {
    RandomState::new().hash_one(0_u64).clamp(1, u64::MAX - 1)
}

/// What is counted of it.
pub(crate) struct SharingMetrics {
    told: Metric,
    taken: Metric,
    missed: Metric,
}

impl SharingMetrics {
    pub(crate) fn new() -> Self {
        let counter = |what| Metric::counter(format!("weir_prefix_shares_total.what.{what}"));
        Self { told: counter("told"), taken: counter("taken"), missed: counter("missed") }
    }
}

/// What everybody needs who shares.
pub(crate) struct Sharing<'a> {
    pub(crate) source: &'a PoolSource,
    pub(crate) undecodable: &'a Undecodable,
    pub(crate) metrics: &'a SharingMetrics,
    /// Of this worker.
    pub(crate) worker: u64,
}

/// Of one pool.
#[derive(Default)]
pub(crate) struct PrefixSharing {
    /// What nobody has been told yet.
    pub(crate) events: PrefixEvents,
    cursor: RingCursor,
    /// Whether other workers count in this pool, too.
    several: bool,
    /// Whether the ring was looked at.
    looked: bool,
    told_ns: u64,
}

impl PrefixSharing {
    /// Notes whether other workers count in this pool; true if the ring is to be looked at.
    pub(crate) fn is_due(&mut self, several: bool) -> bool {
        self.several = several;
        several || !self.looked
    }

    /// Takes over what others have told.
    pub(crate) fn take_over<H: Host>(
        &mut self,
        host: &H,
        with: &Sharing<'_>,
        prefixes: &mut PrefixIndex,
    ) {
        self.looked = true;
        if let Some((ring, _)) = read(host, with) {
            self.merge(host, with, &ring, prefixes);
        }
    }

    fn merge<H: Host>(
        &mut self,
        host: &H,
        with: &Sharing<'_>,
        ring: &PrefixRing,
        prefixes: &mut PrefixIndex,
    ) {
        let mut taken: u32 = 0;
        let missed = ring.read_on(&mut self.cursor, |event| {
            taken = taken.saturating_add(1);
            prefixes.merge(event);
        });
        if taken > 0 {
            with.metrics.taken.add(host, taken.into());
        }
        if missed > 0 {
            with.metrics.missed.add(host, i64::try_from(missed).unwrap_or(i64::MAX));
        }
    }

    /// Tells the others what waits, if it is time to; false if something still waits.
    pub(crate) fn tell<H: Host>(
        &mut self,
        host: &H,
        with: &Sharing<'_>,
        prefixes: &mut PrefixIndex,
        now_ns: u64,
    ) -> bool {
        if self.events.is_empty() {
            return true;
        }
        let since = now_ns.abs_diff(self.told_ns);
        if !self.several && since < ALONE_NS && !self.events.is_half_full() {
            return false;
        }
        let Some(key) = with.source.prefixes_key() else { return self.drop_all() };
        for _ in 0..ATTEMPTS {
            let (mut ring, cas) = match read(host, with) {
                Some((ring, cas)) => (ring, Some(cas)),
                None => (PrefixRing::new(with.source.pool_key(), with.worker ^ now_ns), None),
            };
            self.merge(host, with, &ring, prefixes);
            ring.append(&self.events);
            match host.set_shared(key, ring.as_bytes(), cas) {
                Err(HostError::CasMismatch) => {}
                // A host that stores nothing has nobody to tell.
                _ => {
                    // What is one's own needs no merging.
                    ring.read_on(&mut self.cursor, |_| ());
                    self.told_ns = now_ns;
                    with.metrics.told.add(host, self.events.len().into());
                    let lost = self.events.clear();
                    if lost > 0 {
                        with.metrics.missed.add(host, lost.into());
                    }
                    return true;
                }
            }
        }
        false
    }

    /// Forgets what waits, and what was read: the pool has no slot any more.
    pub(crate) fn drop_all(&mut self) -> bool {
        *self = Self::default();
        true
    }
}

/// The pool's ring and the number to change it with; `None` if there is none that can be read.
fn read<H: Host>(host: &H, with: &Sharing<'_>) -> Option<(PrefixRing, u32)> {
    let key = with.source.prefixes_key()?;
    let (bytes, cas) = host.shared(key).ok()??;
    let ring = PrefixRing::read(bytes, with.source.pool_key());
    let ring = ring.inspect_err(|error| with.undecodable.note(host, key, error)).ok()??;
    Some((ring, cas))
}
