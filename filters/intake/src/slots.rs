//! Which slot of shared data a pool has.

use weir_host::Host;
use weir_placement::Outstanding;
use weir_pools::{ChangeError, Undecodable, change_shared};
use weir_snapshot::limits::SLOT_SILENCE_NS;
use weir_snapshot::{Directory, PoolsFull, Refusal, RefusalCode, VersionStamp, keys};

use crate::challenge::{self, unavailable};

/// The slot of `pool`: its own, a free one, or that of the pool whose last push is longest ago.
///
/// # Errors
/// All slots are taken by pools that are being pushed, or the host cannot read or write.
pub(crate) fn slot_of<H: Host>(
    host: &H,
    pool: &str,
    undecodable: &Undecodable,
) -> Result<usize, Refusal> {
    let (mut slot, mut given) = (0, false);
    let changed = change_shared(host, keys::POOLS, |stored| {
        let directory = Directory::new(stored);
        if let Err(error) = directory.check() {
            undecodable.note(host, keys::POOLS, &error);
        }
        if let Some(own) = directory.slot(pool) {
            (slot, given) = (own, false);
            return Ok(None);
        }
        slot = match directory.free_slot() {
            Some(free) => free,
            None => {
                let silent = longest_silent(host, &directory)?;
                challenge::renew(host)?;
                silent
            }
        };
        given = true;
        Ok(Some(directory.with(slot, pool)))
    });
    changed.map_err(refusal)?;
    start_counts(host, slot, given)?;
    Ok(slot)
}

/// The slot whose pool has not been pushed for longest.
fn longest_silent<H: Host>(host: &H, directory: &Directory<'_>) -> Result<usize, Refusal> {
    let now_ns = host.now_ns();
    let silence = |slot| {
        let stored = host.shared(&keys::stamp(slot)).ok().flatten();
        let stamp = stored.and_then(|(bytes, _)| VersionStamp::decode(&bytes));
        // A time that is yet to come says that the clock was set back, and nothing was pushed since.
        stamp.map_or(u64::MAX, |stamp| stamp.received_at_ns.abs_diff(now_ns))
    };
    let pools = directory.pools().map(|(slot, _)| (silence(slot), slot));
    match pools.max() {
        Some((silence, slot)) if silence >= SLOT_SILENCE_NS => Ok(slot),
        _ => Err(PoolsFull.into()),
    }
}

/// Makes the pool's in-flight counts exist before there is a view to place requests by: a value
/// that does not exist yet cannot be compared and swapped, so two workers that both made it would
/// lose one's requests. Those of the pool that had the slot before are gone.
fn start_counts<H: Host>(host: &H, slot: usize, given: bool) -> Result<(), Refusal> {
    let key = keys::outstanding(slot);
    if !given && host.shared(&key).map_err(unavailable)?.is_some() {
        return Ok(());
    }
    host.set_shared(&key, &Outstanding::default().encode(), None).map_err(unavailable)
}

/// The refusal of a change that did not come about.
pub(crate) fn refusal(error: ChangeError<Refusal>) -> Refusal {
    match error {
        ChangeError::Refused(refusal) => refusal,
        ChangeError::Host(error) => unavailable(error),
        ChangeError::Contended => {
            Refusal::new(RefusalCode::Unavailable, "too many concurrent pushes; push again")
        }
    }
}
