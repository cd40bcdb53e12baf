//! What one sidecar's gateways have in flight, as it stands in Redis.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_settings::sidecar::MAX_GATEWAYS;
use weir_snapshot::is_pool_name;
use weir_snapshot::limits::{MAX_POOLS, MAX_PREFIXES_DIGITS};

use crate::peers::{Load, PoolShare, Shares};
use crate::prefix_log::Numbered;

/// The version of the form.
const VERSION: u32 = 2;

/// The version before it, which told of all gateways together: sidecars are not updated all at once.
const OF_ALL_GATEWAYS: u32 = 1;

/// Most replicas of all gateways and pools that are written, those with the most requests. With the longest addresses and
/// numbers they take 300 KB.
const MAX_REPLICAS: usize = 4096;

/// Longest value that is read, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 512 * 1024;

/// Most digits of what was learned of prefix caches that are written, over all pools.
const MAX_DIGITS: usize = 128 * 1024;

/// Most requests that one gateway has in flight at a replica: none serves a thousandth of that.
const MAX_IN_FLIGHT: u32 = 1 << 20;

/// Most tokens that it has there: thousands of requests of a million tokens each.
const MAX_TOKENS: u32 = 1 << 31;

/// Digits of what a gateway says to be.
const NAME_DIGITS: usize = 16;

/// Requests in flight, prompt tokens in prefill, tokens in decode.
type Numbers = (u32, u32, u32);

/// By pool and replica.
type Pools = BTreeMap<String, BTreeMap<String, Numbers>>;

/// A sidecar's value in Redis: JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    version: u32,
    /// Of all gateways together, where the version is [`OF_ALL_GATEWAYS`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pools: Pools,
    /// Of each gateway.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    gateways: BTreeMap<String, Pools>,
    /// What gateways have learned of prefix caches lately, by pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    prefixes: BTreeMap<String, Vec<Numbered>>,
}

/// What a sidecar says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What its gateways have in flight.
    pub(super) shares: Shares,
    /// What they have learned of prefix caches, by pool.
    pub(super) prefixes: BTreeMap<String, Vec<Numbered>>,
}

/// The value that tells of `said`. Replicas without anything in flight are left out, and so are those with the least
/// where there are too many; a gateway that has nothing in flight is named.
pub(super) fn encode(said: Said) -> Vec<u8> {
    let mut all: Vec<(&str, &str, &str, Load)> = Vec::new();
    for (gateway, pools) in &said.shares {
        for (pool, share) in pools {
            let busy = share.iter().filter(|(_, load)| **load != Load::default());
            all.extend(
                busy.map(|(at, load)| (gateway.as_str(), pool.as_str(), at.as_str(), *load)),
            );
        }
    }
    if all.len() > MAX_REPLICAS {
        all.sort_unstable_by_key(|(.., load)| std::cmp::Reverse(load.in_flight));
        all.truncate(MAX_REPLICAS);
    }
    let mut gateways: BTreeMap<String, Pools> =
        said.shares.keys().map(|gateway| (gateway.clone(), Pools::new())).collect();
    for (gateway, pool, address, load) in all {
        let pools = gateways.entry(gateway.to_owned()).or_default();
        pools.entry(pool.to_owned()).or_default().insert(address.to_owned(), numbers_of(load));
    }
    let prefixes = fitting(said.prefixes);
    let value = Value { version: VERSION, pools: Pools::new(), gateways, prefixes };
    // Strings and whole numbers alone: it cannot fail.
    serde_json::to_vec(&value).unwrap_or_default()
}

/// What `bytes` tell; `None` for what no sidecar of this version or the one before writes.
pub(super) fn decode(bytes: &[u8]) -> Option<Said> {
    if bytes.len() > MAX_VALUE_BYTES {
        return None;
    }
    let Value { version, pools, mut gateways, prefixes } = serde_json::from_slice(bytes).ok()?;
    match version {
        VERSION if pools.is_empty() => {}
        OF_ALL_GATEWAYS if gateways.is_empty() => {
            gateways.insert(String::new(), pools);
        }
        _ => return None,
    }
    let replicas: usize =
        gateways.values().flat_map(|pools| pools.values().map(BTreeMap::len)).sum();
    let most_pools = gateways.values().map(BTreeMap::len).chain([prefixes.len()]).max();
    let mut names = gateways.values().flat_map(BTreeMap::keys).chain(prefixes.keys());
    let fits = gateways.len() <= MAX_GATEWAYS
        && gateways.keys().all(|name| is_gateway_name(name))
        && most_pools <= Some(MAX_POOLS)
        && replicas <= MAX_REPLICAS
        && names.all(|name| is_pool_name(name))
        && prefixes.values().flatten().all(|(_, digits)| is_piece(digits));
    if !fits {
        return None;
    }
    let shares = gateways.into_iter().map(|(name, pools)| Some((name, shares_of(pools)?)));
    Some(Said { shares: shares.collect::<Option<_>>()?, prefixes })
}

fn shares_of(pools: Pools) -> Option<BTreeMap<String, PoolShare>> {
    let share = |replicas: BTreeMap<String, Numbers>| -> Option<PoolShare> {
        replicas.into_iter().map(|(address, numbers)| Some((address, load_of(numbers)?))).collect()
    };
    pools.into_iter().map(|(name, replicas)| Some((name, share(replicas)?))).collect()
}

