//! What this VM knows of each pool: decoded views, read again only when their version changes.

use std::rc::Rc;

use weir_host::Host;
use weir_placement::{Dispatch, LoadView, Outstanding, PrefixIndex};
use weir_snapshot::{VersionStamp, keys};

use crate::outstanding::{self, Event};

/// Pools that are remembered; the names come from the configuration and signed snapshots.
const MAX_POOLS: usize = weir_snapshot::limits::MAX_POOLS;

/// How often a pool's version is looked at, in ns: 5 ms.
///
/// A snapshot comes every 100 ms, so it is noticed in time. A look enters the host for data, which
/// takes Envoy 10,000 instructions.
const CHECK_EVERY_NS: u64 = 5_000_000;

/// How often a pool's counts are shared with the other workers while it is busy, in ns: 5 ms, a
/// twentieth of a snapshot's interval. A share costs three entries of the host.
///
/// An idle pool's counts are shared at once: the next turn of a conversation that has just ended
/// would find its replica busy otherwise.
const SHARE_EVERY_NS: u64 = 5_000_000;

/// How often Envoy is asked where a request really went, in ns: 5 ms.
///
/// It is the replica that was chosen unless Envoy could not connect to it. Replicas go down for
/// longer than that, so a retry is noticed, and asking for each response costs two entries.
const ASK_EVERY_NS: u64 = 5_000_000;

/// For how long every answer's replica is asked for once a retry was seen, in ns: 1 s.
const WARY_NS: u64 = 1_000_000_000;

/// The host's clock is that of the wall: from this step back on it is taken to have been set, in ns:
/// one minute.
const SET_BACK_NS: u64 = 60_000_000_000;

/// One pool.
pub(crate) struct Pool {
    name: String,
    version_key: String,
    view_key: String,
    outstanding_key: String,
    version: Vec<u8>,
    checked_at_ns: u64,
    /// The counts of all workers as they were when they were last shared, with what waits.
    pub(crate) counts: Outstanding,
    /// When that was.
    shared_at_ns: u64,
    /// What happened in this worker since, in order.
    waiting: Vec<Event>,
    /// When the request was placed that Envoy was last asked about.
    asked_ns: u64,
    /// When the last one was placed that a retry took elsewhere.
    moved_ns: Option<u64>,
    /// The current view; `None` until the sidecar has pushed one.
    pub(crate) view: Option<Rc<LoadView>>,
}

impl Pool {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version_key: keys::version(name),
            view_key: keys::view(name),
            outstanding_key: keys::outstanding(name),
            version: Vec::new(),
            checked_at_ns: 0,
            counts: Outstanding::default(),
            shared_at_ns: 0,
            waiting: Vec::new(),
            asked_ns: 0,
            moved_ns: None,
            view: None,
        }
    }

    /// Looks whether there is a newer view, and decodes it.
    fn refresh<H: Host>(&mut self, host: &H, prefixes: &mut PrefixIndex, now_ns: u64) {
        let since = now_ns.checked_sub(self.checked_at_ns);
        if self.view.is_some() && since.is_some_and(|since| since < CHECK_EVERY_NS) {
            return;
        }
        self.checked_at_ns = now_ns;
        let Ok(Some((version, _))) = host.shared(&self.version_key) else { return };
        if version == self.version {
            return;
        }
        let Ok(Some((bytes, _))) = host.shared(&self.view_key) else { return };
        let Ok(view) = LoadView::decode(&bytes, prefixes) else { return };
        // The stamp is written before the view: a view that does not fit it yet is read again.
        if VersionStamp::decode(&version).is_some_and(|stamp| stamp.same_view(&view.stamp())) {
            self.version = version;
        }
        self.view = Some(Rc::new(view));
    }

    /// Brings the counts up to date for a pick: with everything that this VM knows, and what other
    /// workers knew at most [`SHARE_EVERY_NS`] ago, as `view` shows it.
    pub(crate) fn count<H: Host>(&mut self, host: &H, view: &LoadView, now_ns: u64) -> Share {
        let since = now_ns.checked_sub(self.shared_at_ns);
        // What was counted before a newer view can no longer be told from what was counted after it.
        let due = since.is_none_or(|since| since >= SHARE_EVERY_NS) || self.counts.is_behind(view);
        if !due {
            return Share::Waits;
        }
        let (counts, cas) = outstanding::read(host, &self.outstanding_key);
        self.counts = counts;
        self.counts.observe(view);
        self.waiting.iter().for_each(|event| event.apply(&mut self.counts));
        Share::Due(cas)
    }

    /// Counts a request that goes to its replica now. Shares it with all that waits if it is time to,
    /// else it waits too: true then.
    pub(crate) fn dispatch<H: Host>(
        &mut self,
        host: &H,
        share: Share,
        dispatch: &Dispatch,
        now_ns: u64,
    ) -> bool {
        self.note(Event::Sent(*dispatch, now_ns));
        let Share::Due(cas) = share else { return true };
        self.shared_at_ns = now_ns;
        if outstanding::store(host, &self.outstanding_key, &self.counts, cas) {
            self.waiting.clear();
        } else {
            self.flush(host);
        }
        false
    }

    /// Counts what happened; it waits to be shared.
    fn note(&mut self, event: Event) {
        event.apply(&mut self.counts);
        self.waiting.push(event);
    }

    /// Shares what waits.
    fn flush<H: Host>(&mut self, host: &H) {
        if !self.waiting.is_empty() {
            self.counts = outstanding::change(host, &self.outstanding_key, |counts| {
                self.waiting.iter().for_each(|event| event.apply(counts));
            });
            self.waiting.clear();
        }
    }

    /// Whether to ask Envoy where the request went that was placed at `placed_ns`.
    fn asks(&mut self, placed_ns: u64) -> bool {
        let wary = self.moved_ns.is_some_and(|moved| moved.abs_diff(placed_ns) < WARY_NS);
        // Requests are not answered in the order in which they were placed; one that was placed so much
        // earlier says that the clock was set back.
        let due = match placed_ns.checked_sub(self.asked_ns) {
            Some(since) => since >= ASK_EVERY_NS,
            None => self.asked_ns - placed_ns >= SET_BACK_NS,
        };
        if due {
            self.asked_ns = placed_ns;
        }
        due || wary
    }
}

