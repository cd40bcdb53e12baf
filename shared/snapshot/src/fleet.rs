//! What sidecar and gateway say to each other of limits that are one for a whole fleet.
//!
//! A gateway tells totals since a key's slot was made, and is told totals: so nothing is counted twice,
//! whatever is lost, late or repeated on the way.

use serde::{Deserialize, Serialize};

/// How the fleet stands and what it grants, as part of a push. Only a gateway that has told of such limits
/// ([`FleetReport`]) is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetNews {
    /// Whether the sidecar reaches what the sidecars share.
    pub reachable: bool,
    /// How many gateways there are, 1 at least.
    pub gateways: u32,
    /// For how long this holds, in ms.
    pub valid_ms: u32,
    /// What names of keys are digested with: 64 hex digits. The same for all gateways.
    pub key: String,
    /// What is granted, at most [`MAX_GRANTS`](crate::limits::MAX_GRANTS).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
}

/// What a gateway may spend on one key of one limit. All amounts are in units of the limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// As in [`KeyReport`].
    pub key: String,
    /// As in [`KeyReport`].
    pub born: u32,
    /// Number of the grant: only one with a greater number than the last is taken over.
    pub sequence: u32,
    /// Granted since the slot was made. Less than before takes back what is neither used nor reserved.
    pub total: u64,
    /// How much of what the gateway has told to be used is charged.
    pub charged: u64,
    /// What is left for all gateways.
    pub left: u64,
    /// ms until what was wanted can be granted; 0 if it was.
    pub retry_ms: u64,
}

/// What a gateway has to tell of a fleet's limits, in the reply to a push.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FleetReport {
    /// Which Envoy: 16 hex digits that it has made when its shared data was empty.
    pub gateway: String,
    /// The limits that its policies name.
    pub limits: Vec<FleetLimit>,
    /// Keys that there is something to tell of, at most
    /// [`MAX_KEY_REPORTS`](crate::limits::MAX_KEY_REPORTS) at a time, in turn.
    pub keys: Vec<KeyReport>,
}

/// A limit of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FleetLimit {
    /// What stands for it in the names of keys.
    pub id: u32,
    /// What it is called.
    pub name: String,
    /// What it counts: `tokens`, `cost` or `requests`.
    pub measure: String,
    /// Units per window.
    pub amount: u64,
    /// Units at once.
    pub burst: u64,
    /// The window in ms.
    pub window_ms: u64,
    /// Units that one gateway may spend of a key before its first grant.
    pub first: u64,
}

/// How one key stands at a gateway. All amounts are in units of the limit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyReport {
    /// The limit's id in 8 hex digits, then 32 of the digest that stands for the key.
    pub key: String,
    /// Tells this slot from an earlier one of the same key.
    pub born: u32,
    /// Number of the grant that is in force; 0 before the first.
    pub sequence: u32,
    /// Used since the slot was made.
    pub used: u64,
    /// Reserved for requests under way.
    pub reserved: u64,
    /// The total that is in force.
    pub granted: u64,
    /// What a request lacked which was refused.
    pub wanted: u64,
}

/// The name of a key: see [`KeyReport::key`].
#[must_use]
pub fn key_name(limit: u32, digest: [u8; 16]) -> String {
    format!("{limit:08x}{:032x}", u128::from_be_bytes(digest))
}

/// Limit and digest of a key's name; `None` if it is none.
#[must_use]
pub fn parse_key_name(name: &str) -> Option<(u32, [u8; 16])> {
    let (limit, digest) = name.split_at_checked(8)?;
    let hex = digest.len() == 32 && name.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digest = u128::from_str_radix(digest, 16).ok().filter(|_| hex)?;
    Some((u32::from_str_radix(limit, 16).ok()?, digest.to_be_bytes()))
}

/// The 32 bytes of [`FleetNews::key`]; `None` if it is none.
#[must_use]
pub fn parse_digest_key(key: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    for (place, digits) in
        bytes.as_chunks_mut::<16>().0.iter_mut().zip([key.get(..32), key.get(32..)])
    {
        let digits = digits.filter(|digits| digits.len() == 32)?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        *place = u128::from_str_radix(digits, 16).ok().filter(|_| hex)?.to_be_bytes();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn names_of_keys_and_digest_keys_are_hexadecimal_and_nothing_else_is_read() {
        let digest = core::array::from_fn(|at| at as u8 + 0xF0);
        let name = key_name(0x0A0B_0C0D, digest);
        assert_eq!(name, "0a0b0c0df0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
        assert_eq!(parse_key_name(&name), Some((0x0A0B_0C0D, digest)));
        for odd in ["", "0a0b0c0d", &name[1..], "+a0b0c0df0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "é"] {
            assert_eq!(parse_key_name(odd), None, "{odd}");
        }
        let key = "00112233445566778899aabbccddeeff".repeat(2);
        assert_eq!(parse_digest_key(&key).map(|key| (key[1], key[31])), Some((0x11, 0xFF)));
        for odd in ["", &key[1..], &key[..32], &key.replace('f', "g"), &format!("{key}0")] {
            assert_eq!(parse_digest_key(odd), None, "{odd}");
        }
    }
}
