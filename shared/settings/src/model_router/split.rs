//! A model whose requests are split by weight over other entries of the policy.
//!
//! A share is another entry, by its name: so it has a pool, a name upstream and policies like any model. The split is
//! decided before Envoy chooses the route; a cluster that Envoy draws by weight would be another one than the request was placed in.

use serde::Deserialize;

use crate::SettingsError;
use crate::duration::{Bounds, bounded};

use std::time::Duration;

/// Most shares of one split: more would be no experiment any more.
pub const MAX_SHARES: usize = 16;
/// Most failures that a canary may be allowed: each has its time in shared data.
pub const MAX_FAILURES: u32 = 32;
/// Largest weight, so that a sum of them stays far below 2^32.
const MAX_WEIGHT: u32 = 1_000_000;

/// What a canary is allowed unless it says otherwise: so many failures, in that time.
const FAILURES: u32 = 5;
const WITHIN: Bounds = Bounds {
    default: Duration::from_secs(10),
    min: Duration::from_secs(1),
    max: Duration::from_secs(3600),
};
/// After what time one request asks whether it serves again.
const PROBE_AFTER: Bounds = Bounds {
    default: Duration::from_secs(30),
    min: Duration::from_secs(1),
    max: Duration::from_secs(3600),
};

/// A split as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSplit {
    /// What always gets the same share.
    #[serde(default)]
    pub by: SplitBy,
    /// The shares.
    pub to: Vec<RawShare>,
}

/// A share as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawShare {
    /// Another entry of the policy, by a name that it serves.
    pub model: String,
    /// Its part of the sum of all weights; 0 is none.
    pub weight: u32,
    /// Given if it loses its share while it fails.
    #[serde(default)]
    pub canary: Option<RawCanary>,
}

/// When a share is cut, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCanary {
    /// So many failures cut it, 1 to 32; 5 if not given.
    #[serde(default)]
    pub failures: Option<u32>,
    /// In this time, `10s` if not given.
    #[serde(default)]
    pub within: Option<String>,
    /// After this time one request asks whether it serves again, `30s` if not given.
    #[serde(default)]
    pub probe_after: Option<String>,
}

/// What always gets the same share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SplitBy {
    /// A session: by the client's id of it, else by the beginning of the prompt.
    #[default]
    Session,
    /// A consumer, as something before Weir vouches for it; a session where nobody is known.
    Consumer,
    /// Nothing: each request is drawn anew.
    Request,
}

/// A split, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What always gets the same share.
    pub by: SplitBy,
    /// The shares, at least one, in the order in which they are written.
    pub shares: Vec<Share>,
}

/// A share, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The entry that serves it.
    pub model: String,
    /// Its part of the sum of all weights.
    pub weight: u32,
    /// When it is cut.
    pub canary: Option<Canary>,
}

/// When a share is cut, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canary {
    /// So many failures cut it.
    pub failures: u32,
    /// In this time, in ms.
    pub within_ms: u64,
    /// After this time one request asks whether it serves again, in ms.
    pub probe_after_ms: u64,
}

impl Split {
    /// Compiles what stands at `field`.
    ///
    /// # Errors
    /// No share, too many, an empty name or one twice, weights that are too large or all 0, or limits of a canary.
    pub(super) fn compile(field: &str, raw: RawSplit) -> Result<Self, SettingsError> {
        let count = raw.to.len();
        if count == 0 || count > MAX_SHARES {
            let problem = format!("must be 1 to {MAX_SHARES} shares");
            return Err(SettingsError::invalid(format!("{field}.to"), count, problem));
        }
        let shares = raw.to.into_iter().enumerate();
        let shares = shares.map(|(at, raw)| share(&format!("{field}.to[{at}]"), raw));
        let shares: Vec<Share> = shares.collect::<Result<_, _>>()?;
        for (at, share) in shares.iter().enumerate() {
            if shares.iter().take(at).any(|other| other.model == share.model) {
                let field = format!("{field}.to[{at}].model");
                return Err(SettingsError::invalid(field, &share.model, "stands twice"));
            }
        }
        if shares.iter().all(|share| share.weight == 0) {
            return Err(SettingsError::misfit(format!("{field}.to"), "has no weight above 0"));
        }
        Ok(Self { by: raw.by, shares })
    }

    /// The place of the share that `key` gets: the same for equal keys, which must be well mixed.
    pub fn share(&self, key: u64) -> usize {
        self.drawn(key, |_| true).unwrap_or(0)
    }

    /// The place of another share for a key whose own one is cut: those that are not cut get the keys by their weights, and
    /// keep their own. Where all are cut, none is.
    pub fn other_share(&self, key: u64, is_cut: impl Fn(usize) -> bool) -> usize {
        // Other bits, or all would go to the same neighbour.
        let again = key.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.drawn(again, |at| !is_cut(at)).unwrap_or_else(|| self.share(key))
    }

    /// The share at the point that `key` stands for on the line of all weights.
    fn drawn(&self, key: u64, counts: impl Fn(usize) -> bool) -> Option<usize> {
        let shares = || {
            let all = self.shares.iter().enumerate().filter(|(at, _)| counts(*at));
            all.map(|(at, share)| (at, u64::from(share.weight)))
        };
        let sum: u64 = shares().map(|(_, weight)| weight).sum();
        let point = u64::try_from(u128::from(key).saturating_mul(sum.into()) >> 64).ok()?;
        let mut before = 0_u64;
        shares()
            .find(|(_, weight)| {
                before = before.saturating_add(*weight);
                point < before
            })
            .map(|(at, _)| at)
    }
}