/// Whether it is what a gateway says to be, or the name of those that do not say it.
fn is_gateway_name(name: &str) -> bool {
    name.len() <= NAME_DIGITS && name.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn is_piece(digits: &str) -> bool {
    digits.len() <= MAX_PREFIXES_DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The newest pieces that there is room for.
fn fitting(mut prefixes: BTreeMap<String, Vec<Numbered>>) -> BTreeMap<String, Vec<Numbered>> {
    let mut room = MAX_DIGITS;
    for pieces in prefixes.values_mut() {
        let kept = pieces.iter().rev().take_while(|(_, digits)| {
            let fits = digits.len() <= room;
            room -= if fits { digits.len() } else { 0 };
            fits
        });
        let kept = kept.count();
        pieces.drain(..pieces.len() - kept);
    }
    prefixes.retain(|_, pieces| !pieces.is_empty());
    prefixes
}

fn load_of((in_flight, prefill_tokens, decode_tokens): Numbers) -> Option<Load> {
    let fits =
        in_flight <= MAX_IN_FLIGHT && prefill_tokens <= MAX_TOKENS && decode_tokens <= MAX_TOKENS;
    fits.then_some(Load { in_flight, prefill_tokens, decode_tokens })
}

fn numbers_of(load: Load) -> Numbers {
    let tokens = |tokens: u32| tokens.min(MAX_TOKENS);
    (load.in_flight.min(MAX_IN_FLIGHT), tokens(load.prefill_tokens), tokens(load.decode_tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: &str = "00000000000000a1";

    fn shares(share: PoolShare) -> Shares {
        let pools = BTreeMap::from([("llama".to_owned(), share)]);
        Shares::from([(GATEWAY.to_owned(), pools)])
    }

    fn load(in_flight: u32) -> Load {
        Load { in_flight, prefill_tokens: 7, decode_tokens: 0 }
    }

    #[test]
    fn what_is_written_is_read_without_what_is_idle() {
        let share = PoolShare::from([
            ("10.0.0.1:80".to_owned(), load(3)),
            ("10.0.0.2:80".to_owned(), Load::default()),
        ]);
        let bytes = encode(Said { shares: shares(share), prefixes: BTreeMap::new() });
        let text =
            br#"{"version":2,"gateways":{"00000000000000a1":{"llama":{"10.0.0.1:80":[3,7,0]}}}}"#;
        assert_eq!(bytes, text);
        let told = || shares(PoolShare::from([("10.0.0.1:80".to_owned(), load(3))]));
        let prefixes = BTreeMap::from([("llama".to_owned(), vec![(7, "00ff".to_owned())])]);
        assert_eq!(decode(&bytes), Some(Said { shares: told(), prefixes: BTreeMap::new() }));
        let said = || Said { shares: told(), prefixes: prefixes.clone() };
        assert_eq!(decode(&encode(said())), Some(said()));
        // That a gateway has nothing in flight any more has to be told, too.
        let idle = Shares::from([(GATEWAY.to_owned(), BTreeMap::new())]);
        let said = || Said { shares: idle.clone(), prefixes: BTreeMap::new() };
        assert_eq!(decode(&encode(said())), Some(said()));
        // A sidecar of the version before.
        let before = br#"{"version":1,"pools":{"llama":{"10.0.0.1:80":[3,7,0]}}}"#;
        let all = told().remove(GATEWAY).unwrap();
        assert_eq!(decode(before).unwrap().shares, Shares::from([(String::new(), all)]));
    }

    #[test]
    fn of_too_many_replicas_the_busiest_are_written_and_fit() {
        let address = |at: u32| format!("[2001:db8:1111:2222:3333:4444:5555:{at:x}]:65535");
        let busy = |at: u32| Load {
            in_flight: at + 1_000_000,
            prefill_tokens: u32::MAX,
            decode_tokens: u32::MAX,
        };
        let share: PoolShare = (0..5000).map(|at| (address(at), busy(at))).collect();
        let piece = |number| (number, "0".repeat(MAX_PREFIXES_DIGITS));
        let prefixes = BTreeMap::from([("llama".to_owned(), (0..99).map(piece).collect())]);
        let bytes = encode(Said { shares: shares(share), prefixes });
        assert!(bytes.len() <= MAX_VALUE_BYTES, "{}", bytes.len());
        let Said { shares: read, prefixes } = decode(&bytes).unwrap();
        let numbers: Vec<u64> = prefixes["llama"].iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (91..99).collect::<Vec<u64>>());
        let read = &read[GATEWAY]["llama"];
        assert_eq!(read.len(), MAX_REPLICAS);
        assert!(!read.contains_key(&address(0)));
        assert_eq!(read[&address(4999)].decode_tokens, MAX_TOKENS);
    }

    #[test]
    fn what_no_sidecar_writes_is_not_read() {
        for bytes in [
            &b""[..],
            b"\xff\xfe",
            b"{}",
            br#"{"version":3,"gateways":{}}"#,
            br#"{"version":2,"pools":{"a":{}}}"#,
            br#"{"version":2,"gateways":{"a":{"a b":{}}}}"#,
            br#"{"version":2,"gateways":{"x":{"a":{}}}}"#,
            br#"{"version":2,"gateways":{"00000000000000a12":{}}}"#,
            br#"{"version":1,"gateways":{"a":{}}}"#,
            br#"{"version":1,"pools":{"a b":{}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[1,2]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[-1,0,0]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[4294967296,0,0]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[1048577,0,0]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[1,0,2147483649]}}}"#,
            br#"{"version":2,"gateways":{"a":{"b":{"10.0.0.1:80":[1,0,2147483649]}}}}"#,
            br#"{"version":1,"pools":{},"more":1}"#,
            br#"{"version":1,"pools":{},"prefixes":{"a":[[1,"0x"]]}}"#,
            br#"{"version":2,"prefixes":{"a b":[]}}"#,
        ] {
            assert_eq!(decode(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
        let long = [&br#"{"version":1,"pools":{}}"#[..], &vec![b' '; MAX_VALUE_BYTES]].concat();
        assert_eq!(decode(&long), None);
    }
}
