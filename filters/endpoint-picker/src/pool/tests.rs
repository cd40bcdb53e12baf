use super::*;
use crate::pools::*;
use weir_host::FakeHost;
use weir_placement::{Phase, replica_key};
use weir_snapshot::{
    Directory, EndpointReport, EndpointState, SnapshotMessage, VersionStamp, encode, keys,
};

const MS: u64 = 1_000_000;

fn dispatch() -> Dispatch {
    Dispatch {
        replica: replica_key(ADDRESS.as_bytes()),
        uncached_tokens: 10,
        prefill_us: 1,
        decode_tokens: 10,
        alone_us: 0,
        streamed: false,
    }
}

const ADDRESS: &str = "10.0.0.1:80";

fn message(pool: &str, sequence: u64) -> SnapshotMessage {
    let endpoints = vec![EndpointReport::new(ADDRESS.to_owned(), EndpointState::Ready)];
    SnapshotMessage::new(pool, (1, sequence), 0, endpoints)
}

fn view(sequence: u64) -> LoadView {
    let bytes = encode(&message("p", sequence), 1).unwrap();
    LoadView::decode(&bytes, &mut PrefixIndex::default()).unwrap()
}

/// Writes the first view of a pool as the intake filter does.
fn store(host: &FakeHost, slot: usize, name: &str) {
    let message = message(name, 1);
    let listed = host.shared(keys::POOLS).unwrap().unwrap_or_default().0;
    let listed = Directory::new(&listed).with(slot, name);
    host.set_shared(keys::POOLS, &listed, None).unwrap();
    let stamp = VersionStamp::of(&message, 1).encode();
    host.set_shared(&keys::stamp(slot), &stamp, None).unwrap();
    host.set_shared(&keys::view(slot), &encode(&message, 1).unwrap(), None).unwrap();
}

/// A host where pool `p` has slot 0.
fn host() -> FakeHost {
    let host = FakeHost::new();
    store(&host, 0, "p");
    host
}

/// The pool `p`, its slot known.
fn pool(host: &FakeHost) -> Pool {
    let mut pool = Pool::new("p", 1);
    pool.refresh(host, &mut PrefixIndex::default(), &Undecodable::new("weir.test"), 0);
    pool
}

fn send(host: &FakeHost, pool: &mut Pool, at_ns: u64) -> (u32, bool) {
    let share = pool.count(host, &view(1), 1, at_ns);
    let before = pool.counts.load(dispatch().replica).in_flight;
    (before, pool.dispatch(host, share, &dispatch(), at_ns))
}

/// What other workers see.
fn shared(host: &FakeHost) -> u32 {
    outstanding::read(host, &keys::outstanding(0)).0.load(dispatch().replica).in_flight
}

#[test]
fn a_busy_pools_counts_are_shared_every_few_milliseconds_and_known_here_at_once() {
    let (host, mut pool) = (host(), pool(&host()));
    assert_eq!(send(&host, &mut pool, 100 * MS), (0, false));
    assert_eq!(send(&host, &mut pool, 101 * MS), (1, true));
    assert_eq!((send(&host, &mut pool, 104 * MS), shared(&host)), ((2, true), 1));
    // Another worker's request is seen with the next share, and neither loses the other's.
    outstanding::change(&host, &keys::outstanding(0), |counts| counts.dispatch(&dispatch(), 1));
    assert_eq!(send(&host, &mut pool, 105 * MS), (4, false));
    assert_eq!(shared(&host), 5);
}

#[test]
fn a_newer_view_makes_the_counts_due_at_once() {
    let (host, mut pool) = (host(), pool(&host()));
    send(&host, &mut pool, 100 * MS);
    let mut due =
        |sequence| matches!(pool.count(&host, &view(sequence), 1, 101 * MS), Share::Due { .. });
    assert_eq!([due(1), due(2), due(2)], [false, true, false]);
    assert_eq!(pool.counts.load(dispatch().replica).dispatched_before, 1);
}

#[test]
fn what_waits_is_shared_with_the_tick_at_the_latest() {
    let (host, mut pools) = (host(), Pools::default());
    host.set_now_ns(100 * MS);
    let id = pools.current(&host, "p", 100 * MS).unwrap();
    send(&host, pools.get(id).unwrap().0, 100 * MS);
    assert!(pools.note(&host, id, Event::Finished(dispatch(), Phase::Prefill)));
    assert_eq!(shared(&host), 1);
    assert!(pools.flush(&host));
    assert_eq!((shared(&host), pools.flush(&host)), (0, false));
}

