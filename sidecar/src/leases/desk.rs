//! What gateways have told and are to be told: the place where pushers and the exchange meet.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::warn;
use weir_snapshot::{FleetLimit, FleetNews, FleetReport, KeyName, KeyReport};
use weir_tokens::limits::Calendar;

use super::account::{Account, Answer, Wish};
use super::script::Beat;

/// How long an account is kept that its gateway does not tell of: longer than it takes to tell of all of its 16,384 slots
/// (3.2 s at the default interval), and so short that a flood of new keys, 5,120 a second, stays below 20 MB.
const KEPT: Duration = Duration::from_secs(20);

/// How often it is said that a limit is not understood, or a command refused.
const SAID: Duration = Duration::from_secs(60);

/// What is known of all leases of this sidecar's gateways.
#[derive(Debug)]
pub(crate) struct Leases {
    known: Mutex<Known>,
    /// Some gateway has told something.
    pub(super) told: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// By name.
    gateways: BTreeMap<String, Gateway>,
    /// Whether the last exchange with Redis was good.
    reachable: bool,
    /// How the fleet stands, and when that was said; `None` before Redis has said so.
    fleet: Option<(Beat, Instant)>,
    /// A key for the case that Redis has none.
    proposed: [u8; 32],
    /// By limit.
    overdrawn: BTreeMap<u32, u64>,
    /// By limit and action.
    commands: BTreeMap<(String, &'static str), u64>,
    /// Commands that were refused: nobody knows of whom, or what they ask for makes no sense.
    refused: u64,
    /// When it was said that a limit is not understood.
    said_at: Option<Instant>,
    /// When it was said that a command was refused.
    refusal_said_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Gateway {
    /// Which Envoy it is.
    id: String,
    limits: Vec<FleetLimit>,
    accounts: BTreeMap<KeyName, Account>,
    /// Of the last reply.
    reported: Vec<KeyReport>,
    /// Whether the exchange has seen that.
    seen: bool,
}

/// One key to ask Redis about.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) name: String,
    pub(super) gateway: String,
    pub(super) report: KeyReport,
    pub(super) limit: FleetLimit,
    pub(super) wish: Wish,
}

/// What this sidecar's gateways have of one limit, in units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeaseSums {
    pub(crate) limit: String,
    /// What a unit is a part of.
    pub(crate) measure: String,
    pub(crate) keys: u64,
    /// Granted and not used.
    pub(crate) outstanding: u64,
    /// Used without a grant, since the sidecar started.
    pub(crate) overdrawn: u64,
    /// The most that all gateways together may use of one key before Redis hears of it.
    pub(crate) bound: u64,
}

/// Whether the scripts can be told in which windows a limit goes.
fn is_known(limit: &FleetLimit) -> bool {
    limit.calendar.is_empty() || Calendar::parse(&limit.calendar).is_some()
}

impl LeaseSums {
    /// Units as tokens, which are told in thousandths; others as they are.
    pub(crate) fn whole(&self, units: u64) -> u64 {
        if self.measure == "tokens" { units / 1_000 } else { units }
    }
}

impl Leases {
    pub(crate) fn new() -> Self {
        let mut proposed = [0; 32];
        for part in proposed.as_chunks_mut::<8>().0 {
            // The keys of `RandomState` come from the system's source of randomness.
            *part = RandomState::new().hash_one(0).to_le_bytes();
        }
        Self { known: Mutex::new(Known { proposed, ..Known::default() }), told: Notify::new() }
    }

    /// What the next push to a gateway tells; `None` if it has no limits of a fleet, or has not said so.
    pub(crate) fn news(&self, gateway: &str, valid: Duration) -> Option<FleetNews> {
        let known = self.known();
        let of = known.gateways.get(gateway)?;
        let (fleet, _) = known.fleet?;
        let grant = |report: &KeyReport| of.accounts.get(&report.key)?.grant(report.key);
        Some(FleetNews {
            reachable: known.reachable,
            gateways: fleet.gateways.max(1),
            valid_ms: u32::try_from(valid.as_millis()).unwrap_or(u32::MAX),
            key: fleet.digest_key,
            grants: of.reported.iter().filter_map(grant).collect(),
        })
    }

    /// Takes what a gateway tells.
    pub(crate) fn record(&self, gateway: &str, report: FleetReport) {
        let mut known = self.known();
        let of = known.gateways.entry(gateway.to_owned()).or_default();
        if of.id != report.gateway {
            *of = Gateway { id: report.gateway, ..Gateway::default() };
        }
        of.limits = report.limits;
        let odd = of.limits.len();
        of.limits.retain(is_known);
        let odd = odd - of.limits.len();
        (of.reported, of.seen) = (report.keys, false);
        if odd > 0 && known.said_at.is_none_or(|said| said.elapsed() >= SAID) {
            known.said_at = Some(Instant::now());
            warn!(
                gateway,
                limits = odd,
                "a gateway has limits by a calendar that this sidecar does not know, so they are granted nothing: update the \
                 sidecar"
            );
        }
        drop(known);
        self.told.notify_one();
    }

    /// A gateway that is gone.
    pub(crate) fn forget(&self, gateway: &str) {
        self.known().gateways.remove(gateway);
    }

