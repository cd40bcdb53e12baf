//! What the streams of the filter share.

use std::cell::{Cell, RefCell};

use weir_host::hold::HoldProbe;
use weir_host::notice::Notice;
use weir_host::tick::Tick;
use weir_host::{Host, LogLevel};
use weir_pools::Saturation;
use weir_request::{Handover, StateKeys};
use weir_settings::token_limit::TokenLimitSettings;
use weir_tokens::Corrections;
use weir_tokens::limits::{KeyDigester, Notes};

use crate::admission::Admission;
use crate::fleet::Fleet;
use crate::metrics::Metrics;
use crate::spending::{Spending, Trouble};
use crate::unsettled::Unsettled;

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "token-limit";

/// What the filter's log lines begin with.
pub(crate) const FILTER: &str = "weir.token-limit";

/// What all streams of the filter share.
pub(crate) struct Shared {
    pub(crate) settings: TokenLimitSettings,
    /// Whether Envoy is asked for the route's policy.
    pub(crate) asks_route: bool,
    pub(crate) probe: HoldProbe,
    /// Where filters of the same Envoy filter leave what they read; `None` where this one stands alone.
    pub(crate) handover: Option<Handover>,
    pub(crate) state_keys: StateKeys,
    pub(crate) digester: KeyDigester,
    pub(crate) fleet: RefCell<Fleet>,
    pub(crate) corrections: RefCell<Corrections>,
    pub(crate) saturation: RefCell<Saturation>,
    pub(crate) metrics: Metrics,
    /// The tick with which counters come, if it is on.
    pub(crate) busy: Tick,
    pub(crate) unsettled: RefCell<Unsettled>,
    pub(crate) spending: RefCell<Spending>,
    /// What was let go, for the stream that is told of it next.
    pub(crate) let_go: Cell<Option<(u32, Box<Admission>)>>,
    /// Facts of another build.
    pub(crate) odd_facts: Notice,
    pub(crate) troubles: Notice,
    pub(crate) crowded: Notice,
    pub(crate) alone: Notice,
    pub(crate) nobody: Notice,
}

impl Shared {
    /// Takes what was let go for the stream; what was let go for another is given back.
    pub(crate) fn take_let_go<H: Host>(&self, host: &H, context_id: u32) -> Option<Box<Admission>> {
        let (of, admission) = self.let_go.take()?;
        if of == context_id {
            return Some(admission);
        }
        self.give_back(host, *admission);
        None
    }

    /// Counts what went otherwise than usual in the ledger, and says it now and then.
    pub(crate) fn note<H: Host>(&self, host: &H, notes: Notes) {
        if notes != Notes::default() && self.metrics.note(host, notes) {
            self.crowded.say(host, LogLevel::Warn, || {
                format!(
                    "{FILTER}: keys share a slot because all slots of their page are owed, or a page \
                     could not be read and was begun anew: see weir_limit_overflowed_total and \
                     weir_limit_unreadable_total"
                )
            });
        }
    }

    /// Counts what went wrong with the table of what was spent, and says it now and then.
    pub(crate) fn note_spending<H: Host>(&self, host: &H, trouble: Option<Trouble>) {
        if let Some(trouble) = trouble {
            self.metrics.untold.increment(host);
            self.trouble(host, &trouble);
        }
    }

    /// Counts that a limit of a fleet is decided about without it, and says so now and then.
    pub(crate) fn note_alone<H: Host>(&self, host: &H) {
        self.metrics.unreachable.increment(host);
        self.alone.say(host, LogLevel::Warn, || {
            format!(
                "{FILTER}: limits with `scope: fleet` go by `on_unavailable`, because no sidecar says that it \
                 reaches Redis: see weir_limit_unreachable_total, and the sidecar's log and /status"
            )
        });
    }

    /// Counts a request that lacks what `limit` tells consumers apart by, and says so now and then.
    #[cold]
    pub(crate) fn note_unidentified<H: Host>(&self, host: &H, limit: &str) {
        self.metrics.unidentified.increment(host);
        self.nobody.say(host, LogLevel::Warn, || {
            format!(
                "{FILTER}: a request lacks what limit {limit:?} goes by: does authentication stand before Weir, and has \
                 jwt_authn `payload_in_metadata`? (weir_limit_unidentified_total)"
            )
        });
    }

    /// Says what is wrong, once a minute.
    #[cold]
    pub(crate) fn trouble<H: Host>(&self, host: &H, what: &dyn std::fmt::Display) {
        self.troubles.say(host, LogLevel::Error, || format!("{FILTER}: {what}"));
    }
}
