//! Requests of a model that is split: which share each gets, and what a canary's failures do to it.

use std::cell::Cell;
use std::collections::BTreeMap;

use weir_fingerprint::{Seed, text_hash};
use weir_host::metrics::{Metric, label};
use weir_host::notice::Notice;
use weir_host::{HeaderMap, Host, LogLevel, upstream};
use weir_placement::{Canaries, CanaryRule, Standing};
use weir_pools::{ChangeError, Undecodable, change_shared};
use weir_request::{NO_REPLICA_ANSWERED, RequestHead};
use weir_settings::Policies;
use weir_settings::model_router::{Canary, RouterPolicy, Split, SplitBy};
use weir_snapshot::keys;
use weir_wire::request::RequestFacts;

const NS_PER_MS: u64 = 1_000_000;

/// The header by which a client says which requests belong together, as endpoint-picker reads it.
const SESSION: &str = "x-session-id";

/// How `%RESPONSE_CODE_DETAILS%` of an answer of Weir's own begin, which says nothing of a share.
const OWN_ANSWER: &[u8] = b"weir_";
/// How those of a replica's answer begin.
const ANSWERED: &[u8] = b"via_upstream";

/// The shares of all splits, by the entries that serve them.
pub(crate) struct Splits {
    shares: BTreeMap<String, ShareMetrics>,
    undecodable: Undecodable,
}

/// What is counted and told of one share.
struct ShareMetrics {
    routed: Metric,
    failed: Metric,
    cut: Metric,
    /// That the share is cut.
    failing: Notice,
}

/// The share that a request has got.
pub(crate) struct Drawn {
    /// The entry that serves it.
    share: String,
    canary: Option<Watched>,
    /// The status that the client is told, once it is known.
    status: Cell<Option<u16>>,
}

/// A share that can be cut.
#[derive(Clone, Copy)]
struct Watched {
    key: u64,
    rule: CanaryRule,
    /// Whether the request is the one that asks if a share which is cut serves again.
    probe: bool,
}

impl Splits {
    /// Of the policies of a filter by that name.
    pub(crate) fn of(policies: &Policies<RouterPolicy>, filter: &'static str) -> Self {
        let splits = policies.iter().flat_map(RouterPolicy::splits);
        let names = splits.flat_map(|(_, split)| split.shares.iter().map(|share| &share.model));
        let shares = names.map(|name| (name.clone(), ShareMetrics::new(name))).collect();
        Self { shares, undecodable: Undecodable::new(filter) }
    }

    /// The place of the share that a request for `model` gets, whose key is `key`.
    pub(crate) fn draw<H: Host>(
        &self,
        host: &H,
        model: &str,
        split: &Split,
        key: u64,
    ) -> (usize, Drawn) {
        let mut place = split.share(key);
        let mut watched = split
            .shares
            .get(place)
            .and_then(|share| share.canary.map(|canary| Watched::new(model, &share.model, canary)));
        if let Some(first) = &mut watched {
            let (now_ms, canaries) = (host.now_ns() / NS_PER_MS, self.read(host));
            first.probe = match canaries.standing(first.key, first.rule, now_ms) {
                Standing::Whole => false,
                Standing::ProbeDue => take_probe(host, *first, now_ms),
                Standing::Cut => false,
            };
            let is_cut = |at: usize| {
                let share = split.shares.get(at);
                let watched = share.and_then(|share| Some((&share.model, share.canary?)));
                watched.is_some_and(|(name, canary)| {
                    let Watched { key, rule, .. } = Watched::new(model, name, canary);
                    canaries.standing(key, rule, now_ms) != Standing::Whole
                })
            };
            if !first.probe && is_cut(place) {
                place = split.other_share(key, is_cut);
                watched = split.shares.get(place).and_then(|share| {
                    share.canary.map(|canary| Watched::new(model, &share.model, canary))
                });
            }
        }
        let share = split.shares.get(place).map(|share| share.model.clone()).unwrap_or_default();
        (place, Drawn { share, canary: watched, status: Cell::new(None) })
    }

    /// A request goes to its share.
    pub(crate) fn routed<H: Host>(&self, host: &H, drawn: &Drawn) {
        if let Some(metrics) = self.shares.get(&drawn.share) {
            metrics.routed.increment(host);
        }
    }

