//! What this VM knows of each pool: decoded views, read again only when their version changes.

use std::rc::Rc;

use hashbrown::HashMap;
use weir_host::Host;
use weir_placement::{Dispatch, LoadView, Outstanding, PrefixIndex};
use weir_snapshot::{VersionStamp, keys};

use crate::outstanding::{self, Event};

/// Pools that are remembered; the names come from the configuration and signed snapshots.
const MAX_POOLS: usize = weir_snapshot::limits::MAX_POOLS;

/// How often a pool's version is looked at, in ns: 1 ms.
///
/// A snapshot comes every 100 ms, so it is noticed in time; under load, a look for each request
/// would be a fair part of what the filter costs.
const CHECK_EVERY_NS: u64 = 1_000_000;

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

/// One pool.
pub(crate) struct Pool {
    version_key: String,
    view_key: String,
    outstanding_key: Rc<str>,
    version: Vec<u8>,
    checked_at_ns: u64,
    /// The counts of all workers as they were when they were last shared.
    counts: Outstanding,
    /// When that was.
    shared_at_ns: u64,
    /// What happened in this worker since.
    waiting: Vec<Event>,
    /// When Envoy is next asked where a request went.
    ask_at_ns: u64,
    /// Until when it is asked for every answer.
    wary_until_ns: u64,
    /// The current view; `None` until the sidecar has pushed one.
    pub(crate) view: Option<Rc<LoadView>>,
}

impl Pool {
    fn new(name: &str) -> Self {
        Self {
            version_key: keys::version(name),
            view_key: keys::view(name),
            outstanding_key: keys::outstanding(name).into(),
            version: Vec::new(),
            checked_at_ns: 0,
            counts: Outstanding::default(),
            shared_at_ns: 0,
            waiting: Vec::new(),
            ask_at_ns: 0,
            wary_until_ns: 0,
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

    /// The counts with everything that this VM knows besides; those of other workers are at most
    /// [`SHARE_EVERY_NS`] old.
    pub(crate) fn counts<H: Host>(&self, host: &H, view: &LoadView, now_ns: u64) -> Counts {
        let since = now_ns.checked_sub(self.shared_at_ns);
        let share = since.is_none_or(|since| since >= SHARE_EVERY_NS);
        let (mut counts, cas) = match share {
            true => outstanding::read(host, &self.outstanding_key),
            false => (self.counts.clone(), None),
        };
        counts.observe(view);
        self.waiting.iter().for_each(|event| event.apply(&mut counts));
        Counts { counts, share: share.then_some(cas) }
    }

    /// Counts a request that goes to its replica now. Shares it with all that waits if it is time to,
    /// else it waits too: true then.
    pub(crate) fn dispatch<H: Host>(
        &mut self,
        host: &H,
        Counts { mut counts, share }: Counts,
        dispatch: &Dispatch,
        now_ns: u64,
    ) -> bool {
        self.waiting.push(Event::Sent(*dispatch, now_ns));
        let Some(cas) = share else { return true };
        counts.dispatch(dispatch, now_ns);
        self.shared_at_ns = now_ns;
        if outstanding::store(host, &self.outstanding_key, &counts, cas) {
            self.counts = counts;
            self.waiting.clear();
        } else {
            self.flush(host);
        }
        false
    }

    /// Shares what waits.
    fn flush<H: Host>(&mut self, host: &H) {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            self.counts = outstanding::change(host, &self.outstanding_key, |counts| {
                waiting.iter().for_each(|event| event.apply(counts));
            });
        }
    }

    /// Whether to ask Envoy where the request went that was placed at `placed_ns`.
    fn asks(&mut self, placed_ns: u64) -> bool {
        let asks = placed_ns >= self.ask_at_ns || placed_ns < self.wary_until_ns;
        if asks {
            self.ask_at_ns = placed_ns.saturating_add(ASK_EVERY_NS);
        }
        asks
    }
}

/// The counts at the moment of a pick.
pub(crate) struct Counts {
    pub(crate) counts: Outstanding,
    /// That they are to be shared, and the number to do so with.
    share: Option<Option<u32>>,
}

/// All pools, and the prefix index that spans them.
#[derive(Default)]
pub(crate) struct Pools {
    by_name: HashMap<String, Pool>,
    /// Whether something waits in a pool, so that a tick is under way.
    waiting: bool,
    pub(crate) prefixes: PrefixIndex,
}

impl Pools {
    /// The pool by that name with its current view; `None` when there are too many names.
    pub(crate) fn current<H: Host>(
        &mut self,
        host: &H,
        name: &str,
        now_ns: u64,
    ) -> Option<(&mut Pool, &mut PrefixIndex)> {
        if !self.by_name.contains_key(name) {
            if self.by_name.len() >= MAX_POOLS {
                return None;
            }
            self.by_name.insert(name.to_owned(), Pool::new(name));
        }
        let pool = self.by_name.get_mut(name)?;
        pool.refresh(host, &mut self.prefixes, now_ns);
        Some((pool, &mut self.prefixes))
    }

    /// Notes what happened; true if it waits, and nothing was waiting before.
    pub(crate) fn note<H: Host>(&mut self, host: &H, pool: &str, event: Event) -> bool {
        let Some(pool) = self.by_name.get_mut(pool) else { return false };
        pool.waiting.push(event);
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
    pub(crate) fn asks(&mut self, pool: &str, placed_ns: u64) -> bool {
        self.by_name.get_mut(pool).is_none_or(|pool| pool.asks(placed_ns))
    }

    /// Notes that a retry took a request to another replica than the one chosen.
    pub(crate) fn moved(&mut self, pool: &str, placed_ns: u64) {
        if let Some(pool) = self.by_name.get_mut(pool) {
            pool.wary_until_ns = placed_ns.saturating_add(WARY_NS);
        }
    }

    /// Shares what waits in any pool; false if nothing happened since the last time.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) -> bool {
        self.by_name.values_mut().for_each(|pool| pool.flush(host));
        std::mem::take(&mut self.waiting)
    }
}
