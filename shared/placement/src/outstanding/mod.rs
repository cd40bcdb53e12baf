//! What this Envoy has sent and not yet got back, shared by its workers.
//!
//! One value per pool lies in shared data; a worker decodes it, applies one change, encodes it and
//! stores it with compare-and-swap, again if another worker was faster. Counts are hints: whatever
//! is lost heals by itself.

mod codec;

use crate::load_view::LoadView;
use crate::pick::Pick;

/// Most endpoints with a count: as many as a pool may have.
const MAX_ENTRIES: usize = weir_snapshot::limits::MAX_ENDPOINTS;
/// Snapshots in a row with an idle replica and nothing dispatched, after which in-flight counts
/// must be leaks.
const QUIET_SNAPSHOTS: u32 = 5;

/// One request on its way, as the counts see it. Make it from the pick, keep it with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatch {
    /// Key of the replica.
    pub replica: u64,
    /// Prompt tokens that it has to compute.
    pub uncached_tokens: u32,
    /// Time that this should take, in µs.
    pub prefill_us: u32,
}

impl Dispatch {
    /// The dispatch of a request to the best endpoint of its pick; `None` if the pick is of another
    /// view.
    #[must_use]
    pub fn of(pick: &Pick, view: &LoadView) -> Option<Self> {
        let replica = view.id(pick.best())?.key();
        Some(Self { replica, uncached_tokens: pick.uncached_tokens, prefill_us: pick.prefill_us })
    }

    /// The same request at another replica, for when a retry went there.
    #[must_use]
    pub fn moved_to(self, replica: u64) -> Self {
        Self { replica, ..self }
    }
}

/// How far a request had come when it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No byte of the response had come.
    Prefill,
    /// The response had begun.
    Decode,
}

/// Own load at one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OwnLoad {
    /// Requests whose response has not ended.
    pub in_flight: u32,
    /// Requests without a first token.
    pub in_prefill: u32,
    /// Their uncached prompt tokens.
    pub prefill_tokens: u32,
    /// Requests sent since the last snapshot was seen.
    pub dispatched: u32,
    /// Requests sent between the last snapshot and the one before it.
    pub dispatched_before: u32,
    /// When the prefill of all of them should be done, in ns of the host's clock.
    pub busy_until_ns: u64,
    /// Snapshots in a row that showed the replica idle while nothing was sent to it.
    quiet: u32,
}

impl OwnLoad {
    fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.dispatched == 0 && self.dispatched_before == 0
    }

    /// Time until the prefills under way should be done, in µs.
    #[must_use]
    pub fn backlog_us(&self, now_ns: u64) -> u64 {
        // Streams tell when their prefill ends; other responses only come whole, so the clock must
        // do.
        if self.in_prefill == 0 { 0 } else { self.busy_until_ns.saturating_sub(now_ns) / 1000 }
    }
}

/// The counts of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outstanding {
    epoch: u64,
    sequence: u64,
    /// Moving mean over the requests sent, in µs; 0 before the first.
    mean_prefill_us: u64,
    /// By ascending key, none empty.
    entries: Vec<(u64, OwnLoad)>,
}

