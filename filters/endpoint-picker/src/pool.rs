//! What this VM knows of each pool: decoded views, read again only when their version changes.

use std::rc::Rc;

use weir_host::Host;
use weir_placement::{Dispatch, LoadView, Outstanding, PrefixIndex};
use weir_pools::{Latest, PoolSource, Undecodable};

use crate::outstanding::{self, Event};
use crate::pool_metrics::PoolMetrics;
use crate::prefix_sharing::PrefixSharing;

/// How often a pool's version is looked at, in ns: 5 ms.
///
/// A snapshot comes every 100 ms, so it is noticed in time. A look enters the host for data, which
/// takes Envoy 10,000 instructions.
pub(crate) const CHECK_EVERY_NS: u64 = 5_000_000;

/// How often a pool's counts are shared with the other workers while it is busy, in ns: 5 ms, a
/// twentieth of a snapshot's interval. A share costs three entries of the host.
///
/// An idle pool's counts are shared at once: the next turn of a conversation that has just ended
/// would find its replica busy otherwise.
pub(crate) const SHARE_EVERY_NS: u64 = 5_000_000;

/// Events that may wait for a share which other workers keep from being stored: some 100 ms of a worker at its limit.
/// Beyond, they are dropped, and counts heal with the next snapshots.
pub(crate) const MOST_WAITING: usize = 4096;

/// How often Envoy is asked where a request really went, in ns: 5 ms.
///
/// It is the replica that was chosen unless Envoy could not connect to it. Replicas go down for
/// longer than that, so a retry is noticed, and asking for each response costs two entries.
pub(crate) const ASK_EVERY_NS: u64 = 5_000_000;

/// For how long every answer's replica is asked for once a retry was seen, in ns: 1 s.
pub(crate) const WARY_NS: u64 = 1_000_000_000;

/// A request that was placed so long before another which was answered already may have waited for a replica in
/// vain, until a retry took it elsewhere: 250 ms in ns. To ask about it costs nothing beside what it took.
pub(crate) const LATE_NS: u64 = 250_000_000;

/// The host's clock is that of the wall: from this step back on it is taken to have been set, in ns:
/// one minute.
pub(crate) const SET_BACK_NS: u64 = 60_000_000_000;

/// One pool.
pub(crate) struct Pool {
    pub(crate) source: PoolSource,
    /// Told apart from the pools that had its place before.
    pub(crate) generation: u64,
    /// When it was last looked whether there is a newer view.
    pub(crate) looked_at_ns: Option<u64>,
    /// The counts of all workers as they were when they were last shared, with what waits.
    pub(crate) counts: Outstanding,
    /// When that was.
    pub(crate) shared_at_ns: u64,
    /// What happened in this worker since, in order.
    pub(crate) waiting: Vec<Event>,
    /// When the request was placed that Envoy was last asked about.
    pub(crate) asked_ns: u64,
    /// When the last one was placed that a retry took elsewhere, or when the last attempt failed.
    pub(crate) moved_ns: Option<u64>,
    /// Whether the filter `attempt` has told of a replica of this pool, so that nothing has to be inferred.
    pub(crate) sees_attempts: bool,
    pub(crate) metrics: PoolMetrics,
    /// What workers tell each other of prefix caches.
    pub(crate) sharing: PrefixSharing,
    /// The current view; `None` until the sidecar has pushed one.
    pub(crate) view: Option<Rc<LoadView>>,
    /// What replicas have reported since they were measured, each once.
    reports: Vec<Reported>,
    /// Whether reports have not been merged into this view yet.
    unmerged: bool,
}

impl Pool {
    pub(crate) fn new(name: &str, generation: u64) -> Self {
        Self {
            source: PoolSource::new(name),
            generation,
            looked_at_ns: None,
            counts: Outstanding::default(),
            shared_at_ns: 0,
            waiting: Vec::new(),
            asked_ns: 0,
            moved_ns: None,
            sees_attempts: false,
            metrics: PoolMetrics::new(name),
            sharing: PrefixSharing::default(),
            view: None,
            reports: Vec::new(),
            unmerged: false,
        }
    }

    /// Looks whether there is a newer view, and decodes it.
    pub(crate) fn refresh<H: Host>(
        &mut self,
        host: &H,
        prefixes: &mut PrefixIndex,
        undecodable: &Undecodable,
        now_ns: u64,
    ) {
        let since = self.looked_at_ns.and_then(|last| now_ns.checked_sub(last));
        if since.is_some_and(|since| since < CHECK_EVERY_NS) {
            return;
        }
        self.looked_at_ns = Some(now_ns);
        match self.source.look(host, undecodable) {
            Latest::Unchanged => {}
            Latest::New(view) => {
                self.view = Some(Rc::new(LoadView::new(*view, prefixes)));
                self.unmerged = true;
            }
            Latest::Absent => {
                self.view = None;
                self.waiting.clear();
                self.sharing.drop_all();
            }
        }
    }

