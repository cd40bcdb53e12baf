//! What the attempts of a plugin share.

use std::cell::Cell;

use weir_host::hold::HoldProbe;
use weir_host::notice::Notice;
use weir_host::tick::{Tick, Ticker};
use weir_host::{Direction, Host, HostError, LogLevel};
use weir_request::answer_stuck;
use weir_settings::attempt::AttemptSettings;
use weir_wire::path::Dialect;
use weir_wire::response::StreamFailure;

use crate::attempts::{AttemptEnd, AttemptOutcome, Attempts};
use crate::metrics::{Metrics, Missing};

/// How long counts may wait in a busy worker, in ms.
const FLUSH_MS: u32 = 20;

/// What is said where streams cannot be held.
const MISSING_OPTION: &str = "weir.attempt: the plugin lacks `allow_on_headers_stop_iteration: true` (Envoy 1.35 or \
    newer), so a stream that is held is never shown; streams go on without failover until it is set";

pub(crate) struct Shared {
    pub(crate) settings: AttemptSettings,
    pub(crate) attempts: Attempts,
    pub(crate) probe: HoldProbe,
    /// The same for requests that are read.
    pub(crate) requests: HoldProbe,
    /// Whether a stream was held that Envoy did not show.
    cannot_hold: Cell<bool>,
    metrics: Metrics,
    tick: Tick,
    failures: Notice,
    unread: Notice,
}

impl Shared {
    pub(crate) fn new(settings: AttemptSettings, attempts: Attempts) -> Self {
        let ticker = Ticker::new();
        Self {
            settings,
            attempts,
            probe: HoldProbe::new(&ticker),
            requests: HoldProbe::new(&ticker),
            cannot_hold: Cell::new(false),
            metrics: Metrics::new(),
            tick: ticker.part(),
            failures: Notice::default(),
            unread: Notice::default(),
        }
    }

    /// Whether streams can be held.
    pub(crate) fn can_hold(&self) -> bool {
        !self.cannot_hold.get()
    }

    /// Notes how an attempt ended, and counts it. The first after a pause is counted at once.
    pub(crate) fn ended<H: Host>(&self, host: &H, outcome: AttemptOutcome, end: AttemptEnd) {
        self.attempts.note(outcome);
        self.metrics.count(host, &self.tick, end);
        self.tick.every(host, FLUSH_MS);
    }

    /// A stream ended, or told of an error, before its first token. `replaced`: whether its answer could be made one that
    /// Envoy retries.
    pub(crate) fn failed<H: Host>(
        &self,
        host: &H,
        address: &[u8],
        failure: &StreamFailure,
        replaced: Result<(), HostError>,
    ) {
        let (why, what) = match failure.told {
            true => (Missing::Error, "an error"),
            false => (Missing::Empty, "nothing"),
        };
        self.metrics.missing(host, &self.tick, why);
        self.failures.say(host, LogLevel::Warn, || {
            let address = String::from_utf8_lossy(address);
            let outcome = match replaced {
                Ok(()) => "Envoy asks the next endpoint if the route retries 5xx".to_owned(),
                Err(error) => format!("the client got it as it came: {error}"),
            };
            format!(
                "weir.attempt: {address} answered a stream with {what} in place of its first token (status {}): look \
                 at its log; {outcome}",
                failure.status
            )
        });
    }

    /// An attempt was over before the first token of its stream, and its client was not: it took too long, or the
    /// connection broke.
    pub(crate) fn silent<H: Host>(&self, host: &H) {
        self.metrics.missing(host, &self.tick, Missing::Silent);
    }

    /// A stream goes on although its first token was not seen, because its beginning is too long.
    #[cold]
    pub(crate) fn unseen<H: Host>(&self, host: &H, address: &[u8]) {
        self.metrics.missing(host, &self.tick, Missing::Unseen);
        self.failures.say(host, LogLevel::Warn, || {
            let address = String::from_utf8_lossy(address);
            let what = "began a stream with more than 256 KiB, or in too many pieces, before its first token";
            ["weir.attempt: ", &*address, " ", what, ": it goes on, and no longer fails over"].concat()
        });
    }

    /// An attempt was to ask for another model; `done`: it does.
    #[cold]
    pub(crate) fn renamed<H: Host>(&self, host: &H, done: bool) {
        self.metrics.renamed(host, done);
        if !done {
            self.unread.say(host, LogLevel::Warn, || {
                "weir.attempt: a request cannot be read, so its model stays although the endpoint serves another: look for \
                 replicas that answer 404 to it"
                    .to_owned()
            });
        }
    }

    pub(crate) fn on_tick<H: Host>(&self, host: &H) {
        // Nothing else can be done for a stream that is complete and was never shown.
        let resumed = self.probe.answer_stuck(host, |host| {
            let _ = host.resume(Direction::Response);
        });
        if resumed > 0 {
            self.cannot_hold.set(true);
            self.metrics.misconfigured(host);
            self.probe.tell(host, MISSING_OPTION);
        }
        if answer_stuck(host, &self.requests, Dialect::OpenAi) > 0 {
            self.metrics.misconfigured(host);
        }
        if !self.metrics.flush(host) {
            self.tick.stop(host);
        }
    }
}
