//! What stands for a key in shared data.

use core::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::limit::LimitId;
use super::slot::SlotKey;

/// Makes [`SlotKey`]s: HMAC-SHA256 under a key that the VMs of one Envoy share, so that nobody
/// outside can tell who is meant, nor choose keys that fall into one page.
#[derive(Clone)]
pub struct KeyDigester(Hmac<Sha256>);

impl fmt::Debug for KeyDigester {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigester")
    }
}

impl KeyDigester {
    /// A digester under `key`, which may have any length; 32 random bytes are meant.
    #[inline(never)]
    pub fn new(key: &[u8]) -> Self {
        // HMAC takes keys of every length; the empty key stands in for the error that cannot occur.
        Self(
            <Hmac<Sha256> as Mac>::new_from_slice(key)
                .unwrap_or_else(|_| <Hmac<Sha256> as Mac>::new(&Default::default())),
        )
    }

    /// What stands for the values of dimensions, whatever the limit; see [`SlotKey::of_limit`].
    pub fn values_key<'v>(&self, values: impl IntoIterator<Item = Option<&'v [u8]>>) -> SlotKey {
        self.slot_key(LimitId(0), values)
    }

    /// What stands for the values of a limit's dimensions, in the order of its `per`. A dimension
    /// that has no value is one value of its own: all such requests share a slot.
    #[inline(never)]
    pub fn slot_key<'v>(
        &self,
        limit: LimitId,
        values: impl IntoIterator<Item = Option<&'v [u8]>>,
    ) -> SlotKey {
        let mut mac = self.0.clone();
        mac.update(&limit.0.to_le_bytes());
        for value in values {
            // The length before the value: no two lists of values have the same bytes.
            let len = value.map_or(u64::MAX, |value| value.len() as u64);
            mac.update(&len.to_le_bytes());
            mac.update(value.unwrap_or_default());
        }
        let digest = mac.finalize().into_bytes();
        SlotKey(digest.first_chunk().copied().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Place;
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn key(limit: u32, values: &[Option<&[u8]>]) -> SlotKey {
        KeyDigester::new(b"0123456789abcdef").slot_key(LimitId(limit), values.iter().copied())
    }

    #[test]
    fn limit_and_values_and_their_borders_make_the_key() {
        let keys = [
            key(1, &[Some(b"ab"), Some(b"c")]),
            key(1, &[Some(b"a"), Some(b"bc")]),
            key(1, &[Some(b"abc")]),
            key(1, &[Some(b"abc"), Some(b"")]),
            key(1, &[Some(b"abc"), None]),
            key(1, &[None, Some(b"abc")]),
            key(2, &[Some(b"abc")]),
            key(1, &[]),
        ];
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|other| other != one), "{at}");
        }
        assert_eq!(keys[0], key(1, &[Some(b"ab"), Some(b"c")]));
    }

    #[test]
    fn keys_of_limits_that_go_by_the_same_values_lie_in_one_page_and_are_not_the_same() {
        let digester = KeyDigester::new(b"0123456789abcdef");
        let of = |value: &'static [u8]| digester.values_key([Some(value)]);
        let keys: Vec<_> = (1..99).map(|limit| of(b"ann").of_limit(LimitId(limit << 16))).collect();
        for (at, one) in keys.iter().enumerate() {
            assert!(keys[..at].iter().all(|other| other != one), "{at}");
            assert_eq!(Place::of(*one), Place::of(keys[0]));
        }
        assert_ne!(of(b"ann").of_limit(LimitId(7)), of(b"bob").of_limit(LimitId(7)));
    }

    #[test]
    fn another_key_gives_other_digests_and_none_is_shown() {
        let other = KeyDigester::new(b"another");
        let values = || [Some(b"abc".as_slice())];
        assert_ne!(other.slot_key(LimitId(1), values()), key(1, &values()));
        assert_eq!(format!("{other:?}"), "KeyDigester");
        // As by another implementation (Python: hmac.new(b"", bytes(4), "sha256")).
        assert_eq!(KeyDigester::new(b"").slot_key(LimitId(0), []).0[..4], [0xaa, 0x78, 0x55, 0xe1]);
    }
}
