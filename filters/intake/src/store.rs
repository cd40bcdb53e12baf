//! The stored form: one view and one version stamp per pool, and the list of pools.

use weir_host::{Host, HostError};
use weir_placement::{Outstanding, replica_key};
use weir_snapshot::{
    CompactView, EndpointFeedback, EndpointReport, Refusal, RefusalCode, SnapshotMessage,
    VersionStamp, canonical_address, keys,
};

/// How often a write that lost against another worker is tried again.
///
/// A sidecar has one push per pool in flight, so two in a row are already unlikely.
const ATTEMPTS: usize = 8;

/// Stores `message` as the current view of its pool.
///
/// The stamp is claimed first, by compare-and-swap, then the view is written: of two pushes that
/// race, the older one can never end up as the view of the newer stamp. A reader that finds the
/// stamp before the view keeps what it has for one more request.
pub(crate) fn put<H: Host>(host: &H, message: &SnapshotMessage) -> Result<(), Refusal> {
    let stamp = VersionStamp::of(message, host.now_ns());
    let view = weir_snapshot::encode(message, stamp.received_at_ns)?;
    list_pool(host, &message.pool)?;
    start_counts(host, &message.pool)?;
    claim(host, message, &stamp)?;
    host.set_shared(&keys::view(&message.pool), &view, None).map_err(unavailable)
}

/// Makes the pool's in-flight counts exist before there is a view to place requests by: a value
/// that does not exist yet cannot be compared and swapped, so two workers that both made it would
/// lose one's requests.
fn start_counts<H: Host>(host: &H, pool: &str) -> Result<(), Refusal> {
    let key = keys::outstanding(pool);
    match host.shared(&key).map_err(unavailable)? {
        Some(_) => Ok(()),
        None => {
            let none = Outstanding::default().encode();
            host.set_shared(&key, &none, None).map_err(unavailable)
        }
    }
}

fn claim<H: Host>(
    host: &H,
    message: &SnapshotMessage,
    stamp: &VersionStamp,
) -> Result<(), Refusal> {
    let key = keys::version(&message.pool);
    swap(host, &key, |stored| match VersionStamp::decode(stored) {
        Some(held) if !stamp.follows(&held) => Err(Refusal::out_of_order(message, &held)),
        _ => Ok(Some(stamp.encode().to_vec())),
    })
}

fn list_pool<H: Host>(host: &H, pool: &str) -> Result<(), Refusal> {
    swap(host, keys::POOLS, |stored| Ok(keys::add_pool(stored, pool)?))
}

/// Changes a shared value by `edit` (old → new, `None` for no change), again when somebody else
/// was faster.
fn swap<H: Host>(
    host: &H,
    key: &str,
    edit: impl Fn(&[u8]) -> Result<Option<Vec<u8>>, Refusal>,
) -> Result<(), Refusal> {
    for _ in 0..ATTEMPTS {
        let (stored, cas) = host.shared(key).map_err(unavailable)?.unwrap_or_default();
        let Some(changed) = edit(&stored)? else { return Ok(()) };
        match host.set_shared(key, &changed, Some(cas)) {
            Err(HostError::CasMismatch) => {}
            other => return other.map_err(unavailable),
        }
    }
    Err(Refusal::new(RefusalCode::Unavailable, "too many concurrent pushes; push again"))
}

fn unavailable(error: HostError) -> Refusal {
    Refusal::new(RefusalCode::Unavailable, format!("shared data: {error}"))
}

/// All current views.
pub(crate) fn views<H: Host>(host: &H) -> Vec<CompactView> {
    let pools = host.shared(keys::POOLS).ok().flatten().unwrap_or_default().0;
    keys::pools(&pools)
        .filter_map(|pool| {
            let (bytes, _) = host.shared(&keys::view(pool)).ok()??;
            CompactView::decode(&bytes).ok()
        })
        .collect()
}

/// What is in flight per endpoint of the pushed pool, for the reply.
pub(crate) fn feedback<H: Host>(host: &H, message: &SnapshotMessage) -> Vec<EndpointFeedback> {
    let stored = host.shared(&keys::outstanding(&message.pool)).ok().flatten();
    let Some((bytes, _)) = stored else { return Vec::new() };
    let counts = Outstanding::decode(&bytes);
    let feedback = |endpoint: &EndpointReport| {
        let address = canonical_address(&endpoint.address)?;
        let load = counts.load(replica_key(address.as_bytes()));
        Some(EndpointFeedback { address, in_flight: load.in_flight, dispatched: load.dispatched })
    };
    message.endpoints.iter().filter_map(feedback).collect()
}
