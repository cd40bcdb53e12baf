//! Which replica holds which bit of the index.

use std::collections::{BTreeMap, VecDeque};

/// Replicas that share one entry of the table: the bits of a `u64`.
pub(crate) const GROUP_SIZE: u16 = 64;
/// Most replicas that the index tells apart at a time, over all pools of a VM.
pub(crate) const MAX_REPLICAS: u16 = 4096;

/// Requests of one replica that are remembered until it serves them. Of more, the oldest count as not
/// served, for good: their prefixes say nothing about evictions.
const MOST_UNSERVED: usize = 64;

/// Identity of a replica: its key, and its place in the prefix index of this VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaId {
    key: u64,
    slot: Option<u16>,
}

impl ReplicaId {
    /// Hash of the address, the same in every VM; see [`replica_key`](crate::replica_key).
    #[must_use]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// The part of the index where this replica has its bit; `None` if the index had no room for
    /// it.
    pub(crate) fn group(&self) -> Option<u16> {
        self.slot.map(|slot| slot / GROUP_SIZE)
    }

    /// This replica's bit in its group.
    pub(crate) fn bit(&self) -> u64 {
        self.slot.map_or(0, |slot| 1 << (slot % GROUP_SIZE))
    }
}

/// What is known of the replica in one slot.
#[derive(Debug, Clone, Default)]
struct Slot {
    key: u64,
    /// Which process serves there, as the sidecar tells; `None` before it has told.
    generation: Option<u32>,
    /// Registration that named it last.
    named_at: u64,
    /// Entries used last at or before this tick are no longer in the replica's cache.
    gone_before: u64,
    /// Latest tick whose request the replica has begun to answer.
    confirmed: u64,
    /// Ticks whose requests it has not begun to answer, ascending.
    unserved: VecDeque<u64>,
    /// Tick of the match of which fewer tokens were cached than expected, if that was so with the last report.
    fell_short: Option<u64>,
}

impl Slot {
    fn of(key: u64) -> Self {
        Self { key, ..Self::default() }
    }
}

/// The replicas of all pools, each in a slot that stays the same across snapshots.
#[derive(Debug, Clone, Default)]
pub(super) struct Replicas {
    slots: Vec<Slot>,
    by_key: BTreeMap<u64, u16>,
    registrations: u64,
    /// Per group, the latest `gone_before` of its slots: most lookups need no more.
    group_gone_before: Vec<u64>,
}

impl Replicas {
    /// Gives every key its slot, at `tick`.
    pub(super) fn register(&mut self, keys: &[u64], tick: u64) -> Vec<ReplicaId> {
        self.registrations += 1;
        keys.iter().map(|key| ReplicaId { key: *key, slot: self.slot_for(*key, tick) }).collect()
    }

    fn slot_for(&mut self, key: u64, tick: u64) -> Option<u16> {
        let slot = self.by_key.get(&key).copied();
        let slot = slot.or_else(|| self.append(key)).or_else(|| self.replace_oldest(key, tick))?;
        let entry = self.slots.get_mut(usize::from(slot))?;
        entry.named_at = self.registrations;
        Some(slot)
    }

    fn append(&mut self, key: u64) -> Option<u16> {
        let slot = u16::try_from(self.slots.len()).ok().filter(|slot| *slot < MAX_REPLICAS)?;
        self.slots.push(Slot::of(key));
        if slot % GROUP_SIZE == 0 {
            self.group_gone_before.push(0);
        }
        self.by_key.insert(key, slot);
        Some(slot)
    }

    /// Takes the slot of the replica that no snapshot has named for the longest time.
    fn replace_oldest(&mut self, key: u64, tick: u64) -> Option<u16> {
        let oldest = self.slots.iter_mut().zip(0..).min_by_key(|(slot, _)| slot.named_at);
        let (entry, slot) = oldest.filter(|(entry, _)| entry.named_at < self.registrations)?;
        self.by_key.remove(&entry.key);
        *entry = Slot::of(key);
        self.by_key.insert(key, slot);
        self.expire(ReplicaId { key, slot: Some(slot) }, tick);
        Some(slot)
    }

    /// Whether the slot still belongs to this replica.
    pub(super) fn holds(&self, replica: ReplicaId) -> bool {
        self.slot(replica).is_some()
    }

    fn slot(&self, replica: ReplicaId) -> Option<&Slot> {
        self.slots.get(usize::from(replica.slot?)).filter(|slot| slot.key == replica.key)
    }

    fn slot_mut(&mut self, replica: ReplicaId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(usize::from(replica.slot?))?;
        (slot.key == replica.key).then_some(slot)
    }

    /// Declares everything that `replica` used last at or before `tick` gone from its cache.
    pub(super) fn expire(&mut self, replica: ReplicaId, tick: u64) {
        let Some(slot) = self.slot_mut(replica) else { return };
        slot.gone_before = slot.gone_before.max(tick);
        let group = replica.group().map(usize::from);
        if let Some(gone) = group.and_then(|group| self.group_gone_before.get_mut(group)) {
            *gone = (*gone).max(tick);
        }
    }

    /// The replica with `key`, if it has a slot.
    pub(super) fn find(&self, key: u64) -> Option<ReplicaId> {
        self.by_key.get(&key).map(|slot| ReplicaId { key, slot: Some(*slot) })
    }

