//! All pools of this VM.

use weir_host::Host;
use weir_placement::{PrefixEvents, PrefixIndex};
use weir_pools::Undecodable;

use crate::attempts::{AttemptReader, Read};
use crate::outstanding::Event;
use crate::pool::{Pool, SHARE_EVERY_NS};
use crate::prefix_sharing::{Sharing, SharingMetrics, own_number};

/// Pools that are remembered at a time: as many as can have a view. The names come from policies; where
/// there are more of them, the pool that was looked at longest ago makes room.
pub(crate) const MAX_POOLS: usize = weir_snapshot::limits::MAX_SLOTS;

/// Which pool; it stands for none once another has its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolId {
    pub(crate) place: usize,
    generation: u64,
}

/// All pools, and the prefix index that spans them.
pub(crate) struct Pools {
    /// What cannot be read of them.
    undecodable: Undecodable,
    /// Pools that have had a place so far.
    generations: u64,
    /// Few, and most often one: a look at each name is less than a hash of one.
    pub(crate) pools: Vec<Pool>,
    /// Whether something waits in a pool, so that a tick is under way.
    waiting: bool,
    attempts: AttemptReader,
    pub(crate) prefixes: PrefixIndex,
    /// What stands for this worker in shared data.
    pub(crate) worker: u64,
    sharing: SharingMetrics,
    /// The last header's value; kept for its memory.
    pub(crate) header: Vec<u8>,
}

impl Default for Pools {
    fn default() -> Self {
        Self {
            undecodable: Undecodable::new("weir.endpoint-picker"),
            generations: 0,
            pools: Vec::new(),
            waiting: false,
            attempts: AttemptReader::default(),
            prefixes: PrefixIndex::default(),
            worker: own_number(),
            sharing: SharingMetrics::new(),
            header: Vec::new(),
        }
    }
}

impl Pools {
    /// The pool by that name, its view brought up to date.
    pub(crate) fn current<H: Host>(&mut self, host: &H, name: &str, now_ns: u64) -> Option<PoolId> {
        let known = self.pools.iter().position(|pool| pool.source.name() == name);
        let place = match known {
            Some(place) => place,
            None => self.remember(host, name),
        };
        let pool = self.pools.get_mut(place)?;
        pool.refresh(host, &mut self.prefixes, &self.undecodable, now_ns);
        Some(PoolId { place, generation: pool.generation })
    }

    /// Gives a pool a place; that of the one that was looked at longest ago if there are too many.
    #[cold]
    fn remember<H: Host>(&mut self, host: &H, name: &str) -> usize {
        self.generations = self.generations.wrapping_add(1);
        let pool = Pool::new(name, self.generations);
        if self.pools.len() >= MAX_POOLS {
            let oldest =
                self.pools.iter_mut().enumerate().min_by_key(|(_, pool)| pool.looked_at_ns);
            if let Some((place, old)) = oldest {
                old.flush(host);
                old.metrics.flush(host);
                *old = pool;
                return place;
            }
        }
        self.pools.push(pool);
        self.pools.len().saturating_sub(1)
    }

    fn find(&mut self, id: PoolId) -> Option<&mut Pool> {
        self.pools.get_mut(id.place).filter(|pool| pool.generation == id.generation)
    }

    /// What is counted and logged of values that cannot be read.
    pub(crate) fn undecodable(&self) -> &Undecodable {
        &self.undecodable
    }

    /// That pool, and the index.
    pub(crate) fn get(&mut self, id: PoolId) -> Option<(&mut Pool, &mut PrefixIndex)> {
        let pool = self.pools.get_mut(id.place).filter(|pool| pool.generation == id.generation)?;
        Some((pool, &mut self.prefixes))
    }

    /// Takes over what other workers have told of that pool's prefix caches.
    pub(crate) fn take_over<H: Host>(&mut self, host: &H, id: PoolId) {
        let place = self.pools.get_mut(id.place);
        let Some(pool) = place.filter(|pool| pool.generation == id.generation) else { return };
        let with = Sharing {
            source: &pool.source,
            undecodable: &self.undecodable,
            metrics: &self.sharing,
            worker: self.worker,
        };
        pool.sharing.take_over(host, &with, &mut self.prefixes);
    }

    /// Notes what others are to be told of that pool's prefix caches; true if nothing was waiting before.
    pub(crate) fn learned(&mut self, id: PoolId, note: impl FnOnce(&mut PrefixEvents)) -> bool {
        let Some(pool) = self.find(id) else { return false };
        note(&mut pool.sharing.events);
        self.wait()
    }

    /// Takes notice of how attempts went since the last time.
    pub(crate) fn read_attempts<H: Host>(&mut self, host: &H) -> Read {
        self.attempts.read(host, &mut self.pools)
    }

    /// Notes what happened; true if it waits, and nothing was waiting before.
    pub(crate) fn note<H: Host>(&mut self, host: &H, pool: PoolId, event: Event) -> bool {
        let waiting = self.waiting;
        let Some(pool) = self.find(pool) else { return false };
        pool.note(event);
        if waiting {
            return false;
        }
        let now_ns = host.now_ns();
        if now_ns.saturating_sub(pool.shared_at_ns) >= SHARE_EVERY_NS {
            pool.shared_at_ns = now_ns;
            if pool.flush(host) {
                return false;
            }
        }
        self.wait()
    }

    /// Notes that something waits; true if nothing was waiting before.
    pub(crate) fn wait(&mut self) -> bool {
        !std::mem::replace(&mut self.waiting, true)
    }

    /// Whether to ask Envoy where a request of that pool went.
    pub(crate) fn asks(&mut self, pool: PoolId, replica: u64, placed_ns: u64) -> bool {
        self.find(pool).is_none_or(|pool| pool.asks(replica, placed_ns))
    }

    /// Counts a request of the pool by that name that was not placed, and says so if it is for want of a
    /// snapshot.
    #[cold]
    pub(crate) fn not_placed<H: Host>(&self, host: &H, name: &str) {
        let mut pools = self.pools.iter();
        let Some(pool) = pools.find(|pool| pool.source.name() == name) else { return };
        pool.metrics.not_placed(host);
        if pool.view.is_none() {
            pool.metrics.tell_no_snapshot(host, name);
        }
    }

    /// Notes that a retry took a request to another replica than the one chosen.
    pub(crate) fn moved(&mut self, pool: PoolId, placed_ns: u64) {
        if let Some(pool) = self.find(pool) {
            pool.moved_ns = Some(placed_ns);
        }
    }

    /// Shares what waits in any pool; false if nothing happened since the last time.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) -> bool {
        let (mut all, now_ns) = (true, host.now_ns());
        for pool in &mut self.pools {
            all &= pool.flush(host);
            let with = Sharing {
                source: &pool.source,
                undecodable: &self.undecodable,
                metrics: &self.sharing,
                worker: self.worker,
            };
            all &= pool.sharing.tell(host, &with, &mut self.prefixes, now_ns);
            pool.metrics.flush(host);
        }
        std::mem::replace(&mut self.waiting, !all)
    }
}