/// Whether the counts of a pick are to be shared.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    /// Later.
    Waits,
    /// With this pick, and this number to do so with.
    Due(Option<u32>),
}

/// Which pool, for as long as the VM lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolId(usize);

/// All pools, and the prefix index that spans them.
#[derive(Default)]
pub(crate) struct Pools {
    /// Few, and most often one: a look at each name is less than a hash of one.
    pools: Vec<Pool>,
    /// Whether something waits in a pool, so that a tick is under way.
    waiting: bool,
    pub(crate) prefixes: PrefixIndex,
    /// The last header's value; kept for its memory.
    pub(crate) header: Vec<u8>,
}

impl Pools {
    /// The pool by that name, its view brought up to date; `None` when there are too many names.
    pub(crate) fn current<H: Host>(&mut self, host: &H, name: &str, now_ns: u64) -> Option<PoolId> {
        let known = self.pools.iter().position(|pool| pool.name == name);
        let place = known.unwrap_or(self.pools.len());
        if known.is_none() {
            if place >= MAX_POOLS {
                return None;
            }
            self.pools.push(Pool::new(name));
        }
        let pool = self.pools.get_mut(place)?;
        pool.refresh(host, &mut self.prefixes, now_ns);
        Some(PoolId(place))
    }

    /// That pool, and the index.
    pub(crate) fn get(&mut self, pool: PoolId) -> Option<(&mut Pool, &mut PrefixIndex)> {
        Some((self.pools.get_mut(pool.0)?, &mut self.prefixes))
    }

    /// Notes what happened; true if it waits, and nothing was waiting before.
    pub(crate) fn note<H: Host>(&mut self, host: &H, pool: PoolId, event: Event) -> bool {
        let Some(pool) = self.pools.get_mut(pool.0) else { return false };
        pool.note(event);
        if self.waiting {
            return false;
        }
        let now_ns = host.now_ns();
        if now_ns.saturating_sub(pool.shared_at_ns) >= SHARE_EVERY_NS {
            pool.shared_at_ns = now_ns;
            pool.flush(host);
            return false;
        }
        self.wait()
    }

    /// Notes that something waits; true if nothing was waiting before.
    pub(crate) fn wait(&mut self) -> bool {
        !std::mem::replace(&mut self.waiting, true)
    }

    /// Whether to ask Envoy where a request of that pool went.
    pub(crate) fn asks(&mut self, pool: PoolId, placed_ns: u64) -> bool {
        self.pools.get_mut(pool.0).is_none_or(|pool| pool.asks(placed_ns))
    }

    /// Notes that a retry took a request to another replica than the one chosen.
    pub(crate) fn moved(&mut self, pool: PoolId, placed_ns: u64) {
        if let Some(pool) = self.pools.get_mut(pool.0) {
            pool.moved_ns = Some(placed_ns);
        }
    }

