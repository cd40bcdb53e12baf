//! Streams that Envoy shows nothing of, on a host with a clock of its own.

use super::*;
use crate::{FakeHost, MOST_ACTIONS};

fn host_with_size(size: u64) -> FakeHost {
    let host = FakeHost::new();
    grow_to(&host, size);
    host
}

fn pass_a_tick(host: &FakeHost) {
    host.set_now_ns(host.now_ns() + u64::from(TICK_MS) * 1_000_000);
}

/// The streams that one tick answers.
fn answered(host: &FakeHost, probe: &HoldProbe) -> Vec<u32> {
    let before = host.replies().len();
    pass_a_tick(host);
    host.begin_tick(1);
    let count = probe.answer_stuck(host, |host| host.reply(500, &[], b"", "stuck").unwrap());
    let ids: Vec<u32> = host.replies().into_iter().skip(before).map(|(id, _)| id).collect();
    assert_eq!(ids.len(), count);
    ids
}

/// The streams that are answered while a body is not shown for long enough to prove something.
fn answered_at_last(host: &FakeHost, probe: &HoldProbe) -> Vec<u32> {
    for _ in 0..PROOF_TICKS {
        assert!(answered(host, probe).is_empty(), "some filter may be looking at the body");
    }
    answered(host, probe)
}

fn grow_to(host: &FakeHost, size: u64) {
    host.set_property(&["request", "total_size"], &size.to_le_bytes());
}

#[test]
fn a_body_that_arrives_without_a_callback_proves_the_option_missing() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.paused(&host, 7);
    assert!(answered(&host, &probe).is_empty(), "a slow client is not a wrong configuration");
    grow_to(&host, 101);
    assert_eq!(answered_at_last(&host, &probe), vec![7]);
    assert!(probe.seems_missing());
    assert_eq!(host.tick_ms(), 0);
}

#[test]
fn a_body_that_was_there_with_the_headers_is_not_waited_for_for_ever() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    host.set_header(HeaderMap::Request, "name", &[b'x'; 95]).unwrap();
    probe.paused(&host, 7);
    host.set_header(HeaderMap::Request, "name", &[b'x'; 96]).unwrap();
    probe.paused(&host, 8);
    let given_up: Vec<_> = (0..=PATIENCE).map(|_| answered(&host, &probe)).collect();
    assert!(given_up.iter().rev().skip(1).all(Vec::is_empty));
    assert_eq!(given_up.last(), Some(&vec![7]), "of the other there are only headers");
    assert!(!probe.seems_missing() && host.tick_ms() != 0, "others may be shown their bodies");
}

#[test]
fn a_response_that_is_complete_without_a_callback_is_given_up() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.response_paused(&host, 7);
    assert_ne!(host.tick_ms(), 0);
    assert!(answered(&host, &probe).is_empty(), "a slow replica is not a wrong configuration");
    host.set_property(&["response", "backend_latency"], &5_000_i64.to_le_bytes());
    assert_eq!(answered(&host, &probe), vec![7]);
    assert!(answered(&host, &probe).is_empty(), "it is answered once");
    assert!(!probe.seems_missing() && host.tick_ms() != 0, "only a request proves it");
}

#[test]
fn a_tick_that_is_coming_is_not_put_off_by_the_next_stream() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.paused(&host, 7);
    host.set_tick_ms(1).unwrap();
    probe.paused(&host, 8);
    probe.response_paused(&host, 9);
    assert_eq!(host.tick_ms(), 1);
}

#[test]
fn what_a_tick_cannot_answer_waits_for_the_next_and_leaves_if_its_client_does() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    (7..17).for_each(|id| probe.paused(&host, id));
    grow_to(&host, 101);
    (0..PROOF_TICKS).for_each(|_| assert!(answered(&host, &probe).is_empty()));
    pass_a_tick(&host);
    host.begin_tick(1);
    // Another filter of the VM has used up nearly all of the turn.
    (1..MOST_ACTIONS).for_each(|id| host.act_on_stream(1000 + id, |_| ()).unwrap());
    let reply = |host: &FakeHost| host.reply(500, &[], b"", "stuck").unwrap();
    assert_eq!(probe.answer_stuck(&host, reply), 1);
    probe.ended(8);
    host.end_stream(9);
    assert_ne!(host.tick_ms(), 0);
    assert_eq!(answered(&host, &probe), (10..17).collect::<Vec<_>>());
    assert_eq!((probe.seems_missing(), host.tick_ms()), (true, 0));
}

#[test]
fn a_stream_that_ended_unnoticed_leaves_its_answer_to_nobody() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.paused(&host, 7);
    probe.paused(&host, 8);
    grow_to(&host, 101);
    host.end_stream(8);
    assert_eq!(answered_at_last(&host, &probe), [7]);
    assert!(host.replies().iter().all(|(id, _)| *id == 7), "the context before stays in force");
}

#[test]
fn a_body_callback_proves_the_option_present() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.paused(&host, 7);
    assert_ne!(host.tick_ms(), 0);
    probe.body_arrived(&host);
    grow_to(&host, 5000);
    assert!(answered(&host, &probe).is_empty());
    assert!(!probe.seems_missing());
    assert_eq!(host.tick_ms(), 0);
}

#[test]
fn filters_that_run_as_one_look_once_a_tick() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.paused(&host, 7);
    grow_to(&host, 101);
    for _ in 0..PROOF_TICKS {
        assert!(answered(&host, &probe).is_empty());
        let again = probe.answer_stuck(&host, |_| ());
        assert_eq!(again, 0, "the second filter of the same tick");
    }
    assert_eq!(answered(&host, &probe), [7], "the first one that is called answers");
}

#[test]
fn a_wrong_proof_is_taken_back_by_the_next_request_that_is_held_on_trial() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    host.set_now_ns(TRY_AGAIN_NS);
    probe.paused(&host, 7);
    grow_to(&host, 101);
    assert_eq!(answered_at_last(&host, &probe), [7]);
    assert!(probe.is_missing(&host), "right after the proof nothing is tried");
    host.set_now_ns(host.now_ns() + TRY_AGAIN_NS);
    assert!(!probe.is_missing(&host), "one request is held");
    assert!(probe.is_missing(&host), "and no other");
    probe.paused(&host, 8);
    assert_ne!(host.tick_ms(), 0, "it is looked after");
    grow_to(&host, 200);
    assert_eq!(answered_at_last(&host, &probe), [8], "the option is missing after all");
    host.set_now_ns(host.now_ns() + TRY_AGAIN_NS);
    assert!(!probe.is_missing(&host));
    probe.paused(&host, 9);
    probe.body_arrived(&host);
    assert!(!probe.is_missing(&host) && !probe.seems_missing());
    assert_eq!(host.tick_ms(), 0);
}

#[test]
fn a_stream_that_ended_is_not_answered() {
    let (host, probe) = (host_with_size(100), HoldProbe::new(&Ticker::new()));
    probe.paused(&host, 7);
    probe.ended(7);
    grow_to(&host, 5000);
    assert!(answered(&host, &probe).is_empty());
}
