//! Whether a pool is saturated, and what is counted and told of requests that something less has served.

use std::cell::RefCell;
use std::collections::BTreeMap;

use weir_host::metrics::{Metric, label};
use weir_host::notice::Notice;
use weir_host::tick::Tick;
use weir_host::{Host, LogLevel};
use weir_pools::Saturation;
use weir_settings::model_router::{Instead, RouterPolicy, SaturatedReply, Thresholds};
use weir_wire::error::{ErrorKind, ErrorReply};

use crate::choice::Degraded;

/// For how long a pool's state is remembered that nobody asks for, in ns: as long as a view is fresh. What was then
/// says nothing of now.
const REMEMBERED_NS: u64 = 1_000_000_000;

/// The filter's name in log lines.
const FILTER: &str = "weir.model-router";

/// What all streams know of saturated pools.
pub(crate) struct Degradation {
    load: RefCell<Saturation>,
    states: RefCell<BTreeMap<(String, Thresholds), State>>,
    /// By pool, and by what serves in its place.
    degraded: BTreeMap<(String, &'static str), Metric>,
    begun: Notice,
}

/// What a pool was when it was last looked at.
#[derive(Clone, Copy)]
struct State {
    saturated: bool,
    at_ns: u64,
}

impl Degradation {
    /// For what these policies say.
    pub(crate) fn of<'a>(policies: impl Iterator<Item = &'a RouterPolicy>) -> Self {
        let mut degraded = BTreeMap::new();
        for (pool, rule) in policies.flat_map(RouterPolicy::degradations) {
            let to = name_of(&rule.instead);
            let label = label(pool);
            let metric =
                || Metric::counter(format!("weir_router_degraded_total.to.{to}.pool.{label}"));
            degraded.entry((pool.to_owned(), to)).or_insert_with(metric);
        }
        Self {
            load: RefCell::new(Saturation::new(FILTER)),
            states: RefCell::default(),
            degraded,
            begun: Notice::default(),
        }
    }

    /// Whether the pool is saturated: from the upper mark on, until it is below the lower one. What is not known is
    /// not saturated. The names are those of the configuration, so there are few.
    pub(crate) fn is_saturated<H: Host>(&self, host: &H, pool: &str, marks: Thresholds) -> bool {
        let now_ns = host.now_ns();
        let load = self.load.borrow_mut().load_permille(host, pool);
        let mut states = self.states.borrow_mut();
        let key = (pool.to_owned(), marks);
        let before = states.get(&key).copied();
        let before = before.filter(|state| state.at_ns.abs_diff(now_ns) <= REMEMBERED_NS);
        let was = before.is_some_and(|state| state.saturated);
        let saturated = load.is_some_and(|load| marks.is_saturated(was, load));
        states.insert(key, State { saturated, at_ns: now_ns });
        saturated
    }

    /// Counts a request, and says once a minute that there are such.
    pub(crate) fn note<H: Host>(&self, host: &H, tick: &Tick, degraded: &Degraded) {
        let Degraded { pool, rule } = degraded;
        let to = name_of(&rule.instead);
        if let Some(metric) = self.degraded.get(&(pool.clone(), to)) {
            metric.add_by_tick(host, tick, 1);
        }
        self.begun.say(host, LogLevel::Warn, || {
            let what = match &rule.instead {
                Instead::Model(model) => format!("the model {model:?} serves"),
                Instead::Pool { pool, .. } => format!("pool {pool:?} serves"),
                Instead::Reply(reply) => format!("clients get status {}", reply.status),
            };
            format!(
                "{FILTER}: pool {pool:?} is saturated, and {what} in its place; look at its queue and KV cache in the sidecar's /metrics"
            )
        });
    }

    /// Adds what waits to the counters.
    pub(crate) fn flush<H: Host>(&self, host: &H) {
        self.degraded.values().for_each(|metric| {
            metric.flush(host);
        });
    }
}

/// What serves instead, as metrics name it.
pub(crate) fn name_of(instead: &Instead) -> &'static str {
    match instead {
        Instead::Model(_) => "model",
        Instead::Pool { .. } => "pool",
        Instead::Reply(_) => "reply",
    }
}