    /// Notes which process serves there; true if it is another one than before. The first that is told is another one
    /// only if the sidecar has `seen_restart`.
    pub(super) fn renew(
        &mut self,
        replica: ReplicaId,
        generation: u32,
        seen_restart: bool,
    ) -> bool {
        let before = self.slot_mut(replica).map(|slot| slot.generation.replace(generation));
        match before {
            Some(Some(before)) => before != generation,
            Some(None) => seen_restart,
            None => false,
        }
    }

    /// Notes that another worker knows of an answer of `replica` to a request of `tick`; false if what that has
    /// left is gone already.
    pub(super) fn confirm_elsewhere(&mut self, replica: ReplicaId, tick: u64) -> bool {
        let Some(slot) = self.slot_mut(replica) else { return false };
        slot.confirmed = slot.confirmed.max(tick);
        tick > slot.gone_before
    }

    /// Notes that the request of `tick` goes to `replica`.
    pub(super) fn begin(&mut self, replica: ReplicaId, tick: u64) {
        let Some(slot) = self.slot_mut(replica) else { return };
        if slot.unserved.len() >= MOST_UNSERVED {
            slot.unserved.pop_front();
        }
        slot.unserved.push_back(tick);
    }

    /// Notes that the request of `tick` failed, or went elsewhere.
    pub(super) fn end(&mut self, replica: ReplicaId, tick: u64) {
        if let Some(slot) = self.slot_mut(replica)
            && let Ok(place) = slot.unserved.binary_search(&tick)
        {
            slot.unserved.remove(place);
        }
    }

    /// Notes that `replica` serves the request of `tick`.
    pub(super) fn confirm(&mut self, replica: ReplicaId, tick: u64) {
        self.end(replica, tick);
        if let Some(slot) = self.slot_mut(replica) {
            slot.confirmed = slot.confirmed.max(tick);
        }
    }

    /// Whether `replica` has served a request of `tick` or later, and does not owe an answer to that of `tick`.
    pub(super) fn is_confirmed(&self, replica: ReplicaId, tick: u64) -> bool {
        self.slot(replica).is_some_and(|slot| {
            slot.confirmed >= tick && slot.unserved.binary_search(&tick).is_err()
        })
    }

    /// Notes that `replica` had cached what was expected.
    pub(super) fn met(&mut self, replica: ReplicaId) {
        if let Some(slot) = self.slot_mut(replica) {
            slot.fell_short = None;
        }
    }

    /// Notes that `replica` had cached less than expected of what was used last at `tick`. Answers with the tick
    /// up to which all must be gone, if the report before said the like.
    pub(super) fn fell_short(&mut self, replica: ReplicaId, tick: u64) -> Option<u64> {
        let before = self.slot_mut(replica)?.fell_short.replace(tick)?;
        Some(before.min(tick))
    }

    /// The bits of `mask` whose replicas still have what they used last at `tick`.
    pub(super) fn live(&self, group: u16, mask: u64, tick: u64) -> u64 {
        let gone_before = self.group_gone_before.get(usize::from(group)).copied().unwrap_or(0);
        if tick > gone_before {
            return mask;
        }
        let first = usize::from(group) * usize::from(GROUP_SIZE);
        let slots = self.slots.get(first..).unwrap_or_default().iter().zip(0..GROUP_SIZE);
        let gone = slots.filter(|(slot, _)| slot.gone_before >= tick);
        gone.fold(mask, |mask, (_, bit)| mask & !(1 << bit))
    }

    /// The bits of a group's slots that have a replica.
    pub(super) fn in_use(&self, group: u16) -> u64 {
        let first = usize::from(group) * usize::from(GROUP_SIZE);
        let slots = self.slots.len().saturating_sub(first).min(usize::from(GROUP_SIZE));
        u64::MAX.checked_shr((usize::from(GROUP_SIZE) - slots) as u32).unwrap_or(0)
    }

    /// Fails where something does not hold that always must.
    pub(super) fn check_invariants(&self) {
        debug_assert_eq!(
            self.by_key.len(),
            self.slots.len(),
            "a place for each, and each its place"
        );
        for (key, slot) in &self.by_key {
            let slot = self.slots.get(usize::from(*slot));
            debug_assert_eq!(slot.map(|slot| slot.key), Some(*key), "a place of another");
        }
        debug_assert!(self.slots.len() <= usize::from(MAX_REPLICAS));
        debug_assert!(self.slots.iter().all(|slot| slot.named_at <= self.registrations));
        let groups = self.slots.chunks(GROUP_SIZE.into());
        debug_assert_eq!(groups.len(), self.group_gone_before.len());
        for (slots, gone) in groups.zip(&self.group_gone_before) {
            let latest = slots.iter().map(|slot| slot.gone_before).max();
            debug_assert!(latest <= Some(*gone), "a replica is thought to have what is gone");
        }
        for slot in &self.slots {
            let unserved = &slot.unserved;
            debug_assert!(unserved.len() <= MOST_UNSERVED);
            debug_assert!(unserved.iter().is_sorted_by(|a, b| a < b), "a request stands twice");
        }
    }
}
