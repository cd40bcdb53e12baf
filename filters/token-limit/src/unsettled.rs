//! Settlements that the store was too busy for.

use weir_host::tick::Tick;
use weir_tokens::charge::Used;
use weir_tokens::limits::Reservation;

/// What waits to be settled, with what was used.
pub(crate) struct Unsettled {
    pub(crate) waiting: Vec<(Reservation, Used)>,
    pub(crate) tick: Tick,
}

impl Unsettled {
    pub(crate) fn new(tick: Tick) -> Self {
        Self { waiting: Vec::new(), tick }
    }
}