/// What `x-weir-degraded` tells a client.
pub(crate) fn told(instead: &Instead) -> String {
    match instead {
        Instead::Model(model) => format!("model={model}"),
        Instead::Pool { pool, .. } => format!("pool={pool}"),
        Instead::Reply(_) => "reply".to_owned(),
    }
}

/// The answer in place of service.
pub(crate) fn refusal(reply: &SaturatedReply) -> ErrorReply {
    let overloaded = ErrorReply::overloaded();
    let kind = match reply.status {
        429 => ErrorKind::RateLimit,
        500 => ErrorKind::Internal,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::Unavailable,
    };
    let message = reply.message.clone().unwrap_or(overloaded.message);
    ErrorReply::new(reply.status, kind, overloaded.code, message)
}

/// When clients are to try again: OpenAI's clients read the first, all others the second.
pub(crate) fn retry_headers(reply: &SaturatedReply) -> Vec<(&'static str, String)> {
    match reply.retry_after_ms {
        0 => Vec::new(),
        ms => vec![
            ("retry-after-ms", ms.to_string()),
            ("retry-after", ms.div_ceil(1_000).to_string()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_snapshot::{
        Directory, EndpointReport, EndpointState, SnapshotMessage, VersionStamp, encode, keys,
    };

    const MS: u64 = 1_000_000;
    const MARKS: Thresholds = Thresholds { enter_permille: 1_000, leave_permille: 600 };

    /// Lets 60 ms pass, after which every answer is a new one, and pushes a view with that queue.
    fn push(host: &FakeHost, waiting: u32) {
        host.set_now_ns(host.now_ns() + 60 * MS);
        let mut endpoint = EndpointReport::new("10.0.0.1:80", EndpointState::Ready);
        endpoint.waiting = Some(waiting);
        let now_ns = host.now_ns();
        let message = SnapshotMessage::new("p", (1, now_ns), 0, vec![endpoint]);
        host.set_shared(keys::POOLS, &Directory::new(b"").with(0, "p"), None).unwrap();
        let stamp = VersionStamp::of(&message, now_ns).encode();
        host.set_shared(&keys::stamp(0), &stamp, None).unwrap();
        host.set_shared(&keys::view(0), &encode(&message, now_ns).unwrap(), None).unwrap();
    }

    #[test]
    fn a_pool_is_saturated_from_one_load_on_until_it_is_below_another() {
        let (host, degradation) = (FakeHost::new(), Degradation::of(std::iter::empty()));
        host.set_now_ns(1_000 * MS);
        assert!(!degradation.is_saturated(&host, "p", MARKS), "nothing is known");
        // Five that wait are full, three are the lower mark.
        let queues =
            [(4, false), (5, true), (4, true), (3, true), (2, false), (4, false), (9, true)];
        for (waiting, saturated) in queues {
            push(&host, waiting);
            assert_eq!(degradation.is_saturated(&host, "p", MARKS), saturated, "{waiting}");
        }
        host.set_now_ns(host.now_ns() + 1_001 * MS);
        assert!(!degradation.is_saturated(&host, "p", MARKS), "a view that says nothing of now");
    }

    #[test]
    fn what_was_long_ago_keeps_no_pool_saturated() {
        let (host, degradation) = (FakeHost::new(), Degradation::of(std::iter::empty()));
        push(&host, 5);
        assert!(degradation.is_saturated(&host, "p", MARKS));
        host.set_now_ns(host.now_ns() + 2_000 * MS);
        push(&host, 4);
        assert!(!degradation.is_saturated(&host, "p", MARKS));
    }

    #[test]
    fn an_answer_in_place_of_service_has_the_status_and_words_of_the_policy() {
        let reply = |status, message: Option<&str>, retry_after_ms| SaturatedReply {
            status,
            message: message.map(str::to_owned),
            retry_after_ms,
        };
        let usual = refusal(&reply(429, None, 1_500));
        assert_eq!(usual, ErrorReply::overloaded());
        let own = refusal(&reply(503, Some("Later."), 0));
        assert_eq!((own.status, own.message.as_str()), (503, "Later."));
        assert_eq!(own.kind, ErrorKind::Unavailable);
        let headers = retry_headers(&reply(429, None, 1_500));
        assert_eq!(headers[0], ("retry-after-ms", "1500".to_owned()));
        assert_eq!(headers[1], ("retry-after", "2".to_owned()));
        assert!(retry_headers(&reply(429, None, 0)).is_empty());
    }
}