    /// Shares what waits in any pool; false if nothing happened since the last time.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) -> bool {
        self.pools.iter_mut().for_each(|pool| pool.flush(host));
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_placement::{Phase, replica_key};
    use weir_snapshot::{EndpointReport, EndpointState, SnapshotMessage, encode};

    const MS: u64 = 1_000_000;

    fn dispatch() -> Dispatch {
        Dispatch { replica: replica_key(ADDRESS.as_bytes()), uncached_tokens: 10, prefill_us: 1 }
    }

    const ADDRESS: &str = "10.0.0.1:80";

    fn view(sequence: u64) -> LoadView {
        let endpoints = vec![EndpointReport::new(ADDRESS.to_owned(), EndpointState::Ready)];
        let pool = "p".to_owned();
        let message = SnapshotMessage { version: 1, pool, epoch: 1, sequence, endpoints };
        LoadView::decode(&encode(&message, 1).unwrap(), &mut PrefixIndex::default()).unwrap()
    }

    fn send(host: &FakeHost, pool: &mut Pool, at_ns: u64) -> (u32, bool) {
        let share = pool.count(host, &view(1), at_ns);
        let before = pool.counts.load(dispatch().replica).in_flight;
        (before, pool.dispatch(host, share, &dispatch(), at_ns))
    }

    /// What other workers see.
    fn shared(host: &FakeHost) -> u32 {
        outstanding::read(host, &keys::outstanding("p")).0.load(dispatch().replica).in_flight
    }

    #[test]
    fn a_busy_pools_counts_are_shared_every_few_milliseconds_and_known_here_at_once() {
        let (host, mut pool) = (FakeHost::new(), Pool::new("p"));
        assert_eq!(send(&host, &mut pool, 100 * MS), (0, false));
        assert_eq!(send(&host, &mut pool, 101 * MS), (1, true));
        assert_eq!((send(&host, &mut pool, 104 * MS), shared(&host)), ((2, true), 1));
        // Another worker's request is seen with the next share, and neither loses the other's.
        outstanding::change(&host, &keys::outstanding("p"), |counts| {
            counts.dispatch(&dispatch(), 1)
        });
        assert_eq!(send(&host, &mut pool, 105 * MS), (4, false));
        assert_eq!(shared(&host), 5);
    }

    #[test]
    fn a_newer_view_makes_the_counts_due_at_once() {
        let (host, mut pool) = (FakeHost::new(), Pool::new("p"));
        send(&host, &mut pool, 100 * MS);
        let mut due =
            |sequence| matches!(pool.count(&host, &view(sequence), 101 * MS), Share::Due(_));
        assert_eq!([due(1), due(2), due(2)], [false, true, false]);
        assert_eq!(pool.counts.load(dispatch().replica).dispatched_before, 1);
    }

    #[test]
    fn what_waits_is_shared_with_the_tick_at_the_latest() {
        let (host, mut pools) = (FakeHost::new(), Pools::default());
        host.set_now_ns(100 * MS);
        let id = pools.current(&host, "p", 100 * MS).unwrap();
        send(&host, pools.get(id).unwrap().0, 100 * MS);
        assert!(pools.note(&host, id, Event::Finished(dispatch(), Phase::Prefill)));
        assert_eq!(shared(&host), 1);
        assert!(pools.flush(&host));
        assert_eq!((shared(&host), pools.flush(&host)), (0, false));
    }

    #[test]
    fn an_idle_pools_counts_are_shared_at_once() {
        let (host, mut pools) = (FakeHost::new(), Pools::default());
        let id = pools.current(&host, "p", 100 * MS).unwrap();
        send(&host, pools.get(id).unwrap().0, 100 * MS);
        host.set_now_ns(105 * MS);
        assert!(!pools.note(&host, id, Event::Finished(dispatch(), Phase::Prefill)));
        assert_eq!(shared(&host), 0);
    }

    #[test]
    fn envoy_is_asked_where_requests_went_now_and_then_and_always_after_a_retry() {
        let mut pool = Pool::new("p");
        let asked = |pool: &mut Pool, times: [u64; 4]| times.map(|ms| pool.asks(ms * MS));
        assert_eq!(asked(&mut pool, [100, 101, 99, 105]), [true, false, false, true]);
        pool.moved_ns = Some(105 * MS);
        assert_eq!(asked(&mut pool, [106, 107, 104, 1104]), [true; 4]);
        assert_eq!(asked(&mut pool, [1106, 90_000, 89_999, 29_999]), [false, true, false, true]);
    }
}
