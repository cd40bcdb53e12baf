//! Very many keys, one after another.

use tokio::time::Instant;

use super::*;

const KEYS: u64 = 100_000;

/// Keys that a reply tells of at most.
const TOLD: usize = weir_snapshot::limits::MAX_KEY_REPORTS;

/// The report of a key of which one request was refused.
fn wanting(number: u64) -> KeyReport {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    KeyReport { key: KeyName { limit: 3, digest }, born: 1, wanted: 5, ..KeyReport::default() }
}

/// The reply of gateway `a` that tells of these keys.
fn reply(keys: Vec<KeyReport>) -> FleetReport {
    let limit = FleetLimit {
        id: 3,
        measure: "requests".to_owned(),
        burst: 1_000,
        amount: 1_000,
        window_ms: 60_000,
        calendar: String::new(),
        first: 1,
        name: "flood".to_owned(),
        values: None,
    };
    FleetReport { gateway: "a".repeat(16), limits: vec![limit], keys }
}

/// Scripts that were run by their hash so far.
async fn calls(redis: &Redis) -> u64 {
    let command = [::redis::cmd("INFO").arg("commandstats").clone()];
    let told = redis.ask(&command).await.unwrap().remove(0).unwrap();
    let told: String = ::redis::from_redis_value(told).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    line.unwrap().split(',').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hundred_thousand_keys_cost_one_operation_each_and_are_forgotten_when_they_are_silent() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let leases = Arc::new(Leases::new());
    let mut exchange = LeaseExchange::new(&leases, &redis);
    exchange.beat().await;
    let before = calls(&redis).await;
    let mut numbers = 0..KEYS;
    let mut pushes = 0;
    loop {
        let keys: Vec<KeyReport> = numbers.by_ref().take(TOLD).map(wanting).collect();
        if keys.is_empty() {
            break;
        }
        pushes += 1;
        leases.record("a", reply(keys));
        exchange.exchange().await;
        assert!(leases.is_reachable());
    }
    assert_eq!(calls(&redis).await - before, KEYS, "one for each key");
    assert_eq!(pushes, KEYS.div_ceil(TOLD as u64));
    // Only what the last reply told of is answered.
    assert!(leases.news("a", Duration::from_secs(2)).unwrap().grants.len() <= TOLD);
    assert!((TOLD as u64 / 2..=KEYS).contains(&leases.sums()[0].keys));
    let all = [::redis::cmd("DBSIZE").clone()];
    let stored = redis.ask(&all).await.unwrap().remove(0).unwrap();
    assert_eq!(stored, ::redis::Value::Int(KEYS as i64 + 1), "with the digest key");
    let name = redis.key(format_args!("lease:{}", wanting(0).key));
    let ttl = [::redis::cmd("PTTL").arg(name).clone()];
    let ttl = redis.ask(&ttl).await.unwrap().remove(0).unwrap();
    let ::redis::Value::Int(ttl) = ttl else { panic!("{ttl:?}") };
    assert!((0..=20 * VANISH_MS as i64 + 60_000).contains(&ttl), "{ttl}");
    // Here they are forgotten sooner: a gateway tells of all of its slots in less than that.
    leases.record("a", reply(vec![wanting(1)]));
    leases.errands(Instant::now() + Duration::from_secs(21));
    assert_eq!(leases.sums()[0].keys, 1);
}

#[tokio::test]
async fn a_key_that_nothing_was_charged_or_has_all_given_back_is_forgotten_after_a_minute() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let scripts = Scripts::new();
    let limit = reply(Vec::new()).limits.remove(0);
    let month = FleetLimit { calendar: "month+00:00".to_owned(), ..limit.clone() };
    for (number, limit) in [limit, month].iter().enumerate() {
        let name = KeyName { limit: number as u32, ..wanting(0).key };
        let run = async |report: KeyReport, need, lower| {
            let wish = account::Wish { need, ask: need, lower };
            let now = [::redis::cmd("TIME")];
            let now = redis.ask(&now).await.unwrap().remove(0).unwrap();
            let (seconds, _): (u64, u64) = ::redis::from_redis_value(now).unwrap();
            let call = lease_call(&redis, "a", &report, (limit, &wish, seconds * 1_000));
            let replies = redis.run(&scripts.lease, &[call]).await.unwrap();
            let ttl = [::redis::cmd("PTTL").arg(redis.key(format_args!("lease:{name}"))).clone()];
            let ttl = redis.ask(&ttl).await.unwrap().remove(0).unwrap();
            let ttl: u64 = ::redis::from_redis_value(ttl).unwrap();
            (answer(replies[0].as_ref().unwrap()).unwrap(), ttl)
        };
        let soon = 1..=2 * VANISH_MS;
        let report = KeyReport { key: name, born: 1, ..KeyReport::default() };
        // More than there is.
        let (refused, ttl) = run(report, 2_000, None).await;
        assert!(refused.total == 0 && soon.contains(&ttl), "{refused:?} {ttl}");
        let (granted, ttl) = run(KeyReport { sequence: 1, ..report }, 5, None).await;
        assert!(granted.total == 5 && ttl > *soon.end(), "{granted:?} {ttl}");
        let has = KeyReport { sequence: 2, granted: 5, ..report };
        let (falls, ttl) = run(has, 0, Some(0)).await;
        assert!(falls.total == 0 && ttl > *soon.end(), "{falls:?} {ttl}");
        let back = KeyReport { sequence: 3, ..report };
        let (_, ttl) = run(back, 0, None).await;
        assert!(soon.contains(&ttl), "{ttl}");
        let (charged, ttl) = run(KeyReport { sequence: 4, used: 1, ..report }, 0, None).await;
        assert!(charged.charged == 1 && ttl > *soon.end(), "{charged:?} {ttl}");
    }
}

#[tokio::test]
async fn a_key_whose_slot_a_flood_has_taken_may_spend_its_first_tokens_again_and_is_charged_them() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let mut sidecar = Sidecar::new(&redis, &["a"], limit(1_000));
    while sidecar.admitted() < 1_000 {
        sidecar.gateways[0].ask(10);
        sidecar.gateways[0].settle();
        sidecar.round().await;
    }
    sidecar.round().await;
    assert_eq!(stored(&redis).await, (1_000, 0));
    assert!(!sidecar.gateways[0].ask(1));
    // More than 10 s later, for a key that was not refused meanwhile.
    sidecar.gateways[0].memory.0.clear();
    sidecar.gateways[0].now_ms += 11_000;
    assert!(sidecar.gateways[0].ask(FIRST) && !sidecar.gateways[0].ask(1));
    sidecar.gateways[0].settle();
    for _ in 0..3 {
        sidecar.round().await;
    }
    assert_eq!(stored(&redis).await, (1_000 + FIRST, 0));
    assert!(!sidecar.gateways[0].ask(1));
}
