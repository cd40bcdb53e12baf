//! What workers tell each other: bounded, read once, and nothing comes back that is gone.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{RECEIVED_NS, idle, prompt, view};
use weir_placement::{
    CachedTokens, Expectation, LoadView, PickRequest, PrefixEvents, PrefixIndex, PrefixRing,
    RingCursor, RingError,
};
use weir_snapshot::{SnapshotMessage, encode};

pub(crate) const POOL: u64 = 7;
pub(crate) const MS: u64 = 1_000_000;

fn request(fingerprints: &[u64]) -> PickRequest<'_> {
    let prompt_tokens = u32::try_from(fingerprints.len() * 64).unwrap();
    let prompt_bytes = u64::from(prompt_tokens) * 4;
    PickRequest { fingerprints, prompt_tokens, prompt_bytes, ..PickRequest::default() }
}

/// One worker of two: its index, its view, and how far it has read.
pub(crate) struct Worker {
    prefixes: PrefixIndex,
    view: LoadView,
    cursor: RingCursor,
    events: PrefixEvents,
}

impl Worker {
    pub(crate) fn new() -> Self {
        let mut prefixes = PrefixIndex::with_capacity(1 << 12);
        let view = view((1..=3).map(idle).collect(), 1, &mut prefixes);
        let (cursor, events) = (RingCursor::default(), PrefixEvents::default());
        Self { prefixes, view, cursor, events }
    }

    /// Sends a prompt to an endpoint, so many ms after the views came.
    fn send(&mut self, index: usize, text: &[u64], at_ms: u64) -> Expectation {
        self.prefixes.advance(RECEIVED_NS + at_ms * MS);
        self.prefixes.learn(&request(text), self.view.id(index).unwrap())
    }

    /// The same, and the replica serves it with this many tokens cached.
    pub(crate) fn serve(
        &mut self,
        index: usize,
        text: &[u64],
        cached: u32,
        at_ms: u64,
    ) -> Expectation {
        let expectation = self.send(index, text, at_ms);
        let prompt = request(text).prompt_tokens;
        self.events.served(&request(text), &expectation);
        let evicted = self.prefixes.correct(&expectation, CachedTokens { cached, prompt });
        evicted.into_iter().for_each(|eviction| self.events.evicted(eviction));
        expectation
    }

    pub(crate) fn tell(&mut self, ring: &mut PrefixRing) {
        self.take(ring);
        ring.append(&self.events);
        ring.read_on(&mut self.cursor, |_| ());
        self.events.clear();
    }

    /// Takes over what is new in the ring; answers with how many events came, and how many were missed.
    pub(crate) fn take(&mut self, ring: &PrefixRing) -> (u32, u64) {
        let ring = PrefixRing::read(ring.as_bytes().to_vec(), POOL).unwrap().unwrap();
        let mut taken = 0;
        let missed = ring.read_on(&mut self.cursor, |event| {
            taken += 1;
            self.prefixes.merge(event);
        });
        (taken, missed)
    }

    pub(crate) fn matches(&self, text: &[u64]) -> Vec<u32> {
        self.prefixes.matches(&request(text), &self.view).as_slice().to_vec()
    }
}

pub(crate) fn pair() -> (Worker, Worker, PrefixRing) {
    (Worker::new(), Worker::new(), PrefixRing::new(POOL, 1))
}

#[test]
fn a_prompt_that_one_worker_saw_served_matches_in_another() {
    let (mut one, mut other, mut ring) = pair();
    let (older, long) = (prompt(9, 5), prompt(1, 40));
    other.serve(1, &older, 0, 0);
    other.events.clear();
    one.serve(1, &long, 0, 1);
    one.tell(&mut ring);
    assert_eq!(other.take(&ring), (1, 0));
    assert_eq!(other.matches(&long), [0, 40 * 64, 0]);
    assert_eq!(other.matches(&long[..9]), [0, 9 * 64, 0]);
    assert_eq!(other.take(&ring), (0, 0), "once");
    assert_eq!(one.take(&ring), (0, 0), "its own is nothing new");
    // What was served elsewhere is in the cache, so that a shortfall is evidence of an eviction.
    other.serve(1, &long, 0, 2);
    other.serve(1, &prompt(2, 9), 0, 3);
    other.serve(1, &prompt(2, 9), 0, 4);
    assert_eq!(other.matches(&older), [0, 0, 0]);
}