impl Outstanding {
    /// Reads a stored value. Bytes of another format count as no counts at all: they heal within
    /// seconds.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        codec::read(bytes).unwrap_or_default()
    }

    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::write(self)
    }

    /// Counts a request that goes to its replica now.
    pub fn dispatch(&mut self, dispatch: &Dispatch, now_ns: u64) {
        self.count_prefill(u64::from(dispatch.prefill_us));
        let Some(load) = self.entry(dispatch.replica) else { return };
        load.in_flight = load.in_flight.saturating_add(1);
        load.in_prefill = load.in_prefill.saturating_add(1);
        load.prefill_tokens = load.prefill_tokens.saturating_add(dispatch.uncached_tokens);
        load.dispatched = load.dispatched.saturating_add(1);
        let prefill_ns = u64::from(dispatch.prefill_us) * 1000;
        load.busy_until_ns = load.busy_until_ns.max(now_ns).saturating_add(prefill_ns);
    }

    /// Moves the mean a step of 1/32 towards this prefill.
    fn count_prefill(&mut self, prefill_us: u64) {
        let prefill_us = prefill_us.max(1);
        self.mean_prefill_us = match self.mean_prefill_us {
            0 => prefill_us,
            mean => (mean.min(u64::from(u32::MAX)) * 31 + prefill_us).div_ceil(32),
        };
    }

    /// Mean time of a prefill in this pool, in µs, over about the last 32 requests sent; `None`
    /// before the first.
    #[must_use]
    pub fn mean_prefill_us(&self) -> Option<u64> {
        (self.mean_prefill_us > 0).then_some(self.mean_prefill_us)
    }

    /// Counts the first byte of a response: its prefill is done.
    pub fn first_token(&mut self, dispatch: &Dispatch) {
        self.change(dispatch.replica, |load| end_prefill(load, dispatch));
    }

    /// Counts the end of a response, complete or not.
    pub fn finish(&mut self, dispatch: &Dispatch, phase: Phase) {
        self.change(dispatch.replica, |load| {
            if phase == Phase::Prefill {
                end_prefill(load, dispatch);
            }
            load.in_flight = load.in_flight.saturating_sub(1);
        });
    }

    /// Takes notice of a newer view: starts the next count of dispatches, drops endpoints that are
    /// gone, and resets counts that the view shows to be leaks. Returns whether anything changed.
    pub fn observe(&mut self, view: &LoadView) -> bool {
        let stamp = view.stamp();
        if (stamp.epoch, stamp.sequence) <= (self.epoch, self.sequence) {
            return false;
        }
        (self.epoch, self.sequence) = (stamp.epoch, stamp.sequence);
        self.entries.retain_mut(|(key, load)| {
            let record =
                view.position_of(*key).and_then(|index| view.compact().endpoints().get(index));
            let Some(record) = record else { return false };
            let idle = record.waiting == Some(0) && record.running == Some(0);
            next_snapshot(load, idle);
            !load.is_empty()
        });
        true
    }

    /// Own load at the replica with `key`.
    #[must_use]
    pub fn load(&self, key: u64) -> OwnLoad {
        let found = self.entries.binary_search_by_key(&key, |(known, _)| *known).ok();
        found
            .and_then(|place| self.entries.get(place))
            .map_or_else(OwnLoad::default, |(_, load)| *load)
    }

    /// Own load by endpoint, in the order of `view`.
    #[must_use]
    pub fn by_endpoint(&self, view: &LoadView) -> Vec<OwnLoad> {
        let mut loads = vec![OwnLoad::default(); view.len()];
        let mut entries = self.entries.iter().peekable();
        // Both sides ascend by key, so one pass over both finds every pair.
        for (key, index) in view.by_key() {
            while entries.next_if(|(known, _)| known < key).is_some() {}
            if let Some((_, load)) = entries.next_if(|(known, _)| known == key)
                && let Some(slot) = loads.get_mut(usize::from(*index))
            {
                *slot = *load;
            }
        }
        loads
    }

    fn entry(&mut self, key: u64) -> Option<&mut OwnLoad> {
        let place = match self.entries.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(place) => place,
            Err(_) if self.entries.len() >= MAX_ENTRIES => return None,
            Err(place) => {
                self.entries.insert(place, (key, OwnLoad::default()));
                place
            }
        };
        self.entries.get_mut(place).map(|(_, load)| load)
    }

    fn change(&mut self, key: u64, change: impl FnOnce(&mut OwnLoad)) {
        let Ok(place) = self.entries.binary_search_by_key(&key, |(known, _)| *known) else {
            return;
        };
        if let Some((_, load)) = self.entries.get_mut(place) {
            change(load);
            if load.is_empty() {
                self.entries.remove(place);
            }
        }
    }
}

fn end_prefill(load: &mut OwnLoad, dispatch: &Dispatch) {
    load.in_prefill = load.in_prefill.saturating_sub(1);
    load.prefill_tokens = load.prefill_tokens.saturating_sub(dispatch.uncached_tokens);
}

fn next_snapshot(load: &mut OwnLoad, idle: bool) {
    let quiet = idle && load.dispatched == 0 && load.dispatched_before == 0;
    load.quiet = if quiet { load.quiet.saturating_add(1) } else { 0 };
    load.dispatched_before = load.dispatched;
    load.dispatched = 0;
    if load.quiet >= QUIET_SNAPSHOTS {
        // A VM that died took its streams' ends with it.
        *load = OwnLoad::default();
    }
}
