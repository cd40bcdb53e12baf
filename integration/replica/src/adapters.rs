//! LoRA adapters: which are in GPU memory, and who waits for room.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::lock;

/// The adapter slots of one replica.
#[derive(Debug)]
pub(crate) struct AdapterSlots {
    state: Mutex<Slots>,
    freed: Notify,
}

#[derive(Debug)]
struct Slots {
    limit: usize,
    clock: u64,
    loaded: HashMap<String, Slot>,
    waiting: BTreeMap<String, usize>,
    running: BTreeMap<String, usize>,
}

#[derive(Debug, Default)]
struct Slot {
    users: usize,
    used: u64,
}

/// A use of an adapter, from when a slot was found until it is dropped.
#[derive(Debug)]
pub(crate) struct AdapterUse {
    slots: Arc<AdapterSlots>,
    name: String,
    /// The adapter had to be loaded for this use.
    pub(crate) loaded_now: bool,
}

/// Which count of an adapter's requests is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before a slot of the batch was found.
    Waiting,
    /// In the batch.
    Running,
}

impl AdapterSlots {
    /// No adapter loaded, room for `limit` (at least one).
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let state = Slots {
            limit: limit.max(1),
            clock: 0,
            loaded: HashMap::new(),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
        };
        Arc::new(Self { state: Mutex::new(state), freed: Notify::new() })
    }

    /// Waits until `name` is loaded or a slot for it is free, then takes it.
    pub(crate) async fn occupy(self: &Arc<Self>, name: &str) -> AdapterUse {
        loop {
            let freed = self.freed.notified();
            if let Some(loaded_now) = lock(&self.state).take(name) {
                return AdapterUse { slots: Arc::clone(self), name: name.to_owned(), loaded_now };
            }
            freed.await;
        }
    }

    /// Counts one request of `name` more in `stage`.
    pub(crate) fn enter(&self, stage: Stage, name: &str) {
        let mut state = lock(&self.state);
        let count = state.counts(stage).entry(name.to_owned()).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts one request of `name` less in `stage`.
    pub(crate) fn leave(&self, stage: Stage, name: &str) {
        let mut state = lock(&self.state);
        let counts = state.counts(stage);
        if let Some(count) = counts.get_mut(name) {
            *count = count.saturating_sub(1);
        }
        counts.retain(|_, count| *count > 0);
    }

    /// Names of the adapters with requests in `stage`, sorted, as the metrics page lists them.
    pub(crate) fn names(&self, stage: Stage) -> String {
        let mut state = lock(&self.state);
        state.counts(stage).keys().cloned().collect::<Vec<_>>().join(",")
    }
}

impl Slots {
    /// Whether the adapter had to be loaded; nothing when every slot is in use.
    fn take(&mut self, name: &str) -> Option<bool> {
        let missing = !self.loaded.contains_key(name);
        if missing && self.loaded.len() >= self.limit {
            let idle = self.loaded.iter().filter(|(_, slot)| slot.users == 0);
            let oldest = idle.min_by_key(|(_, slot)| slot.used).map(|(name, _)| name.clone())?;
            self.loaded.remove(&oldest);
        }
        self.clock = self.clock.saturating_add(1);
        let slot = self.loaded.entry(name.to_owned()).or_default();
        slot.users = slot.users.saturating_add(1);
        slot.used = self.clock;
        Some(missing)
    }

    fn counts(&mut self, stage: Stage) -> &mut BTreeMap<String, usize> {
        match stage {
            Stage::Waiting => &mut self.waiting,
            Stage::Running => &mut self.running,
        }
    }
}

impl Drop for AdapterUse {
    fn drop(&mut self) {
        if let Some(slot) = lock(&self.slots.state).loaded.get_mut(&self.name) {
            slot.users = slot.users.saturating_sub(1);
        }
        self.slots.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn an_idle_adapter_makes_room_and_is_loaded_again_later() {
        let slots = AdapterSlots::new(1);
        assert!(slots.occupy("a").await.loaded_now);
        assert!(!slots.occupy("a").await.loaded_now);
        assert!(slots.occupy("b").await.loaded_now);
        assert!(slots.occupy("a").await.loaded_now);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_while_every_slot_is_in_use() {
        let slots = AdapterSlots::new(1);
        let first = slots.occupy("a").await;
        let waiting = slots.occupy("b");
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_secs(1), &mut waiting).await;
        assert!(early.is_err());
        drop(first);
        assert!(waiting.await.loaded_now);
    }

    #[test]
    fn names_follow_the_counts() {
        let slots = AdapterSlots::new(2);
        for name in ["b", "a", "b"] {
            slots.enter(Stage::Running, name);
        }
        assert_eq!(slots.names(Stage::Running), "a,b");
        slots.leave(Stage::Running, "b");
        slots.leave(Stage::Running, "a");
        assert_eq!(slots.names(Stage::Running), "b");
        assert_eq!(slots.names(Stage::Waiting), "");
    }
}