#[test]
fn an_idle_pools_counts_are_shared_at_once() {
    let (host, mut pools) = (host(), Pools::default());
    let id = pools.current(&host, "p", 100 * MS).unwrap();
    send(&host, pools.get(id).unwrap().0, 100 * MS);
    host.set_now_ns(105 * MS);
    assert!(!pools.note(&host, id, Event::Finished(dispatch(), Phase::Prefill)));
    assert_eq!(shared(&host), 0);
}

#[test]
fn envoy_is_asked_where_requests_went_now_and_then_and_always_after_a_retry() {
    let mut pool = pool(&host());
    let asked =
        |pool: &mut Pool, times: [u64; 4]| times.map(|ms| pool.asks(dispatch().replica, ms * MS));
    assert_eq!(asked(&mut pool, [100, 101, 99, 105]), [true, false, false, true]);
    pool.moved_ns = Some(105 * MS);
    assert_eq!(asked(&mut pool, [106, 107, 104, 1104]), [true; 4]);
    assert_eq!(asked(&mut pool, [1106, 90_000, 89_999, 29_999]), [false, true, false, true]);
}

#[test]
fn envoy_is_asked_about_each_request_that_was_placed_on_a_replica_which_fails() {
    let mut pool = pool(&host());
    pool.counts.failed(dispatch().replica, 0);
    let asked = [100, 101, 102].map(|ms| pool.asks(dispatch().replica, ms * MS));
    assert_eq!(asked, [true; 3]);
    assert_eq!([103, 104].map(|ms| pool.asks(9, ms * MS)), [false; 2], "not about others");
}

#[test]
fn envoy_is_asked_about_requests_that_were_answered_long_after_later_ones() {
    let mut pool = pool(&host());
    let asked = [5000, 4999, 4800, 4700, 2000].map(|ms| pool.asks(9, ms * MS));
    assert_eq!(asked, [true, false, false, true, true]);
}

#[test]
fn what_other_workers_keep_from_being_stored_waits_for_the_next_share() {
    let (host, mut pools) = (host(), Pools::default());
    host.set_now_ns(100 * MS);
    let id = pools.current(&host, "p", 100 * MS).unwrap();
    send(&host, pools.get(id).unwrap().0, 100 * MS);
    host.lose_swaps(100);
    pools.note(&host, id, Event::Finished(dispatch(), Phase::Prefill));
    assert!(pools.flush(&host), "it goes on");
    assert_eq!(shared(&host), 1);
    host.lose_swaps(0);
    assert!(pools.flush(&host));
    assert_eq!((shared(&host), pools.flush(&host)), (0, false));
}

#[test]
fn of_any_number_of_pools_those_that_are_asked_for_are_placed_on() {
    let (host, mut pools) = (FakeHost::new(), Pools::default());
    let name = |index| format!("pool-{index}");
    (0..MAX_POOLS).for_each(|slot| store(&host, slot, &name(slot)));
    let at = |index: usize| 100 * MS + index as u64;
    let ids: Vec<PoolId> = (0..MAX_POOLS)
        .map(|index| pools.current(&host, &name(index), at(index)).unwrap())
        .collect();
    assert!(ids.iter().all(|id| pools.get(*id).unwrap().0.view.is_some()));
    send(&host, pools.get(ids[0]).unwrap().0, at(0));
    send(&host, pools.get(ids[0]).unwrap().0, at(0));

    // One more: the first makes room, what it knew is shared, and its requests that end touch nobody.
    store(&host, 0, "one-more");
    let id = pools.current(&host, "one-more", at(MAX_POOLS)).unwrap();
    assert_eq!((pools.pools.len(), id.place), (MAX_POOLS, 0));
    assert!(pools.get(ids[0]).is_none() && pools.get(id).unwrap().0.view.is_some());
    assert_eq!(shared(&host), 2);
    assert!(!pools.note(&host, ids[0], Event::Finished(dispatch(), Phase::Prefill)));
    assert!(pools.get(id).unwrap().0.waiting.is_empty());
    assert!(pools.current(&host, &name(1), at(MAX_POOLS)).is_some_and(|id| id == ids[1]));
}

#[test]
fn a_pool_whose_slot_is_anothers_is_not_placed_on_and_counts_nowhere() {
    let (host, mut pools) = (host(), Pools::default());
    let id = pools.current(&host, "p", 100 * MS).unwrap();
    send(&host, pools.get(id).unwrap().0, 100 * MS);
    store(&host, 0, "q");
    host.set_shared(&keys::outstanding(0), &Outstanding::default().encode(), None).unwrap();
    let id = pools.current(&host, "p", 106 * MS).unwrap();
    assert!(pools.get(id).unwrap().0.view.is_none());
    pools.note(&host, id, Event::Finished(dispatch(), Phase::Prefill));
    pools.flush(&host);
    assert_eq!(shared(&host), 0);
}
