//! Clocks that differ, and clocks that jump. No two processes need the same one: a gateway reckons with its own, what is
//! told is how long something holds, and windows go by Redis's.

use weir_tokens::limits::FleetState;

use super::*;

const MINUTE_MS: u64 = 60_000;

impl Gateway {
    /// What it goes by after its clock has jumped, until the next push comes.
    fn jumps_to(&mut self, now_ms: u64) {
        let (told_ms, until_ms) = (self.now_ms, self.now_ms + 2_000);
        let state = FleetState { told_ms, until_ms, reachable: true, ..FleetState::default() };
        self.now_ms = now_ms;
        self.reachable = state.is_reachable(now_ms);
    }
}

#[tokio::test]
async fn gateways_whose_clocks_differ_by_a_minute_and_jump_keep_to_the_limit_and_are_charged_once()
{
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server).await;
    let limit = limit(10_000);
    let mut sidecars = ["a", "b", "c"].map(|name| Sidecar::new(&redis, &[name], limit));
    sidecars[1].gateways[0].now_ms += MINUTE_MS;
    sidecars[2].gateways[0].now_ms -= MINUTE_MS;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..300 {
        for (at, sidecar) in sidecars.iter_mut().enumerate() {
            let gateway = &mut sidecar.gateways[0];
            gateway.now_ms += 100;
            // The one that is ahead is set back, the one that is behind goes on.
            if round % 50 == 49 && at > 0 {
                let back = (at == 1) == (round % 100 == 49);
                let now_ms = gateway.now_ms;
                gateway.jumps_to(if back {
                    now_ms - 2 * MINUTE_MS
                } else {
                    now_ms + 2 * MINUTE_MS
                });
                assert!(!gateway.reachable, "until the next push it goes by `on_unavailable`");
            }
            for _ in 0..random.usize(0..5) {
                gateway.ask(random.u64(1..40));
            }
            if random.bool() {
                gateway.settle();
            }
            sidecar.round().await;
            assert!(round == 0 || sidecar.gateways[0].reachable);
        }
    }
    let admitted: u64 = sidecars.iter().map(Sidecar::admitted).sum();
    assert!((9_900..=10_000 + 3 * FIRST).contains(&admitted), "{admitted}");
    for sidecar in &mut sidecars {
        sidecar.gateways[0].settle();
        for _ in 0..4 {
            sidecar.round().await;
        }
    }
    let (debt, outstanding) = stored(&redis).await;
    // What a reservation that had expired by its gateway's clock was charged is charged.
    assert_eq!(debt, admitted);
    assert!(outstanding <= 100, "{outstanding}");
}

/// Adds so many ms to every time in the key's hash: each field's value ends with one.
async fn shift(redis: &Redis, by_ms: i64) {
    const SHIFT: &str = "for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do \
        local value = redis.call('HGET', KEYS[1], field) \
        local head, time = string.match(value, '^(.*) (%d+)$') \
        redis.call('HSET', KEYS[1], field, head .. ' ' .. string.format('%.0f', time + ARGV[1])) end";
    let name = redis.key(format_args!("lease:{}", KeyName { limit: 3, digest: KEY.0 }));
    let command = ::redis::cmd("EVAL").arg(SHIFT).arg(1).arg(&name).arg(by_ms).clone();
    assert!(redis.ask(&[command]).await.unwrap()[0].is_ok());
}

#[tokio::test]
async fn a_redis_whose_clock_jumps_by_a_minute_takes_grants_for_used_and_grants_nothing_twice() {
    for ahead in [true, false] {
        let server = Server::start(&[]).unwrap();
        let (redis, _tasks) = client(&server).await;
        let limit = limit(1_000_000);
        let mut sidecars = ["a", "b"].map(|name| Sidecar::new(&redis, &[name], limit));
        for _ in 0..8 {
            for sidecar in &mut sidecars {
                sidecar.gateways[0].ask(40);
                sidecar.gateways[0].settle();
                sidecar.round().await;
            }
        }
        let (debt, outstanding) = stored(&redis).await;
        assert!(outstanding > 0);
        // The records are of another server, whose clock was a minute behind or ahead.
        shift(&redis, if ahead { -60_000 } else { 60_000 }).await;
        // Only the first is heard: the other seems to have been silent for a minute.
        sidecars[0].gateways[0].ask(40);
        sidecars[0].gateways[0].settle();
        sidecars[0].round().await;
        sidecars[0].round().await;
        let (after, _) = stored(&redis).await;
        // A minute of 1,000,000 a day is 694.4.
        let drained = if ahead { 695 } else { 0 };
        let charged = debt + 40 + outstanding;
        assert!(after + drained >= debt + 40 && after <= charged, "{debt} {after} {charged}");
        // What the other had at hand is good, and is not charged again.
        let before = sidecars[1].gateways[0].admitted;
        sidecars[1].gateways[0].reachable = false;
        while sidecars[1].gateways[0].ask(1) {}
        assert!(sidecars[1].gateways[0].admitted > before);
        sidecars[1].gateways[0].settle();
        sidecars[1].gateways[0].pushed(&sidecars[1].leases);
        sidecars[1].exchange.exchange().await;
        let sums = sidecars[1].leases.sums();
        assert!(sums[0].overdrawn <= FIRST, "{sums:?}");
        let (last, _) = stored(&redis).await;
        assert!(last <= charged, "{last} {charged}");
    }
}