    /// The response headers have come, or an answer of Envoy's or a filter's own.
    pub(crate) fn answered<H: Host>(&self, host: &H, drawn: &Drawn) {
        if drawn.canary.is_some() {
            let status = host.header(HeaderMap::Response, ":status").ok().flatten();
            let status = status.and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok());
            drawn.status.set(status);
        }
    }

    /// The request has ended. Who never got an answer has left, which says nothing.
    pub(crate) fn ended<H: Host>(&self, host: &H, drawn: &Drawn) {
        let (Some(watched), Some(status)) = (drawn.canary, drawn.status.get()) else { return };
        let details = upstream::code_details(host);
        let gave_up = details == NO_REPLICA_ANSWERED.as_bytes();
        if details.starts_with(OWN_ANSWER) && !gave_up {
            return;
        }
        if gave_up || is_failure(status) || upstream::broke_off(&details) {
            self.failed(host, &drawn.share, watched);
        } else if watched.probe && details.starts_with(ANSWERED) {
            change(host, |canaries| canaries.served(watched.key));
        }
    }

    #[cold]
    fn failed<H: Host>(&self, host: &H, share: &str, watched: Watched) {
        let now_ms = host.now_ns() / NS_PER_MS;
        let Watched { key, rule, probe } = watched;
        let mut cuts = false;
        change(host, |canaries| {
            let failed = canaries.failed(key, rule, probe, now_ms)?;
            cuts = failed.cuts;
            Some(failed.value)
        });
        let Some(metrics) = self.shares.get(share) else { return };
        metrics.failed.increment(host);
        if cuts {
            metrics.cut.increment(host);
            metrics.failing.say(host, LogLevel::Warn, || {
                let CanaryRule { failures, within_ms, probe_after_ms } = rule;
                format!(
                    "weir.model-router: the share {share:?} of a split is cut: {failures} failures in {within_ms} ms; \
                     after {probe_after_ms} ms a single request asks whether it serves again"
                )
            });
        }
    }

    fn read<H: Host>(&self, host: &H) -> Canaries {
        let stored = host.shared(keys::CANARIES).ok().flatten().unwrap_or_default().0;
        Canaries::read(&stored).unwrap_or_else(|| {
            self.undecodable.note(host, keys::CANARIES, &"it is no list of canaries");
            Canaries::default()
        })
    }
}

impl ShareMetrics {
    fn new(share: &str) -> Self {
        let share = label(share);
        Self {
            routed: Metric::counter(format!("weir_router_split_total.share.{share}")),
            failed: Metric::counter(format!("weir_router_split_failures_total.share.{share}")),
            cut: Metric::counter(format!("weir_router_split_cuts_total.share.{share}")),
            failing: Notice::default(),
        }
    }
}

impl Watched {
    fn new(model: &str, share: &str, canary: Canary) -> Self {
        let Canary { failures, within_ms, probe_after_ms } = canary;
        // No name holds a zero byte.
        let key = text_hash(format!("{model}\0{share}").as_bytes());
        Self { key, rule: CanaryRule { failures, within_ms, probe_after_ms }, probe: false }
    }
}

/// What stands for whatever is to have the same share always.
pub(crate) fn key<H: Host>(
    host: &H,
    by: SplitBy,
    head: &RequestHead,
    consumer: Option<&str>,
    body: &RequestFacts,
    context_id: u32,
) -> u64 {
    match (by, consumer) {
        (SplitBy::Request, _) => {
            let drawn = [host.now_ns().to_le_bytes(), u64::from(context_id).to_le_bytes()];
            text_hash(drawn.as_flattened())
        }
        (SplitBy::Consumer, Some(name)) => text_hash(name.as_bytes()),
        _ => match head.header(SESSION).or(body.session.as_deref().map(str::as_bytes)) {
            Some(id) => text_hash(id),
            None => body.prefix.conversation(Seed::new("", None, None, 0)),
        },
    }
}

/// Whether a status is a failure of whoever serves: 501 and 505 are answers to requests that nobody would serve.
fn is_failure(status: u16) -> bool {
    status >= 500 && !matches!(status, 501 | 505)
}

/// Whether this request is the one that asks. Of several workers one gets it.
#[cold]
fn take_probe<H: Host>(host: &H, watched: Watched, now_ms: u64) -> bool {
    let mut taken = false;
    change(host, |canaries| {
        let value = canaries.take_probe(watched.key, watched.rule, now_ms);
        taken = value.is_some();
        value
    }) && taken
}

/// Changes what is known of canaries, and whether that was written. What cannot be read is begun anew.
#[cold]
fn change<H: Host>(host: &H, mut edit: impl FnMut(Canaries) -> Option<Vec<u8>>) -> bool {
    let changed = change_shared(host, keys::CANARIES, |stored| {
        Ok::<_, ()>(edit(Canaries::read(stored).unwrap_or_default()))
    });
    if let Err(ChangeError::Host(error)) = &changed {
        let line = format!("weir.model-router: shared data {}: {error}", keys::CANARIES);
        host.log(LogLevel::Warn, &line);
    }
    changed.is_ok()
}

#[cfg(test)]
mod tests;
