//! What one sidecar's gateways have in flight, as it stands in Redis.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_snapshot::is_pool_name;
use weir_snapshot::limits::{MAX_POOLS, MAX_PREFIXES_DIGITS};

use crate::peers::{Load, PoolShare};
use crate::prefix_log::Numbered;

/// The version of the form.
const VERSION: u32 = 1;

/// Most replicas of all pools that are written, those with the most requests. With the longest addresses and numbers
/// they take 300 KB.
const MAX_REPLICAS: usize = 4096;

/// Longest value that is read, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 512 * 1024;

/// Most digits of what was learned of prefix caches that are written, over all pools.
const MAX_DIGITS: usize = 128 * 1024;

/// Most requests that gateways of one sidecar have in flight at a replica: none serves a thousandth of that.
const MAX_IN_FLIGHT: u32 = 1 << 20;

/// Most tokens that they have there: thousands of requests of a million tokens each.
const MAX_TOKENS: u32 = 1 << 31;

/// Requests in flight, prompt tokens in prefill, tokens in decode.
type Numbers = (u32, u32, u32);

/// A sidecar's value in Redis: JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    version: u32,
    /// By pool and replica.
    pools: BTreeMap<String, BTreeMap<String, Numbers>>,
    /// What gateways have learned of prefix caches lately, by pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    prefixes: BTreeMap<String, Vec<Numbered>>,
}

/// What a sidecar says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What its gateways have in flight, by pool.
    pub(super) pools: BTreeMap<String, PoolShare>,
    /// What they have learned of prefix caches, by pool.
    pub(super) prefixes: BTreeMap<String, Vec<Numbered>>,
}

/// The value that tells of `said`. Replicas without anything in flight are left out, and so are those with the least
/// where there are too many.
pub(super) fn encode(said: Said) -> Vec<u8> {
    let pools = &said.pools;
    let mut all: Vec<(&String, &String, Load)> = Vec::new();
    for (pool, share) in pools {
        all.extend(share.iter().map(|(address, load)| (pool, address, *load)));
    }
    if all.len() > MAX_REPLICAS {
        all.sort_unstable_by_key(|(_, _, load)| std::cmp::Reverse(load.in_flight));
        all.truncate(MAX_REPLICAS);
    }
    let prefixes = fitting(said.prefixes);
    let mut value = Value { version: VERSION, pools: BTreeMap::new(), prefixes };
    for (pool, address, load) in all.into_iter().filter(|(_, _, load)| *load != Load::default()) {
        let pool = value.pools.entry(pool.clone()).or_default();
        pool.insert(address.clone(), numbers_of(load));
    }
    // Strings and whole numbers alone: it cannot fail.
    serde_json::to_vec(&value).unwrap_or_default()
}

/// What `bytes` tell, by pool; `None` for what no sidecar of this version writes.
pub(super) fn decode(bytes: &[u8]) -> Option<Said> {
    if bytes.len() > MAX_VALUE_BYTES {
        return None;
    }
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let replicas: usize = value.pools.values().map(BTreeMap::len).sum();
    let pieces = value.prefixes.values().flatten();
    let fits = value.version == VERSION
        && value.pools.len().max(value.prefixes.len()) <= MAX_POOLS
        && replicas <= MAX_REPLICAS
        && value.pools.keys().chain(value.prefixes.keys()).all(|name| is_pool_name(name))
        && pieces.clone().all(|(_, digits)| is_piece(digits));
    if !fits {
        return None;
    }
    let share = |replicas: BTreeMap<String, Numbers>| -> Option<PoolShare> {
        replicas.into_iter().map(|(address, numbers)| Some((address, load_of(numbers)?))).collect()
    };
    let pools = value.pools.into_iter().map(|(name, replicas)| Some((name, share(replicas)?)));
    Some(Said { pools: pools.collect::<Option<_>>()?, prefixes: value.prefixes })
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

    fn pool(share: PoolShare) -> BTreeMap<String, PoolShare> {
        BTreeMap::from([("llama".to_owned(), share)])
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
        let bytes = encode(Said { pools: pool(share), prefixes: BTreeMap::new() });
        assert_eq!(bytes, br#"{"version":1,"pools":{"llama":{"10.0.0.1:80":[3,7,0]}}}"#);
        let pools = pool(PoolShare::from([("10.0.0.1:80".to_owned(), load(3))]));
        let prefixes = BTreeMap::from([("llama".to_owned(), vec![(7, "00ff".to_owned())])]);
        assert_eq!(decode(&bytes), Some(Said { pools: pools.clone(), prefixes: BTreeMap::new() }));
        let said = || Said { pools: pools.clone(), prefixes: prefixes.clone() };
        assert_eq!(decode(&encode(said())), Some(said()));
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
        let bytes = encode(Said { pools: pool(share), prefixes });
        assert!(bytes.len() <= MAX_VALUE_BYTES, "{}", bytes.len());
        let Said { pools: read, prefixes } = decode(&bytes).unwrap();
        let numbers: Vec<u64> = prefixes["llama"].iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (91..99).collect::<Vec<u64>>());
        assert_eq!(read["llama"].len(), MAX_REPLICAS);
        assert!(!read["llama"].contains_key(&address(0)));
        assert_eq!(read["llama"][&address(4999)].decode_tokens, MAX_TOKENS);
    }

    #[test]
    fn what_no_sidecar_writes_is_not_read() {
        for bytes in [
            &b""[..],
            b"\xff\xfe",
            b"{}",
            br#"{"version":2,"pools":{}}"#,
            br#"{"version":1,"pools":{"a b":{}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[1,2]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[-1,0,0]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[4294967296,0,0]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[1048577,0,0]}}}"#,
            br#"{"version":1,"pools":{"a":{"10.0.0.1:80":[1,0,2147483649]}}}"#,
            br#"{"version":1,"pools":{},"more":1}"#,
            br#"{"version":1,"pools":{},"prefixes":{"a":[[1,"0x"]]}}"#,
            br#"{"version":1,"pools":{},"prefixes":{"a b":[]}}"#,
        ] {
            assert_eq!(decode(bytes), None, "{}", String::from_utf8_lossy(bytes));
        }
        let long = [&br#"{"version":1,"pools":{}}"#[..], &vec![b' '; MAX_VALUE_BYTES]].concat();
        assert_eq!(decode(&long), None);
    }
}
