//! How the fleet stands whose limits this gateway shares, as the intake was told last.

use weir_host::Host;
use weir_tokens::limits::{FLEET_STATE_KEY, FleetState, KeyDigester, Limit, SlotKey};

const NS_PER_MS: u64 = 1_000_000;

/// How old what is known of the fleet may be, in ms: a tenth of the sidecar's default interval.
const LOOK_MS: u64 = 10;

/// What is known of the fleet.
#[derive(Default)]
pub(crate) struct Fleet {
    looked_ms: u64,
    state: FleetState,
    /// Under the fleet's key; `None` before a sidecar has told it.
    digester: Option<KeyDigester>,
}

impl Fleet {
    fn look<H: Host>(&mut self, host: &H, now_ms: u64) {
        if now_ms.abs_diff(self.looked_ms) < LOOK_MS {
            return;
        }
        self.looked_ms = now_ms;
        let stored = host.shared(FLEET_STATE_KEY).ok().flatten();
        let Some(state) = stored.and_then(|(bytes, _)| FleetState::decode(&bytes)) else { return };
        if self.digester.is_none() || state.key != self.state.key {
            self.digester = Some(KeyDigester::new(&state.key));
        }
        self.state = state;
    }
}

impl Fleet {
    /// A limit of the fleet as it stands now, whose slot it is, and whether the fleet can be asked; `own` serves before a
    /// sidecar has told the fleet's key.
    pub(crate) fn stands<'v, H: Host>(
        &mut self,
        host: &H,
        own: &KeyDigester,
        limit: Limit,
        values: impl Iterator<Item = Option<&'v [u8]>>,
    ) -> (Limit, SlotKey, bool) {
        let now_ms = host.now_ns() / NS_PER_MS;
        self.look(host, now_ms);
        let reachable = self.state.is_reachable(now_ms);
        let limit = limit.as_fleet_stands(reachable, self.state.gateways);
        let digester = self.digester.as_ref().unwrap_or(own);
        (limit, digester.slot_key(limit.id(), values), reachable)
    }
}