    /// Brings the counts up to date for a pick: with everything that this VM knows, and what other
    /// workers knew at most [`SHARE_EVERY_NS`] ago, as `view` shows it. `worker` is this one's number.
    pub(crate) fn count<H: Host>(
        &mut self,
        host: &H,
        view: &LoadView,
        worker: u64,
        now_ns: u64,
    ) -> Share {
        let since = now_ns.checked_sub(self.shared_at_ns);
        // What was counted before a newer view can no longer be told from what was counted after it.
        let due = since.is_none_or(|since| since >= SHARE_EVERY_NS) || self.counts.is_behind(view);
        if !due {
            return Share::Waits;
        }
        let Some(key) = self.source.outstanding_key() else { return Share::Waits };
        let (mut counts, cas) = outstanding::read(host, key);
        let several = counts.note_worker(worker);
        self.counts = counts;
        self.counts.observe(view);
        self.waiting.iter().for_each(|event| event.apply(&mut self.counts));
        Share::Due { cas, look: self.sharing.is_due(several) }
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
        let (Share::Due { cas, .. }, Some(key)) = (share, self.source.outstanding_key()) else {
            return true;
        };
        self.shared_at_ns = now_ns;
        if outstanding::store(host, key, &self.counts, cas) {
            self.waiting.clear();
            return false;
        }
        !self.flush(host)
    }

    /// Whether the pool has a replica with this key.
    pub(crate) fn has(&self, replica: u64) -> bool {
        self.position(replica).is_some()
    }

    /// Where the replica with this key is in the current view.
    pub(crate) fn position(&self, replica: u64) -> Option<usize> {
        self.view.as_ref()?.position_of(replica)
    }

    /// Counts an attempt that failed.
    #[cold]
    pub(crate) fn note_failure<H: Host>(&mut self, host: &H, replica: u64) {
        let now_ns = host.now_ns();
        let view = self.view.as_ref();
        let address = view.and_then(|view| view.address(view.position_of(replica)?));
        self.metrics.failed(host, self.source.name(), address.unwrap_or_default());
        // Others are asked about, too, as after a retry.
        self.moved_ns = Some(now_ns);
        self.note(Event::Failed(replica, now_ns));
    }

    /// Counts what happened; it waits to be shared.
    pub(crate) fn note(&mut self, event: Event) {
        event.apply(&mut self.counts);
        self.waiting.push(event);
    }

    /// Shares what waits; false if it still waits, because other workers were faster each time.
    pub(crate) fn flush<H: Host>(&mut self, host: &H) -> bool {
        if let Some(key) = self.source.outstanding_key().filter(|_| !self.waiting.is_empty()) {
            let (counts, stored) = outstanding::change(host, key, |counts| {
                self.waiting.iter().for_each(|event| event.apply(counts));
            });
            self.counts = counts;
            if !stored && self.waiting.len() < MOST_WAITING {
                return false;
            }
        }
        self.waiting.clear();
        true
    }

    /// Whether to ask Envoy where the request went that was placed at `placed_ns` on the replica with this key.
    pub(crate) fn asks(&mut self, replica: u64, placed_ns: u64) -> bool {
        // That one which fails has served must be known for sure.
        let unwell = !self.counts.load(replica).health.is_well();
        let wary = self.moved_ns.is_some_and(|moved| moved.abs_diff(placed_ns) < WARY_NS);
        // Requests are not answered in the order in which they were placed; one that was placed so much
        // earlier says that the clock was set back.
        let late = self.asked_ns.saturating_sub(placed_ns);
        let due = match placed_ns.checked_sub(self.asked_ns) {
            Some(since) => since >= ASK_EVERY_NS,
            None => late >= SET_BACK_NS,
        };
        if due {
            self.asked_ns = placed_ns;
        }
        due || wary || unwell || late >= LATE_NS
    }
}

/// Whether the counts of a pick are to be shared.
#[derive(Clone, Copy)]
pub(crate) enum Share {
    /// Later.
    Waits,
    /// With this pick.
    Due {
        /// The number to do so with.
        cas: Option<u32>,
        /// Whether to look at what others tell of prefix caches.
        look: bool,
    },
}

mod reported;
mod reports;

use reported::Reported;

#[cfg(test)]
mod tests;
