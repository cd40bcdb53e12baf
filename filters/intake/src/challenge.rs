//! The number that pushes have to be signed with.
//!
//! It lies in shared data, so all workers have the same, and a restart of Envoy makes another: what was
//! pushed before is worth nothing then. It is also made anew when a pool leaves its slot to another,
//! because with the slot goes the knowledge of which of its pushes are old.

use std::hash::{BuildHasher, RandomState};

use weir_host::{Host, HostError};
use weir_pools::Undecodable;
use weir_snapshot::signature::{challenge, is_challenge};
use weir_snapshot::{Refusal, RefusalCode, keys};

/// The challenge that is in force; made if there is none.
pub(crate) fn current<H: Host>(host: &H, undecodable: &Undecodable) -> Result<String, Refusal> {
    if let Some(found) = read(host, undecodable)? {
        return Ok(found);
    }
    renew(host)?;
    // Of two workers that both make one, the later one's holds.
    let made = read(host, undecodable)?;
    made.ok_or_else(|| Refusal::new(RefusalCode::Unavailable, "shared data: no challenge"))
}

/// Makes another one.
pub(crate) fn renew<H: Host>(host: &H) -> Result<(), Refusal> {
    host.set_shared(keys::CHALLENGE, challenge(random(host.now_ns())).as_bytes(), None)
        .map_err(unavailable)
}

fn read<H: Host>(host: &H, undecodable: &Undecodable) -> Result<Option<String>, Refusal> {
    let Some((bytes, _)) = host.shared(keys::CHALLENGE).map_err(unavailable)? else {
        return Ok(None);
    };
    let found = String::from_utf8(bytes).ok().filter(|text| is_challenge(text));
    if found.is_none() {
        undecodable.note(host, keys::CHALLENGE, &"it is no challenge");
    }
    Ok(found)
}

/// The keys of `RandomState` come from Envoy's source of randomness.
fn random(now_ns: u64) -> u128 {
    let half = || u128::from(RandomState::new().hash_one(now_ns));
    half() << 64 | half()
}

pub(crate) fn unavailable(error: HostError) -> Refusal {
    Refusal::new(RefusalCode::Unavailable, format!("shared data: {error}"))
}