    /// What there is to ask Redis since the last time.
    pub(super) fn errands(&self, now: Instant) -> Vec<Errand> {
        let mut known = self.known();
        let mut errands = Vec::new();
        for (name, gateway) in known.gateways.iter_mut().filter(|(_, gateway)| !gateway.seen) {
            gateway.seen = true;
            for report in &gateway.reported {
                let mut limits = gateway.limits.iter();
                let Some(limit) = limits.find(|limit| limit.id == report.key.limit) else {
                    continue;
                };
                let account = gateway.accounts.entry(report.key);
                let account = account.or_insert_with(|| Account::new(report, now));
                let Some(wish) = account.wish(report, limit, now) else { continue };
                errands.push(Errand {
                    name: name.clone(),
                    gateway: gateway.id.clone(),
                    report: *report,
                    limit: limit.clone(),
                    wish,
                });
            }
            gateway.accounts.retain(|_, account| now - account.told_at < KEPT);
        }
        errands
    }

    /// Takes what Redis says to an errand.
    pub(super) fn take(&self, errand: &Errand, answer: Answer) {
        let mut known = self.known();
        let overdrawn = known.overdrawn.entry(errand.limit.id).or_default();
        *overdrawn = overdrawn.saturating_add(answer.overdrawn);
        let Some(of) = known.gateways.get_mut(&errand.name) else { return };
        if of.id == errand.gateway
            && let Some(account) = of.accounts.get_mut(&errand.report.key)
        {
            account.take(&errand.report, answer);
        }
    }

    /// Redis has said how the fleet stands.
    pub(super) fn beaten(&self, fleet: Beat, now: Instant) {
        let mut known = self.known();
        known.proposed = fleet.digest_key;
        known.fleet = Some((fleet, now));
        known.reachable = true;
    }

    /// The time of Redis at `now`, in ms since 1970, by what it said last; `None` before it has said so.
    pub(super) fn redis_ms(&self, now: Instant) -> Option<u64> {
        let (fleet, said_at) = self.known().fleet?;
        let since = now.saturating_duration_since(said_at).as_millis();
        Some(fleet.now_ms.saturating_add(u64::try_from(since).unwrap_or(u64::MAX)))
    }

    /// What keys are digested with; `None` before Redis has said so.
    pub(super) fn digest_key(&self) -> Option<[u8; 32]> {
        self.known().fleet.map(|(fleet, _)| fleet.digest_key)
    }

    /// The limits of all gateways, each once, with how many keys are in use.
    pub(crate) fn limits(&self) -> Vec<(FleetLimit, u64)> {
        let known = self.known();
        let mut limits: BTreeMap<u32, (FleetLimit, u64)> = BTreeMap::new();
        for gateway in known.gateways.values() {
            for limit in &gateway.limits {
                let (_, keys) = limits.entry(limit.id).or_insert_with(|| (limit.clone(), 0));
                let of = |key: &&KeyName| key.limit == limit.id;
                *keys = keys.saturating_add(gateway.accounts.keys().filter(of).count() as u64);
            }
        }
        limits.into_values().collect()
    }

    /// Counts a command that was carried out.
    pub(super) fn count(&self, limit: &str, action: &'static str) {
        let mut known = self.known();
        let count = known.commands.entry((limit.to_owned(), action)).or_default();
        *count = count.saturating_add(1);
    }

    /// Counts a command that was refused; whether it is time to say so.
    pub(crate) fn count_refused(&self) -> bool {
        let mut known = self.known();
        known.refused = known.refused.saturating_add(1);
        let due = known.refusal_said_at.is_none_or(|said| said.elapsed() >= SAID);
        if due {
            known.refusal_said_at = Some(Instant::now());
        }
        due
    }

    /// Commands that were carried out, by limit and action, and how many were refused.
    pub(crate) fn commands(&self) -> (BTreeMap<(String, &'static str), u64>, u64) {
        let known = self.known();
        (known.commands.clone(), known.refused)
    }

    /// Redis was not reached.
    pub(super) fn lost(&self) {
        self.known().reachable = false;
    }

    /// Whether the last exchange was good.
    pub(crate) fn is_reachable(&self) -> bool {
        self.known().reachable
    }

    /// How many gateways all sidecars together have; 0 before Redis has said so.
    pub(crate) fn gateways(&self) -> u32 {
        self.known().fleet.map_or(0, |(fleet, _)| fleet.gateways)
    }

    /// A digest key for the case that Redis has none, and the gateways that live.
    pub(super) fn beat(&self) -> ([u8; 32], Vec<String>) {
        let known = self.known();
        let ids = known.gateways.values().map(|gateway| gateway.id.clone());
        (known.proposed, ids.collect())
    }

    /// What the gateways have of each limit.
    pub(crate) fn sums(&self) -> Vec<LeaseSums> {
        let known = self.known();
        let gateways = known.fleet.map_or(1, |(fleet, _)| fleet.gateways).max(1);
        let mut sums: BTreeMap<u32, LeaseSums> = BTreeMap::new();
        for gateway in known.gateways.values() {
            for limit in &gateway.limits {
                let sum = sums.entry(limit.id).or_insert_with(|| LeaseSums {
                    limit: limit.name.clone(),
                    measure: limit.measure.clone(),
                    overdrawn: known.overdrawn.get(&limit.id).copied().unwrap_or(0),
                    bound: limit.first.saturating_mul(gateways.into()),
                    ..LeaseSums::default()
                });
                let accounts = gateway.accounts.iter();
                for (_, account) in accounts.filter(|(key, _)| key.limit == limit.id) {
                    sum.keys += 1;
                    sum.outstanding = sum.outstanding.saturating_add(account.outstanding());
                }
            }
        }
        sums.into_values().collect()
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
