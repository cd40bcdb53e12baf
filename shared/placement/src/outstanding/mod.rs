//! What this Envoy has sent and not yet got back, shared by its workers.
//!
//! One value per pool lies in shared data; a worker reads it, applies one change and stores it with
//! compare-and-swap, again if another worker was faster. Counts are hints: whatever is lost heals with the next
//! snapshots, because a count never exceeds what a fresh one shows running and waiting, and what was sent
//! since the last but one.

mod codec;
mod dispatch;
mod elsewhere;
mod health;
mod own_load;
mod pace;

pub use dispatch::{Dispatch, Phase};
pub use health::Health;
pub use own_load::OwnLoad;
pub use pace::Pace;

use codec::{Entry, Header, SEVERAL, Stored, key_of, read_entry, write_entry};

use crate::load_view::LoadView;

/// Snapshots in a row with an idle replica and nothing dispatched, after which in-flight counts
/// must be leaks.
const QUIET_SNAPSHOTS: u32 = 5;

/// The counts of one pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outstanding {
    stored: Stored,
}

impl Outstanding {
    /// Reads a stored value. Bytes of another format count as no counts at all: they heal within
    /// seconds.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self::from_stored(bytes.to_vec())
    }

    /// The same without a copy.
    #[must_use]
    pub fn from_stored(bytes: Vec<u8>) -> Self {
        Self { stored: Stored::read(bytes).unwrap_or_default() }
    }

    /// The value to store.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    /// The same without a copy.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.stored.as_bytes()
    }

    /// Counts a request that goes to its replica now.
    pub fn dispatch(&mut self, dispatch: &Dispatch, now_ns: u64) {
        self.count_prefill(u64::from(dispatch.prefill_us));
        let Some(entry) = self.entry(dispatch.replica) else { return };
        let mut load = read_entry(entry);
        if load.awaited == 0 {
            // The silence before counts for nobody.
            load.heard_at_ns = now_ns;
        }
        load.awaited = load.awaited.saturating_add(u32::from(dispatch.streamed));
        load.health.sent(now_ns);
        load.in_flight = load.in_flight.saturating_add(1);
        load.in_prefill = load.in_prefill.saturating_add(1);
        load.prefill_tokens = load.prefill_tokens.saturating_add(dispatch.uncached_tokens);
        load.dispatched = load.dispatched.saturating_add(1);
        let prefill_ns = u64::from(dispatch.prefill_us) * 1000;
        load.busy_until_ns = load.busy_until_ns.max(now_ns).saturating_add(prefill_ns);
        debug_assert!(load.in_flight > 0 && load.in_prefill > 0, "it counts from now on");
        debug_assert!(!load.is_empty(), "or its entry would go");
        write_entry(entry, dispatch.replica, &load);
        self.check_invariants();
    }

    /// The entry of a replica, made if there is none yet; `None` if there are too many.
    fn entry(&mut self, key: u64) -> Option<&mut Entry> {
        let place = match self.stored.find(key) {
            Ok(place) => place,
            Err(place) if self.stored.insert(place) => place,
            Err(_) => return None,
        };
        self.stored.entry_mut(place)
    }

    /// Counts an attempt at the replica with `key` that failed: refused, reset, cut or answered with an error of
    /// the server's.
    pub fn failed(&mut self, key: u64, now_ns: u64) {
        let Some(entry) = self.entry(key) else { return };
        let mut load = read_entry(entry);
        load.health.failed(now_ns);
        write_entry(entry, key, &load);
        self.check_invariants();
    }

    /// Counts an attempt at the replica with `key` that was answered.
    pub fn served(&mut self, key: u64) {
        self.change(key, |load| load.health.served());
    }

    /// Moves the mean a step of 1/32 towards this prefill.
    fn count_prefill(&mut self, prefill_us: u64) {
        let prefill_us = prefill_us.max(1);
        let header = self.stored.header();
        let mean_prefill_us = match header.mean_prefill_us {
            0 => prefill_us,
            mean => (mean.min(u64::from(u32::MAX)) * 31 + prefill_us).div_ceil(32),
        };
        self.stored.set_header(Header { mean_prefill_us, ..header });
    }

    /// Mean time of a prefill in this pool, in µs, over about the last 32 requests sent; `None`
    /// before the first.
    #[must_use]
    pub fn mean_prefill_us(&self) -> Option<u64> {
        Some(self.stored.header().mean_prefill_us).filter(|mean| *mean > 0)
    }

    /// Counts the first byte of a response to a request that was sent at `sent_ns`: its prefill is done.
    pub fn first_token(&mut self, dispatch: &Dispatch, sent_ns: u64, now_ns: u64) {
        let mut header = self.stored.header();
        self.change(dispatch.replica, |load| {
            if dispatch.alone_us > 0 && dispatch.streamed {
                let took_us = now_ns.saturating_sub(sent_ns) / 1000;
                header.mean_pace = load.pace.sample(header.mean_pace, took_us, dispatch.alone_us);
            }
            end_prefill(load, dispatch);
            load.decode_tokens = load.decode_tokens.saturating_add(dispatch.decode_tokens);
            load.heard_at_ns = load.heard_at_ns.max(now_ns);
        });
        self.stored.set_header(header);
    }

    /// Time that the replica with this load needs, in 1/256 of the pool's mean.
    #[must_use]
    pub fn pace_of(&self, load: &OwnLoad) -> u64 {
        load.pace.relative(self.stored.header().mean_pace)
    }

    /// Counts the end of a response, complete or not.
    pub fn finish(&mut self, dispatch: &Dispatch, phase: Phase) {
        self.change(dispatch.replica, |load| {
            match phase {
                Phase::Prefill => end_prefill(load, dispatch),
                Phase::Decode => {
                    load.decode_tokens = load.decode_tokens.saturating_sub(dispatch.decode_tokens);
                }
            }
            load.in_flight = load.in_flight.saturating_sub(1);
        });
    }

    /// Notes that this worker counts here, by a random number of its own; true if others do, too.
    pub fn note_worker(&mut self, worker: u64) -> bool {
        let header = self.stored.header();
        let noted = match header.worker {
            0 => worker,
            same if same == worker => worker,
            _ => SEVERAL,
        };
        if noted != header.worker {
            self.stored.set_header(Header { worker: noted, ..header });
        }
        noted == SEVERAL
    }

    /// Whether `view` is newer than the last one that was observed.
    #[must_use]
    pub fn is_behind(&self, view: &LoadView) -> bool {
        let (stamp, seen) = (view.stamp(), self.stored.header());
        (stamp.epoch, stamp.sequence) > (seen.epoch, seen.sequence)
    }

    /// Takes notice of a newer view: starts the next count of dispatches, drops endpoints that are
    /// gone, and resets counts that the view shows to be leaks. Returns whether anything changed.
    pub fn observe(&mut self, view: &LoadView) -> bool {
        if !self.is_behind(view) {
            return false;
        }
        let (stamp, seen) = (view.stamp(), self.stored.header());
        let mut header = Header { epoch: stamp.epoch, sequence: stamp.sequence, ..seen };
        let mut in_flight = vec![0; view.len()];
        self.each(view, |index, load| {
            if let Some(slot) = in_flight.get_mut(index) {
                *slot = load.in_flight;
            }
        });
        header.elsewhere.observe(view.compact().endpoints().iter().zip(in_flight));
        self.stored.set_header(header);
        self.stored.retain(|entry| next_snapshot(entry, view, header.mean_pace));
        debug_assert!(!self.is_behind(view), "a view is observed once");
        debug_assert!(
            self.stored.entries().iter().all(|entry| view.position_of(key_of(entry)).is_some()),
            "a count of a replica that is gone"
        );
        self.check_invariants();
        true
    }

    /// Share of what the replicas run that other gateways have sent, in 1/256.
    #[must_use]
    pub fn foreign_share(&self) -> u64 {
        self.stored.header().elsewhere.share()
    }

    /// Own load at the replica with `key`.
    #[must_use]
    pub fn load(&self, key: u64) -> OwnLoad {
        let place = self.stored.find(key).ok();
        let entry = place.and_then(|place| self.stored.entries().get(place));
        entry.map_or_else(OwnLoad::default, read_entry)
    }

    /// Own load by endpoint, in the order of `view`.
    #[must_use]
    pub fn by_endpoint(&self, view: &LoadView) -> Vec<OwnLoad> {
        let mut loads = vec![OwnLoad::default(); view.len()];
        self.each(view, |index, load| {
            if let Some(slot) = loads.get_mut(index) {
                *slot = load;
            }
        });
        loads
    }

    /// Calls `note` with the position in `view` of every endpoint that has a count, and with it.
    pub(crate) fn each(&self, view: &LoadView, mut note: impl FnMut(usize, OwnLoad)) {
        // Both sides ascend by key, so one pass over both finds every pair.
        let mut replicas = view.by_key().iter();
        let mut next = replicas.next();
        for entry in self.stored.entries() {
            let key = key_of(entry);
            while let Some((replica, index)) = next
                && *replica <= key
            {
                next = replicas.next();
                if *replica == key {
                    note(usize::from(*index), read_entry(entry));
                    break;
                }
            }
        }
    }

    fn change(&mut self, key: u64, change: impl FnOnce(&mut OwnLoad)) {
        let Ok(place) = self.stored.find(key) else { return };
        let Some(entry) = self.stored.entry_mut(place) else { return };
        let mut load = read_entry(entry);
        change(&mut load);
        write_entry(entry, key, &load);
        if load.is_empty() {
            self.stored.remove(place);
            debug_assert!(self.stored.find(key).is_err(), "an entry that says nothing stays");
        }
        self.check_invariants();
    }

    /// Fails where something does not hold that always must: a header, then whole entries by ascending key, one of each replica and
    /// not too many. The counts themselves are hints, which may be off until the next snapshots. Does nothing without debug
    /// assertions.
    pub fn check_invariants(&self) {
        if cfg!(debug_assertions) {
            self.stored.check_invariants();
        }
    }
}

