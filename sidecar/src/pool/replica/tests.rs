use std::io::ErrorKind;
use std::time::Duration;

use super::*;
use crate::client::ClientError;
use crate::scrape::Life;

fn good(waiting: u32) -> Result<Page, PollError> {
    let metrics = Metrics { waiting: Some(waiting), ..Metrics::default() };
    Ok(Page { metrics, life: Life::default(), flaw: None })
}

fn refused() -> Result<Page, PollError> {
    Err(ClientError::Connect(ErrorKind::ConnectionRefused.into()).into())
}

fn late() -> Result<Page, PollError> {
    Err(PollError::Timeout(Duration::from_secs(1)))
}

fn too_large() -> Result<Page, PollError> {
    Err(ClientError::TooLarge { limit: 1 }.into())
}

/// Result of a poll by one letter.
fn poll(letter: char) -> Result<Page, PollError> {
    match letter {
        'g' => good(1),
        'r' => refused(),
        'l' => late(),
        'b' => too_large(),
        '4' => Err(PollError::Status(404)),
        '5' => Err(PollError::Status(500)),
        other => panic!("{other}"),
    }
}

fn replica() -> Replica {
    Replica::new("127.0.0.1:9001".parse().unwrap())
}

#[test]
fn the_state_follows_the_polls() {
    use EndpointState::{Degraded, Ready, Unreachable};
    let cases = [
        ("", Degraded),
        ("g", Ready),
        ("r", Unreachable),
        ("gr", Unreachable),
        ("grg", Ready),
        ("gl", Degraded),
        ("gll", Degraded),
        ("glll", Unreachable),
        ("gllgl", Degraded),
        ("grl", Unreachable),
        ("g5", Degraded),
        ("g555", Unreachable),
        ("gl5l", Unreachable),
        ("g4444444", Degraded),
        ("gbbbbbbb", Degraded),
        ("rb", Degraded),
        ("lllllg", Ready),
    ];
    for (polls, expected) in cases {
        let mut replica = replica();
        for letter in polls.chars() {
            replica.record(poll(letter), Instant::now());
        }
        assert_eq!(replica.state(), expected, "{polls}");
        assert_eq!(replica.reason().is_none(), expected == Ready, "{polls}");
    }
}

#[test]
fn the_last_good_values_are_kept_while_their_age_grows() {
    let mut replica = replica();
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    assert_eq!(replica.report(at(5)).age_ms, None);
    replica.record(good(7), at(0));
    for (ms, result) in [(100, refused()), (200, late()), (300, too_large())] {
        replica.record(result, at(ms));
        let report = replica.report(at(ms + 50));
        assert_eq!((report.waiting, report.age_ms), (Some(7), Some(ms + 50)));
    }
    replica.record(good(8), at(400));
    let report = replica.report(at(401));
    assert_eq!((report.waiting, report.age_ms), (Some(8), Some(1)));
    assert_eq!(report.address, "127.0.0.1:9001");
}

#[test]
fn a_page_with_a_flaw_is_used_but_marked() {
    let flaw = crate::scrape::Flaw {
        series: "vllm:kv_cache_usage_perc".into(),
        problem: crate::scrape::Problem::OutOfRange,
    };
    let mut replica = replica();
    let Ok(page) = good(3) else { return };
    replica.record(Ok(Page { flaw: Some(flaw), ..page }), Instant::now());
    assert_eq!(replica.state(), EndpointState::Degraded);
    assert_eq!(replica.reason().as_deref(), Some("vllm:kv_cache_usage_perc is out of range"));
    assert_eq!(replica.report(Instant::now()).waiting, Some(3));
}

#[test]
fn a_replica_that_is_not_polled_is_taken_to_be_ready_and_says_so() {
    let replica = Replica::unpolled(([127, 0, 0, 1], 1).into());
    assert_eq!(replica.state(), EndpointState::Ready);
    assert!(replica.reason().unwrap().starts_with("it is not polled"));
}

#[test]
fn polls_are_counted_by_outcome() {
    let mut replica = replica();
    for letter in "ggrlb45".chars() {
        replica.record(poll(letter), Instant::now());
    }
    let counts: Vec<(&str, u64)> = replica
        .outcomes()
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.name(), count))
        .collect();
    let expected = [("ok", 2), ("connect", 1), ("timeout", 1), ("status", 2), ("too_large", 1)];
    assert_eq!(counts, expected);
}
