//! What is learned of prefix caches, on its way to other Envoys and from them, for a sidecar that shares it.

use weir_host::Host;
use weir_host::metrics::Metric;
use weir_placement::{Outstanding, PrefixEvents, PrefixRing, RingCursor};
use weir_pools::{Undecodable, change_shared};
use weir_snapshot::{Accepted, LearnedPrefixes, SnapshotMessage, bytes_of_hex, hex, keys};

/// What stands for other Envoys among the workers that count in a pool. A worker is any number but this once in 2^64.
const ELSEWHERE: u64 = 2;

/// Appends what `message` brings from other Envoys to the pool's ring in `slot`, and tells what was learned here since the
/// cursor that it brings, if its sidecar shares.
pub(crate) fn exchange<H: Host>(
    host: &H,
    (undecodable, missed): (&Undecodable, &Metric),
    (slot, message): (usize, &SnapshotMessage),
    reply: &mut Accepted,
) {
    let Some(brought) = &message.prefixes else { return };
    let seen = RingCursor::parse(brought.cursor.as_bytes()).unwrap_or_default();
    let (key, pool, now_ns) = (keys::prefixes(slot), keys::pool_key(&message.pool), host.now_ns());
    let bytes = bytes_of_hex(&brought.events).unwrap_or_default();
    let events = PrefixEvents::arriving(&bytes, now_ns);
    let mut told = LearnedPrefixes::default();
    let changed = change_shared(host, &key, |stored| {
        let ring = PrefixRing::read(stored.to_vec(), pool);
        let ring = ring.inspect_err(|error| undecodable.note(host, &key, error)).ok().flatten();
        let mut ring = ring.unwrap_or_else(|| PrefixRing::new(pool, now_ns));
        let mut cursor = seen;
        let leaving = hex(&ring.leaving(&mut cursor, now_ns));
        told = LearnedPrefixes { cursor: cursor.to_string(), events: leaving };
        if events.is_empty() {
            return Ok::<_, ()>(None);
        }
        ring.append(&events);
        Ok(Some(ring.as_bytes().to_vec()))
    });
    if changed.is_err() {
        missed.add(host, events.len().into());
    }
    reply.prefixes = Some(told);
    be_several(host, slot);
}

/// Lets a worker that counts alone look at the ring, too.
fn be_several<H: Host>(host: &H, slot: usize) {
    // Who is too slow tries again with the next push.
    let _ = change_shared(host, &keys::outstanding(slot), |stored| {
        let mut counts = Outstanding::decode(stored);
        counts.note_worker(ELSEWHERE);
        Ok::<_, ()>((counts.as_bytes() != stored).then(|| counts.encode()))
    });
}