fn end_prefill(load: &mut OwnLoad, dispatch: &Dispatch) {
    load.in_prefill = load.in_prefill.saturating_sub(1);
    load.prefill_tokens = load.prefill_tokens.saturating_sub(dispatch.uncached_tokens);
    load.awaited = load.awaited.saturating_sub(u32::from(dispatch.streamed));
}

/// Starts the next count of dispatches; false if the endpoint is gone or has nothing to say.
fn next_snapshot(entry: &mut Entry, view: &LoadView, mean_pace: u64) -> bool {
    let key = key_of(entry);
    let record = view.position_of(key).and_then(|index| view.compact().endpoints().get(index));
    let Some(record) = record else { return false };
    let idle = record.waiting == Some(0) && record.running == Some(0);
    let mut load = read_entry(entry);
    let quiet = idle && load.dispatched == 0 && load.dispatched_before == 0;
    load.quiet = if quiet { load.quiet.saturating_add(1) } else { 0 };
    load.bound(record);
    load.dispatched_before = load.dispatched;
    load.dispatched = 0;
    if load.quiet >= QUIET_SNAPSHOTS {
        // A VM that died took its streams' ends with it.
        load = OwnLoad { health: load.health, pace: load.pace, ..OwnLoad::default() };
    }
    load.health.fade(view.stamp().received_at_ns);
    load.pace.fade(mean_pace);
    write_entry(entry, key, &load);
    !load.is_empty()
}
