//! What the streams of the filter share.

use std::cell::{Cell, RefCell};

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::notice::Notice;
use weir_host::{Host, LogLevel};
use weir_pools::Undecodable;
use weir_settings::intake::IntakeSettings;
use weir_snapshot::{Refusal, RefusalCode};

use crate::known_pools::KnownPools;

/// What the filter's log lines begin with.
pub(crate) const FILTER: &str = "weir.intake";

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) settings: IntakeSettings,
    pub(crate) probe: HoldProbe,
    pub(crate) undecodable: Undecodable,
    pub(crate) known_pools: RefCell<KnownPools>,
    /// Where the next reply goes on to tell of keys of a fleet's limits.
    pub(crate) fleet_turn: Cell<u32>,
    /// What was learned elsewhere and found no place in a pool's ring.
    pub(crate) missed: Metric,
    accepted: Metric,
    refused: Metric,
    looks_refused: Metric,
    /// Grants for slots that are gone.
    gone: Metric,
    notice: Notice,
    gone_notice: Notice,
}

impl Shared {
    pub(crate) fn new(settings: IntakeSettings) -> Self {
        Self {
            settings,
            probe: HoldProbe::default(),
            undecodable: Undecodable::new(FILTER),
            known_pools: RefCell::default(),
            fleet_turn: Cell::default(),
            missed: Metric::counter("weir_prefix_shares_total.what.missed"),
            accepted: Metric::counter("weir_intake_accepted_total"),
            refused: Metric::counter("weir_intake_refused_total"),
            looks_refused: Metric::counter("weir_intake_looks_refused_total"),
            gone: Metric::counter("weir_intake_grants_lost_total"),
            notice: Notice::default(),
            gone_notice: Notice::default(),
        }
    }

    /// Counts a push, and logs its refusal now and then.
    pub(crate) fn count_push<H: Host>(&self, host: &H, refusal: Option<&Refusal>) {
        match refusal {
            None => self.accepted.increment(host),
            Some(refusal) => {
                self.refused.increment(host);
                self.log(host, refusal);
            }
        }
    }

    /// Counts grants for slots that are gone, and says so now and then.
    pub(crate) fn count_gone<H: Host>(&self, host: &H, grants: i64) {
        if grants == 0 {
            return;
        }
        self.gone.add(host, grants);
        self.gone_notice.say(host, LogLevel::Warn, || {
            format!(
                "{FILTER}: grants came for keys that have no slot any more (weir_intake_grants_lost_total): see \
                 weir_limit_overflowed_total"
            )
        });
    }

    /// Counts a look that is refused, and logs it now and then.
    pub(crate) fn count_refused_look<H: Host>(&self, host: &H, refusal: &Refusal) {
        self.looks_refused.increment(host);
        self.log(host, refusal);
    }

    fn log<H: Host>(&self, host: &H, refusal: &Refusal) {
        let said = match refusal.code {
            // A sidecar that starts, or stands by for another: nothing is wrong.
            RefusalCode::Challenge | RefusalCode::OutOfOrder => return,
            // These repeat parts of the body.
            RefusalCode::Malformed | RefusalCode::Invalid => {
                "the reply and the sidecar's log say why"
            }
            _ => refusal.message.as_str(),
        };
        let line = || format!("{FILTER}: refused ({:?}): {said}", refusal.code);
        self.notice.say(host, LogLevel::Warn, line);
    }
}
