//! The stored form: one view and one version stamp per pool, in the pool's slot.

use weir_host::Host;
use weir_placement::{Outstanding, replica_key};
use weir_pools::{Undecodable, change_shared};
use weir_snapshot::{
    CompactView, Directory, EndpointFeedback, EndpointReport, Order, Refusal, SnapshotMessage,
    VersionStamp, canonical_address, keys,
};

use crate::challenge::unavailable;
use crate::slots::{refusal, slot_of};

/// Stores `message` as the current view of its pool; answers with the pool's slot.
///
/// The stamp is claimed first, by compare-and-swap, then the view is written: of two pushes that
/// race, the older one can never end up as the view of the newer stamp. A reader that finds the
/// stamp before the view keeps what it has for one more request.
pub(crate) fn put<H: Host>(
    host: &H,
    message: &SnapshotMessage,
    undecodable: &Undecodable,
) -> Result<usize, Refusal> {
    let stamp = VersionStamp::of(message, host.now_ns());
    let view = weir_snapshot::encode(message, stamp.received_at_ns)?;
    let slot = slot_of(host, &message.pool, undecodable)?;
    claim(host, slot, message, &stamp, undecodable)?;
    host.set_shared(&keys::view(slot), &view, None).map_err(unavailable)?;
    Ok(slot)
}

fn claim<H: Host>(
    host: &H,
    slot: usize,
    message: &SnapshotMessage,
    stamp: &VersionStamp,
    undecodable: &Undecodable,
) -> Result<(), Refusal> {
    let key = keys::stamp(slot);
    let claimed = change_shared(host, &key, |stored| {
        let held = VersionStamp::decode(stored);
        if held.is_none() && !stored.is_empty() {
            undecodable.note(host, &key, &format_args!("{} bytes are no stamp", stored.len()));
        }
        match held {
            Some(held) if stamp.order(&held) != Order::Newer => {
                Err(Refusal::out_of_order(message, &held))
            }
            _ => Ok(Some(stamp.encode().to_vec())),
        }
    });
    claimed.map_err(refusal)
}

/// All current views.
pub(crate) fn views<H: Host>(host: &H, undecodable: &Undecodable) -> Vec<CompactView> {
    let stored = host.shared(keys::POOLS).ok().flatten().unwrap_or_default().0;
    let directory = Directory::new(&stored);
    if let Err(error) = directory.check() {
        undecodable.note(host, keys::POOLS, &error);
    }
    let view = |(slot, name): (usize, &str)| {
        let key = keys::view(slot);
        let (bytes, _) = host.shared(&key).ok()??;
        let view = CompactView::decode(&bytes);
        let view = view.map_err(|error| undecodable.note(host, &key, &error)).ok()?;
        // A slot may have been given to this pool while its first view is being written.
        (view.pool() == name.as_bytes()).then_some(view)
    };
    directory.pools().filter_map(view).collect()
}

/// What is in flight per endpoint of the pushed pool, for the reply.
pub(crate) fn feedback<H: Host>(
    host: &H,
    slot: usize,
    message: &SnapshotMessage,
) -> Vec<EndpointFeedback> {
    let stored = host.shared(&keys::outstanding(slot)).ok().flatten();
    let Some((bytes, _)) = stored else { return Vec::new() };
    let counts = Outstanding::decode(&bytes);
    let feedback = |endpoint: &EndpointReport| {
        let address = canonical_address(&endpoint.address)?;
        let load = counts.load(replica_key(address.as_bytes()));
        Some(EndpointFeedback {
            address,
            in_flight: load.in_flight,
            dispatched: load.dispatched,
            prefill_tokens: load.prefill_tokens,
            decode_tokens: load.decode_tokens,
        })
    };
    message.endpoints.iter().filter_map(feedback).collect()
}