#[test]
fn what_failed_after_its_first_byte_is_taken_back_everywhere() {
    let (mut one, mut other, mut ring) = pair();
    let (system, long) = (prompt(1, 8), prompt(1, 20));
    one.serve(0, &system, 0, 1);
    let expectation = one.send(0, &long, 2);
    one.events.served(&request(&long), &expectation);
    one.tell(&mut ring);
    other.take(&ring);
    assert_eq!(other.matches(&long), [20 * 64, 0, 0]);
    one.prefixes.take_back(&request(&long), &expectation);
    one.events.taken_back(&request(&long), &expectation);
    one.tell(&mut ring);
    other.take(&ring);
    assert_eq!(other.matches(&long), [8 * 64, 0, 0]);
}

#[test]
fn what_one_worker_knows_to_be_evicted_is_forgotten_by_all_and_older_news_does_not_bring_it_back() {
    let (mut one, mut other, mut ring) = pair();
    let (old, mid, new) = (prompt(1, 10), prompt(2, 10), prompt(3, 10));
    let mut late = PrefixEvents::default();
    let expectation = other.serve(0, &old, 0, 1);
    late.served(&request(&old), &expectation);
    other.serve(0, &mid, 0, 2);
    other.tell(&mut ring);
    one.take(&ring);
    other.serve(0, &new, 0, 3);
    // Twice less than expected of what was used after the oldest.
    one.serve(0, &mid, 0, 4);
    one.serve(0, &mid, 0, 5);
    assert_eq!(one.matches(&old), [0, 0, 0]);
    one.tell(&mut ring);
    other.take(&ring);
    assert_eq!(other.matches(&old), [0, 0, 0]);
    assert_eq!(other.matches(&new), [640, 0, 0], "used later");
    // The same news once more, from a worker that was slow to tell it.
    ring.append(&late);
    one.take(&ring);
    assert_eq!(one.matches(&old), [0, 0, 0]);
}

#[test]
fn a_restarted_replica_is_forgotten_and_older_news_does_not_bring_it_back() {
    let (mut one, mut other, mut ring) = pair();
    let (before, after) = (prompt(1, 10), prompt(2, 10));
    // The view with this sequence came so many ms after the first.
    let generation = |number, sequence, prefixes: &mut PrefixIndex| {
        let mut reports: Vec<_> = (1..=3).map(idle).collect();
        reports[1].generation = number;
        // The restart was seen 5 ms after the first view.
        reports[1].generation_age_ms =
            (number == Some(6)).then(|| u32::try_from(sequence - 5).unwrap());
        let message = SnapshotMessage::new("llama", (1, sequence), 0, reports);
        let received_ns = RECEIVED_NS + sequence * MS;
        LoadView::decode(&encode(&message, received_ns).unwrap(), prefixes).unwrap()
    };
    one.view = generation(Some(5), 2, &mut one.prefixes);
    let expectation = one.send(1, &before, 3);
    one.prefixes.confirm(&expectation);
    one.view = generation(None, 3, &mut one.prefixes);
    one.view = generation(Some(5), 4, &mut one.prefixes);
    assert_eq!(one.matches(&before), [0, 640, 0], "not known for a while is no restart");
    one.events.served(&request(&before), &expectation);
    other.view = generation(Some(5), 2, &mut other.prefixes);
    other.view = generation(Some(6), 5, &mut other.prefixes);
    one.tell(&mut ring);
    assert_eq!(other.take(&ring), (1, 0));
    assert_eq!(other.matches(&before), [0, 0, 0], "older than the restart");
    one.view = generation(Some(6), 5, &mut one.prefixes);
    assert_eq!(one.matches(&before), [0, 0, 0]);
    // A worker that sees a later view keeps what others have learned since the restart.
    let mut late = Worker::new();
    late.view = generation(Some(5), 2, &mut late.prefixes);
    one.serve(1, &after, 0, 9);
    one.tell(&mut ring);
    late.view = generation(Some(6), 50, &mut late.prefixes);
    late.take(&ring);
    assert_eq!((late.matches(&after), late.matches(&before)), (vec![0, 640, 0], vec![0; 3]));
}

