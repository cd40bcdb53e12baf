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

/// Within this time of the last write, in ns, a pool counts as busy: its next request will write
/// what waits. An idle pool's counts are written at once, or the next turn of the conversation that
/// just ended would find its replica busy.
const BUSY_NS: u64 = 2_000_000;

/// One pool.
pub(crate) struct Pool {
    version_key: String,
    view_key: String,
    outstanding_key: Rc<str>,
    version: Vec<u8>,
    checked_at_ns: u64,
    /// What responses told since the counts were last written.
    waiting: Vec<Event>,
    /// When the counts were last written.
    written_at_ns: u64,
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
            waiting: Vec::new(),
            written_at_ns: 0,
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

    /// The shared counts with everything that this VM knows besides.
    pub(crate) fn counts<H: Host>(&self, host: &H, view: &LoadView) -> Counts {
        let (mut counts, cas) = outstanding::read(host, &self.outstanding_key);
        counts.observe(view);
        self.waiting.iter().for_each(|event| event.apply(&mut counts));
        Counts { counts, cas }
    }

    /// Counts a request that goes to its replica now, with all that waits.
    pub(crate) fn dispatch<H: Host>(
        &mut self,
        host: &H,
        Counts { mut counts, cas }: Counts,
        dispatch: &Dispatch,
        now_ns: u64,
    ) {
        counts.dispatch(dispatch, now_ns);
        let waiting = std::mem::take(&mut self.waiting);
        self.written_at_ns = now_ns;
        if outstanding::store(host, &self.outstanding_key, &counts, cas) {
            return;
        }
        outstanding::change(host, &self.outstanding_key, |counts| {
            waiting.iter().for_each(|event| event.apply(counts));
            counts.dispatch(dispatch, now_ns);
        });
    }

    /// Writes what waits.
    fn flush<H: Host>(&mut self, host: &H) {
        let waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            outstanding::change(host, &self.outstanding_key, |counts| {
                waiting.iter().for_each(|event| event.apply(counts));
            });
        }
    }
}

/// The counts at the moment of a pick.
pub(crate) struct Counts {
    pub(crate) counts: Outstanding,
    cas: Option<u32>,
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

    /// Notes what a response told; true if it waits, and nothing was waiting before.
    pub(crate) fn note<H: Host>(&mut self, host: &H, pool: &str, event: Event) -> bool {
        let Some(pool) = self.by_name.get_mut(pool) else { return false };
        pool.waiting.push(event);
        let now_ns = host.now_ns();
        if now_ns.saturating_sub(pool.written_at_ns) >= BUSY_NS {
            pool.written_at_ns = now_ns;
            pool.flush(host);
            return false;
        }
        let first = !self.waiting;
        self.waiting = true;
        first
    }

    /// Writes what waits in any pool; false if nothing was told since the last time.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) -> bool {
        self.by_name.values_mut().for_each(|pool| pool.flush(host));
        std::mem::take(&mut self.waiting)
    }
}