fn share(field: &str, raw: RawShare) -> Result<Share, SettingsError> {
    let RawShare { model, weight, canary } = raw;
    if model.is_empty() || model.contains('*') {
        let field = format!("{field}.model");
        let problem = "must be a name that an entry of the policy serves";
        return Err(SettingsError::invalid(field, format!("{model:?}"), problem));
    }
    if weight > MAX_WEIGHT {
        let problem = format!("must be 0 to {MAX_WEIGHT}");
        return Err(SettingsError::invalid(format!("{field}.weight"), weight, problem));
    }
    let canary = canary.map(|raw| limits(&format!("{field}.canary"), &raw)).transpose()?;
    Ok(Share { model, weight, canary })
}

fn limits(field: &str, raw: &RawCanary) -> Result<Canary, SettingsError> {
    let failures = raw.failures.unwrap_or(FAILURES);
    if !(1..=MAX_FAILURES).contains(&failures) {
        let problem = format!("must be 1 to {MAX_FAILURES}");
        return Err(SettingsError::invalid(format!("{field}.failures"), failures, problem));
    }
    let ms = |part: &str, written: &Option<String>, bounds: &Bounds| {
        let field = format!("{field}.{part}");
        let found = bounded(&field, written.as_deref(), bounds)?;
        Ok::<_, SettingsError>(u64::try_from(found.as_millis()).unwrap_or(u64::MAX))
    };
    Ok(Canary {
        failures,
        within_ms: ms("within", &raw.within, &WITHIN)?,
        probe_after_ms: ms("probe_after", &raw.probe_after, &PROBE_AFTER)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn split(json: &str) -> Result<Split, String> {
        let raw = crate::located::read("split", serde_json::from_str(json).unwrap());
        let compiled = raw.and_then(|raw| Split::compile("split", raw));
        compiled.map_err(|error| error.to_string())
    }

    fn weights(weights: &[u32]) -> Split {
        let share = |(at, weight): (usize, &u32)| Share {
            model: at.to_string(),
            weight: *weight,
            canary: None,
        };
        let shares = weights.iter().enumerate().map(share).collect();
        Split { by: SplitBy::Session, shares }
    }

    /// Well mixed keys: the finaliser of SplitMix64.
    fn keys() -> impl Iterator<Item = u64> {
        (1..20_000_u64).map(|index| {
            let z = index.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        })
    }

    #[test]
    fn shares_are_as_large_as_their_weights_say() {
        for given in [&[90, 10][..], &[1, 1, 2], &[7], &[0, 5], &[1_000_000, 1]] {
            let (split, sum) = (weights(given), given.iter().sum::<u32>());
            let mut counts = vec![0_u32; given.len()];
            keys().for_each(|key| counts[split.share(key)] += 1);
            for (count, weight) in counts.iter().zip(given) {
                let expected = f64::from(*weight) / f64::from(sum) * 19_999.0;
                assert!((f64::from(*count) - expected).abs() < 250.0, "{given:?}: {counts:?}");
            }
        }
    }

    #[test]
    fn a_larger_share_takes_keys_and_gives_none_back() {
        let (before, after) = (weights(&[90, 10]), weights(&[70, 30]));
        for key in keys() {
            let was_canary = before.share(key) == 1;
            assert!(!was_canary || after.share(key) == 1);
        }
    }

    #[test]
    fn the_keys_of_a_share_that_is_cut_are_spread_as_the_others_weights_say() {
        let split = weights(&[60, 30, 10]);
        let mut moved = [0; 3];
        for key in keys().filter(|key| split.share(*key) == 2) {
            moved[split.other_share(key, |at| at == 2)] += 1;
        }
        assert!(moved[2] == 0 && moved[0] > moved[1] && moved[1] > 500, "{moved:?}");
        assert_eq!(split.other_share(7, |_| true), split.share(7), "all are cut");
    }

    #[test]
    fn mistakes_name_their_place() {
        for (json, expected) in [
            (r#"{"to":[]}"#, "split.to: 0 must be 1 to 16"),
            (r#"{"to":[{"model":"a","weight":0}]}"#, "split.to: has no weight"),
            (r#"{"to":[{"model":"","weight":1}]}"#, "split.to[0].model"),
            (r#"{"to":[{"model":"a*","weight":1}]}"#, "split.to[0].model"),
            (r#"{"to":[{"model":"a","weight":1},{"model":"a","weight":1}]}"#, "stands twice"),
            (r#"{"to":[{"model":"a","weight":1000001}]}"#, "split.to[0].weight"),
            (r#"{"by":"moon","to":[{"model":"a","weight":1}]}"#, "split.by"),
            (r#"{"to":[{"model":"a","weight":1,"canary":{"failures":0}}]}"#, "canary.failures"),
            (r#"{"to":[{"model":"a","weight":1,"canary":{"failures":33}}]}"#, "must be 1 to 32"),
            (r#"{"to":[{"model":"a","weight":1,"canary":{"within":"10"}}]}"#, "canary.within"),
            (r#"{"to":[{"model":"a","weight":1,"canary":{"probe_after":"0s"}}]}"#, "probe_after"),
        ] {
            let error = split(json).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
        let canary = split(r#"{"to":[{"model":"a","weight":1,"canary":{}}]}"#).unwrap();
        let limits = Canary { failures: 5, within_ms: 10_000, probe_after_ms: 30_000 };
        assert_eq!(canary.shares[0].canary, Some(limits));
    }
}
