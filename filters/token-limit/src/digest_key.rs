//! What keys are digested with: a random number that all workers of an Envoy share.

use std::hash::{BuildHasher, RandomState};

use weir_host::{Host, HostError};
use weir_tokens::limits::KeyDigester;

/// Where it lies. The number is that of the slots' layout.
const KEY: &str = "weir/limits1/key";

/// Envoy counts the versions of values up from 1: with this one a write succeeds only where there is
/// no value yet.
const NONE_YET: u32 = u32::MAX;

/// The digester that all workers share; the first one makes its key.
///
/// # Errors
/// Shared data cannot be read or written.
pub(crate) fn digester<H: Host>(host: &H) -> Result<KeyDigester, HostError> {
    if host.shared(KEY)?.is_none() {
        match host.set_shared(KEY, &random(host.now_ns()), Some(NONE_YET)) {
            Ok(()) | Err(HostError::CasMismatch) => {}
            Err(error) => return Err(error),
        }
    }
    let (key, _) = host.shared(KEY)?.ok_or(HostError::Empty)?;
    Ok(KeyDigester::new(&key))
}

/// 32 bytes. The keys of `RandomState` come from Envoy's source of randomness.
fn random(now_ns: u64) -> Vec<u8> {
    let quarter = |part: u64| RandomState::new().hash_one((now_ns, part)).to_le_bytes();
    (0..4).flat_map(quarter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_tokens::limits::LimitId;

    #[test]
    fn all_workers_of_an_envoy_have_one_key_and_two_envoys_have_two() {
        let key =
            |host: &FakeHost| digester(host).unwrap().slot_key(LimitId(1), [Some(&b"ann"[..])]);
        let (one, other) = (FakeHost::new(), FakeHost::new());
        assert_eq!(key(&one), key(&one));
        assert_ne!(key(&one), key(&other));
    }
}