#[test]
fn a_ring_is_bounded_and_tells_how_much_was_missed() {
    let (mut one, mut other, mut ring) = pair();
    one.serve(0, &prompt(1, 4), 0, 1);
    one.tell(&mut ring);
    other.take(&ring);
    for text in 2..200 {
        one.serve(0, &prompt(text, 60), 0, text);
        one.tell(&mut ring);
        assert!(ring.as_bytes().len() <= PrefixRing::MAX_BYTES);
    }
    let (taken, missed) = other.take(&ring);
    assert_eq!(u64::from(taken) + missed, 198);
    assert_eq!(taken, 32, "504 bytes each");
    assert_eq!(other.matches(&prompt(199, 60))[0], 3840);
    let mut fresh = Worker::new();
    assert_eq!(fresh.take(&ring), (32, 0), "a new worker has missed nothing");
    // Events that wait are bounded, too, and what found no room is told.
    for text in 0..99 {
        let expectation = one.send(0, &prompt(text, 60), 300);
        one.events.served(&request(&prompt(text, 60)), &expectation);
    }
    assert_eq!((one.events.len(), one.events.is_half_full()), (32, true));
    assert_eq!((one.events.clear(), one.events.is_empty(), one.events.clear()), (67, true, 0));
}

#[test]
fn another_pools_ring_counts_as_none_and_what_is_no_ring_is_an_error() {
    let (mut one, mut other, mut ring) = pair();
    one.serve(0, &prompt(1, 4), 0, 1);
    one.tell(&mut ring);
    let bytes = ring.as_bytes().to_vec();
    assert_eq!(PrefixRing::read(bytes.clone(), POOL + 1), Ok(None));
    assert_eq!(PrefixRing::read(Vec::new(), POOL), Ok(None));
    let cut = bytes[..bytes.len() - 1].to_vec();
    assert_eq!(PrefixRing::read(cut, POOL), Err(RingError::Event));
    assert_eq!(PrefixRing::read(b"WVO\x02".to_vec(), POOL), Err(RingError::Magic));
    let long = [bytes.clone(), vec![0; PrefixRing::MAX_BYTES]].concat();
    assert!(matches!(PrefixRing::read(long, POOL), Err(RingError::Length(_))));
    // One that was begun anew is read from its beginning.
    other.take(&ring);
    let mut anew = PrefixRing::new(POOL, 2);
    one.serve(0, &prompt(2, 4), 0, 2);
    one.tell(&mut anew);
    assert_eq!(other.take(&anew), (1, 0));
    // A kind that a later build may add is passed over.
    let mut unknown = bytes;
    unknown[32 + 16] = 9;
    let unknown = PrefixRing::read(unknown, POOL).unwrap().unwrap();
    assert_eq!(unknown.read_on(&mut RingCursor::default(), |_| panic!("unknown")), 0);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_ring_or_an_error_and_never_a_panic(
            body in proptest::collection::vec(any::<u8>(), 0..400),
            kinds in proptest::collection::vec(0..5_u8, 0..4),
        ) {
            let header = [b"WVL\x01".to_vec(), vec![0; 4], POOL.to_le_bytes().to_vec(), vec![0; 16]];
            // Whole events of known and unknown kinds, then anything.
            let events = kinds.iter().flat_map(|kind| {
                [vec![1; 16], vec![*kind, 0, 2, 0, 3, 0, 0, 0], vec![7; 24]].concat()
            });
            let known = [header.concat(), events.collect()].concat();
            for bytes in [body.clone(), known.clone(), [known, body].concat()] {
                let Ok(Some(mut ring)) = PrefixRing::read(bytes, POOL) else { continue };
                let mut worker = Worker::new();
                worker.take(&ring);
                worker.serve(0, &prompt(1, 9), 0, 1);
                worker.tell(&mut ring);
                prop_assert!(PrefixRing::read(ring.as_bytes().to_vec(), POOL).unwrap().is_some());
            }
        }

        /// Whatever two workers do, each event is read by the other once, or counted as missed.
        #[test]
        fn every_event_is_read_once_or_missed(
            steps in proptest::collection::vec((any::<bool>(), 0..3_usize, 1..120_u64, any::<bool>()), 1..80)
        ) {
            let mut workers = [Worker::new(), Worker::new()];
            let mut ring = PrefixRing::new(POOL, 1);
            let (mut told, mut heard) = ([0; 2], [0; 2]);
            for (at_ms, (who, index, blocks, tells)) in (1..).zip(steps) {
                let who = usize::from(who);
                let worker = &mut workers[who];
                worker.serve(index, &prompt(at_ms, blocks), 0, at_ms);
                if tells {
                    let (taken, missed) = worker.take(&ring);
                    heard[who] += u64::from(taken) + missed;
                    told[who] += u64::from(worker.events.len());
                    worker.tell(&mut ring);
                }
            }
            for (who, worker) in workers.iter_mut().enumerate() {
                let (taken, missed) = worker.take(&ring);
                heard[who] += u64::from(taken) + missed;
            }
            prop_assert_eq!(heard, [told[1], told[0]]);
        }
    }
}
