//! How the fleet stands whose limits this gateway shares, as the intake was told last.

use weir_host::{Host, LogLevel};
use weir_tokens::limits::{FLEET_STATE_KEY, FleetState, KeyDigester, Limit, SlotKey};

use crate::shared::{FILTER, Shared};

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

impl Shared {
    /// A limit as it stands now, and whose slot it is.
    pub(crate) fn stands<'v, H: Host>(
        &self,
        host: &H,
        limit: Limit,
        values: impl Iterator<Item = Option<&'v [u8]>>,
    ) -> (Limit, SlotKey) {
        let (mut limit, mut fleet) = (limit, self.fleet.borrow_mut());
        // Before a sidecar has told the fleet's key, this Envoy's own serves.
        let mut digester = &self.digester;
        if limit.fleet().is_some() {
            let now_ms = host.now_ns() / NS_PER_MS;
            fleet.look(host, now_ms);
            let reachable = fleet.state.is_reachable(now_ms);
            if !reachable {
                self.metrics.unreachable.increment(host);
                self.say_alone(host);
            }
            limit = limit.as_fleet_stands(reachable, fleet.state.gateways);
            digester = fleet.digester.as_ref().unwrap_or(digester);
        }
        (limit, digester.slot_key(limit.id(), values))
    }

    /// Says, once a minute, that requests are decided without the fleet.
    #[cold]
    fn say_alone<H: Host>(&self, host: &H) {
        self.alone.say(host, LogLevel::Warn, || {
            format!(
                "{FILTER}: limits with `scope: fleet` go by `on_unavailable`, because no sidecar says that it \
                 reaches Redis: see weir_limit_unreachable_total, and the sidecar's log and /status"
            )
        });
    }
}
