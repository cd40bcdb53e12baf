use std::io::ErrorKind;

use weir_settings::sidecar::SidecarSettings;

use super::*;
use crate::client::ClientError;
use crate::discover::Readiness;
use crate::scrape::{Life, Metrics};

fn settings(more: &str) -> PoolSettings {
    let yaml = format!(
        "gateways: ['unix:/x']\npools: {{p: {{discover: [{{file: /x}}], drain_timeout: 60s{more}}}}}"
    );
    SidecarSettings::from_yaml(yaml.as_bytes()).unwrap().pools.remove(0)
}

fn pool(previous: Option<&Pool>) -> Pool {
    Pool::new(&settings(""), &Arc::default(), previous)
}

fn found(at: u8) -> Found {
    let yaml = format!(
        "gateways: ['unix:/x']\npools: {{p: {{endpoints: [{{address: '10.0.0.{at}:1'}}]}}}}"
    );
    let mut settings = SidecarSettings::from_yaml(yaml.as_bytes()).unwrap();
    Found::ready(settings.pools.remove(0).endpoints.remove(0))
}

fn good(waiting: u32) -> Result<Page, PollError> {
    let metrics = Metrics { waiting: Some(waiting), ..Metrics::default() };
    Ok(Page { metrics, life: Life::default(), flaw: None })
}

/// The last byte of each address, and its state.
fn shown(pool: &Pool, now: Instant) -> Vec<(u8, &'static str)> {
    let reports = pool.reports(now);
    let last = |address: &str| address.split(['.', ':']).nth(3).unwrap().parse().unwrap();
    reports.iter().map(|report| (last(&report.address), report.state.name())).collect()
}

#[test]
fn one_that_is_not_listed_any_more_drains_until_nothing_is_under_way_there() {
    let (pool, start) = (pool(None), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    let changes = pool.reconcile(&[found(1), found(2)], true, at(0));
    assert_eq!((changes.found.len(), changes.removed.len()), (2, 0));
    for one in [1, 2] {
        pool.record(found(one).address(), good(one.into()), at(0), Duration::ZERO);
    }
    let changes = pool.reconcile(&[found(3), found(2)], true, at(1));
    assert_eq!(changes.removed, [found(1).address()]);
    assert_eq!(shown(&pool, at(1)), [(3, "degraded"), (2, "ready"), (1, "draining")]);
    let busy = |_: &str| Some(1);
    let idle = |_: &str| Some(0);
    assert!(pool.reap(at(2), idle).is_empty(), "not every gateway has seen it");
    assert!(pool.reap(at(30), busy).is_empty() && pool.reap(at(30), |_| None).is_empty());
    assert_eq!(pool.reap(at(30), idle), [found(1).address()]);
    assert_eq!(shown(&pool, at(30)), [(3, "degraded"), (2, "ready")]);
    pool.reconcile(&[found(3)], true, at(31));
    assert!(pool.reap(at(90), busy).is_empty());
    assert_eq!(pool.reap(at(91), busy), [found(2).address()], "longer nobody waits");
}

#[test]
fn a_dead_one_is_not_waited_for_and_one_that_comes_back_keeps_what_is_known() {
    let (pool, now) = (pool(None), Instant::now());
    pool.reconcile(&[found(1), found(2)], true, now);
    pool.record(found(2).address(), good(7), now, Duration::ZERO);
    pool.reconcile(&[], true, now);
    let refused = ClientError::Connect(ErrorKind::ConnectionRefused.into());
    pool.record(found(1).address(), Err(refused.into()), now, Duration::ZERO);
    assert_eq!(pool.reap(now, |_| Some(9)), [found(1).address()]);
    let changes = pool.reconcile(&[found(2)], true, now);
    assert_eq!(changes, Changes::default(), "it was never gone");
    assert_eq!((shown(&pool, now), pool.reports(now)[0].waiting), (vec![(2, "ready")], Some(7)));
}

#[test]
fn a_list_that_is_not_complete_takes_nobody_away() {
    let (before, now) = (pool(None), Instant::now());
    before.reconcile(&[found(1)], true, now);
    before.record(found(1).address(), good(3), now, Duration::ZERO);
    // As after a reload, when the sources have not said anything yet.
    let after = pool(Some(&before));
    assert!(after.is_known() && !after.is_polled());
    after.reconcile(&[], false, now);
    assert_eq!((shown(&after, now), after.reports(now)[0].waiting), (vec![(1, "ready")], Some(3)));
    after.reconcile(&[found(1)], true, now);
    assert!(after.is_polled());
    assert!(!pool(None).is_known());
    let unpolled = Pool::new(&settings(", metrics: none"), &Arc::default(), Some(&after));
    assert!(!unpolled.is_known(), "what was polled says nothing of what is not");
}

#[test]
fn what_a_source_says_of_a_replica_is_in_its_state() {
    let (pool, now) = (pool(None), Instant::now());
    let mut one = found(1);
    for (readiness, state, reason) in [
        (Readiness::Ready, "ready", None),
        (Readiness::NotReady, "draining", Some("its readiness probe fails")),
        (Readiness::Terminating, "draining", Some("it is being ended")),
        (Readiness::Ready, "ready", None),
    ] {
        one.readiness = readiness;
        one.zone = Some("z1".to_owned());
        pool.reconcile(std::slice::from_ref(&one), true, now);
        pool.record(one.address(), good(1), now, Duration::ZERO);
        assert_eq!(shown(&pool, now), [(1, state)]);
        assert_eq!(pool.reports(now)[0].zone.as_deref(), Some("z1"));
        pool.inspect(|members, _| assert_eq!(members[0].replica.reason().as_deref(), reason));
    }
}
