//! How endpoints stand with the LoRA adapter that a request needs.

use weir_snapshot::{CompactView, EndpointRecord};

/// How one endpoint stands with the adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdapterState {
    /// Loaded, or none is needed, or nothing is known of the endpoint's slots.
    Active,
    /// Not loaded, and a slot is free.
    FreeSlot,
    /// Waiting for a slot already.
    Waiting,
    /// Not loaded, no slot free.
    Full,
}

/// The adapter that a request needs, as the view knows it.
pub(super) enum Adapter {
    /// The request needs none.
    None,
    /// No endpoint reports it.
    Unreported,
    /// Reported under this id.
    Id(u16),
}

impl Adapter {
    pub(super) fn new(name: Option<&[u8]>, view: &CompactView) -> Self {
        let id_of = |name| view.adapter_id(name).map_or(Self::Unreported, Self::Id);
        name.map_or(Self::None, id_of)
    }

    pub(super) fn state_at(&self, view: &CompactView, record: &EndpointRecord) -> AdapterState {
        let id = match self {
            Self::None => return AdapterState::Active,
            Self::Unreported => None,
            Self::Id(id) => Some(id),
        };
        let (running, waiting) = (view.running_adapters(record), view.waiting_adapters(record));
        let among = |ids: &[u16]| id.is_some_and(|id| ids.contains(id));
        let Some(slots) = record.max_lora else { return AdapterState::Active };
        if among(running) {
            AdapterState::Active
        } else if among(waiting) {
            AdapterState::Waiting
        } else if u32::try_from(running.len() + waiting.len()).is_ok_and(|taken| taken < slots) {
            AdapterState::FreeSlot
        } else {
            AdapterState::Full
        }
    }
}
