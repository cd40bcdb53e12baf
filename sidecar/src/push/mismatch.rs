//! Pools that one gateway and this sidecar do not both know.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;
use weir_snapshot::Accepted;

/// For how long it must be so: filters of a gateway that starts say one after the other what they know.
const GRACE: Duration = Duration::from_secs(5);

/// How often each is told of.
const EVERY: Duration = Duration::from_secs(60);

/// Names that a line of the log shows.
const SHOWN: usize = 20;

/// What does not fit at one gateway, over all pools.
#[derive(Debug)]
pub(crate) struct Mismatches {
    gateway: String,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Pools that this sidecar pushes and no policy names.
    unserved: BTreeMap<String, Mismatch>,
    /// Pools that policies name and nobody pushes.
    unpushed: BTreeMap<String, Mismatch>,
}

#[derive(Debug, Clone, Copy)]
struct Mismatch {
    since: Instant,
    told: Option<Instant>,
}

impl Mismatches {
    /// Nothing is known of `gateway` yet.
    pub(crate) fn new(gateway: String) -> Self {
        Self { gateway, seen: Mutex::default() }
    }

    /// The gateway as written in the configuration.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Takes what the reply to a push of `pool` says, and logs what has not fit for a while.
    pub(crate) fn record(&self, pool: &str, reply: &Accepted, now: Instant) {
        let Some(named) = &reply.pools else { return };
        let (unserved, unpushed) = {
            let mut seen = self.seen();
            let own = (!named.iter().any(|name| name == pool)).then_some(pool);
            let tell = observe(&mut seen.unserved, |name| name == pool, own.into_iter(), now);
            let names = reply.unpushed.iter().map(String::as_str);
            (tell, observe(&mut seen.unpushed, |_| true, names, now))
        };
        let gateway = self.gateway.as_str();
        for pool in unserved {
            let known = named.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
            warn!(
                gateway,
                pool,
                known,
                "no policy of the gateway names this pool: look for another spelling here or in its \
                 models, or for filters whose vm_id is not the intake's"
            );
        }
        for pool in unpushed {
            warn!(
                gateway,
                pool, "policies of the gateway name this pool, and no sidecar pushes it"
            );
        }
    }

    /// Pools that this sidecar pushes and nobody serves.
    pub(crate) fn unserved(&self, now: Instant) -> Vec<String> {
        confirmed(&self.seen().unserved, now)
    }

    /// Pools that policies name and nobody pushes.
    pub(crate) fn unpushed(&self, now: Instant) -> Vec<String> {
        confirmed(&self.seen().unpushed, now)
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes `names` all that is known of those that are `meant`; returns the ones to tell of.
fn observe<'a>(
    known: &mut BTreeMap<String, Mismatch>,
    meant: impl Fn(&str) -> bool,
    names: impl Iterator<Item = &'a str>,
    now: Instant,
) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    known.retain(|name, _| !meant(name) || names.contains(&name.as_str()));
    let mut tell = Vec::new();
    for name in names {
        let mismatch = known.entry(name.to_owned()).or_insert(Mismatch { since: now, told: None });
        let held = now.saturating_duration_since(mismatch.since) >= GRACE;
        let due = mismatch.told.is_none_or(|told| now.saturating_duration_since(told) >= EVERY);
        if held && due {
            mismatch.told = Some(now);
            tell.push(name.to_owned());
        }
    }
    tell
}

fn confirmed(known: &BTreeMap<String, Mismatch>, now: Instant) -> Vec<String> {
    let held = |mismatch: &Mismatch| now.saturating_duration_since(mismatch.since) >= GRACE;
    known.iter().filter(|(_, mismatch)| held(mismatch)).map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_is_told_once_it_has_held_and_once_a_minute() {
        let (start, mut known) = (Instant::now(), BTreeMap::new());
        let mut told = |second: u64, names: &[&str]| {
            let now = start + Duration::from_secs(second);
            observe(&mut known, |_| true, names.iter().copied(), now)
        };
        assert!(told(0, &["lama"]).is_empty() && told(4, &["lama"]).is_empty());
        assert_eq!(told(5, &["lama", "new"]), ["lama"]);
        assert!(told(6, &["lama"]).is_empty() && told(64, &["lama"]).is_empty());
        assert_eq!(told(65, &["lama"]), ["lama"]);
        assert!(told(66, &[]).is_empty() && told(67, &["lama"]).is_empty());
        assert_eq!(told(72, &["lama"]), ["lama"]);
    }

    #[test]
    fn replies_to_pushes_of_several_pools_say_what_neither_side_knows() {
        let (start, mismatches) = (Instant::now(), Mismatches::new("http://g".to_owned()));
        let reply = Accepted {
            pools: Some(vec!["llama".to_owned(), "lama".to_owned()]),
            unpushed: vec!["lama".to_owned()],
            ..Accepted::default()
        };
        let after = |second| start + Duration::from_secs(second);
        for second in 0..=5 {
            for pool in ["llama", "qwen"] {
                mismatches.record(pool, &reply, after(second));
            }
            let shown = (mismatches.unserved(after(second)), mismatches.unpushed(after(second)));
            let expected = if second < 5 {
                (Vec::new(), Vec::new())
            } else {
                (vec!["qwen".to_owned()], vec!["lama".to_owned()])
            };
            assert_eq!(shown, expected, "{second}");
        }
        // A gateway that does not say changes nothing.
        mismatches.record("mistral", &Accepted::default(), after(6));
        let all = vec!["llama".to_owned(), "qwen".to_owned()];
        let reply = Accepted { pools: Some(all), ..Accepted::default() };
        mismatches.record("qwen", &reply, after(7));
        assert_eq!(
            (mismatches.unserved(after(20)), mismatches.unpushed(after(20))),
            Default::default()
        );
    }
}
