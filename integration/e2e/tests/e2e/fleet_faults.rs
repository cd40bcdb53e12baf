//! Limits that several Envoys have together, while something of it fails.

use std::ops::Range;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use weir_harness::{Redis, run_concurrently, workspace};
use weir_snapshot::limits::MAX_KEY_REPORTS;

use crate::fleet_of_envoys::{
    Account, Clients, FleetOfEnvoys, KEEPING, Record, Terms, is_refused, metrics,
};
use crate::stack::eventually;
use crate::token_limits::ann;

/// Enough for clients to go on through all that fails, and to come to its end after that.
const TERMS: Terms = Terms { envoys: 3, tokens: 60_000, first: 200, away: "deny", per: "consumer" };

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_envoy_had_at_hand_is_charged_after_30_s_and_the_next_one_starts_right() {
    let terms = Terms { tokens: 30_000, ..TERMS };
    let mut fleet = FleetOfEnvoys::start(terms).await;
    let clients = fleet.clients(40);
    let kill = async {
        sleep(Duration::from_secs(1)).await;
        fleet.stacks[1].envoy.process().kill();
        Instant::now()
    };
    let (before, killed) = tokio::join!(clients.hammer(12, 5), kill);
    // What is not used comes back from those that live, and not from the one that is gone.
    let held = eventually("grants of the living come back", async || {
        let account = fleet.account().await;
        let holding = account.gateways.values().filter(|record| record.granted > record.charged);
        (holding.count() <= 1).then_some(account)
    })
    .await;
    let (dead, record) = longest_silent(&held);
    assert_eq!(held.outstanding(), record.granted - record.charged, "{held:?}");
    let most = record.granted + f64::from(terms.first);
    assert!(before.of_envoy(1) <= most, "{record:?}: what it used was granted, or at hand before");
    fleet.stacks[1].envoy.restart().await.unwrap();
    // The one that is gone counts, too, for half a minute.
    fleet.reachable(3..=4).await;
    eventually("the new one is told of the fleet", async || {
        (fleet.stacks[1].stat("weir_intake_accepted_total").await > 1).then_some(())
    })
    .await;
    let after = clients.hammer(12, 10).await;
    let (most, bound) = (before.most() + after.most(), terms.bound(4));
    assert!(most <= bound, "{most} of {bound}");
    let made_up = made_up(&fleet, killed).await;
    assert_eq!(made_up.gateways[&dead].charged, record.granted);
    // Whoever lives was charged what it was served, to the token.
    assert_eq!(made_up.gateways.len(), 4, "{made_up:?}");
    let living = made_up.gateways.iter().filter(|(name, _)| **name != dead);
    let charged: f64 = living.map(|(_, record)| record.charged).sum();
    let served = before.sure() - before.of_envoy(1) + after.sure();
    assert!((charged - served).abs() < 0.01, "{charged} charged, {served} served, {made_up:?}");
    let drained = charged + record.granted - made_up.debt;
    assert!((0.0..=fleet.drained(1)).contains(&drained), "{drained} {made_up:?}");
    fleet.assert_no_trap().await;
}

/// The gateway that Redis has not heard of for the longest time.
fn longest_silent(account: &Account) -> (String, Record) {
    let gateways = account.gateways.iter();
    let oldest = gateways.min_by(|one, other| one.1.seen.total_cmp(&other.1.seen));
    oldest.map(|(name, record)| (name.clone(), *record)).unwrap()
}

/// The account when nothing is granted any more that is not used: what a gateway had that is gone has been made up.
async fn made_up(fleet: &FleetOfEnvoys, killed: Instant) -> Account {
    loop {
        // Redis makes it up when it next hears of the key; this is never admitted.
        assert!(is_refused(&fleet.stacks[0].send(ann(5_000)).await));
        let account = fleet.account().await;
        if account.outstanding() == 0.0 {
            return account;
        }
        assert!(killed.elapsed() < Duration::from_secs(90), "{account:?}");
        // A gateway keeps what it has ahead while requests are refused, and 2 s longer.
        sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_sidecar_or_redis_is_cut_off_nothing_is_admitted_twice_or_charged_twice() {
    let mut fleet = FleetOfEnvoys::start(TERMS).await;
    let clients = fleet.clients(40);
    let (redis, sidecars) = (&mut fleet.redis, &mut fleet.sidecars);
    let cuts = async {
        sleep(Duration::from_millis(500)).await;
        // Longer than its Envoy takes for its silence: 2 s.
        sidecars[1].process().freeze();
        sleep(Duration::from_secs(3)).await;
        sidecars[1].process().thaw();
        sleep(Duration::from_millis(300)).await;
        redis[0].process().freeze();
        sleep(Duration::from_secs(3)).await;
        redis[0].process().thaw();
    };
    // Who is refused goes on through all of it.
    let (through, ()) = tokio::join!(clients.hammer(12, 100), cuts);
    fleet.reachable(3..=3).await;
    let after = clients.hammer(12, 100).await;
    let (spent, bound) = (through.sure() + after.sure(), TERMS.bound(3));
    assert!(spent <= bound, "{spent} of {bound}");
    assert!(spent >= f64::from(TERMS.tokens) - 250.0, "{spent}: all of it is had");
    assert_eq!(through.most() + after.most(), spent, "no reply was lost");
    let unreachable = fleet.stacks[1].stat("weir_limit_unreachable_total").await;
    assert!(unreachable > 0, "its sidecar was silent for longer than it may be");
    fleet.charged(spent, 1).await;
    fleet.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_redis_forgets_all_the_time_cost_no_token() {
    let terms = Terms { tokens: 20_000, ..TERMS };
    let fleet = FleetOfEnvoys::start(terms).await;
    let (clients, mut flushed) = (fleet.clients(20), 0);
    let flushing = async {
        loop {
            fleet.redis[0].ask("SCRIPT FLUSH").await.unwrap();
            flushed += 1;
            sleep(Duration::from_millis(10)).await;
        }
    };
    let spent = tokio::select! {
        tally = clients.hammer(24, 100) => tally.sure(),
        () = flushing => 0.0,
    };
    assert!(flushed > 20, "{flushed}");
    assert!(spent <= terms.bound(3), "{spent}");
    assert!(spent >= f64::from(terms.tokens) - 250.0, "{spent}");
    fleet.charged(spent, 1).await;
    fleet.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_the_keys_of_a_limit_lie_on_several_nodes_and_each_keeps_to_it() {
    let terms = Terms { tokens: 1_000, first: 100, per: "header:x-user", ..TERMS };
    let nodes = Redis::cluster(&KEEPING).await.unwrap();
    let fleet = FleetOfEnvoys::over(nodes, terms).await;
    let tally = fleet.clients(20).hammer(3 * Clients::USERS, 100).await;
    for user in 0..Clients::USERS {
        let spent = tally.of_user(user);
        // Each Envoy may be left with less than a request asks for.
        assert!((850.0..=terms.bound(3)).contains(&spent), "user {user}: {spent}");
    }
    fleet.charged(tally.sure(), Clients::USERS as u32).await;
    let mut with_keys = 0;
    for node in &fleet.redis {
        let keys = node.ask("KEYS weir:lease:*").await.unwrap();
        with_keys += u32::from(!keys.is_empty());
    }
    // That twelve keys are on one of three nodes happens once in 177,000 runs.
    assert!(with_keys >= 2, "{with_keys}");
    fleet.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_redis_and_valkey_keep_the_limit_as_well() {
    let programs = workspace::newer_redis();
    if programs.is_empty() {
        eprintln!("skipped: neither valkey-server nor redis-server 7 or later is on PATH");
    }
    for (program, version) in programs {
        let terms = Terms { tokens: 6_000, ..TERMS };
        let redis = Redis::start_program(&program, &KEEPING).unwrap();
        let mut fleet = FleetOfEnvoys::over(vec![redis], terms).await;
        let mut spent = fleet.hammer(12, 1).await;
        fleet.redis[0].process().kill();
        fleet.redis[0].restart().unwrap();
        fleet.reachable(3..=3).await;
        fleet.redis[0].ask("SCRIPT FLUSH").await.unwrap();
        spent += fleet.hammer(24, 100).await;
        assert!((5_750.0..=terms.bound(3)).contains(&spent), "{version}: {spent}");
        fleet.charged(spent, 1).await;
        fleet.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_keys_takes_no_more_memory_than_there_are_slots() {
    // All slots are taken long before the end.
    const KEYS: [usize; 2] = [70_000, 30_000];
    let terms = Terms { envoys: 1, tokens: 1_000, per: "header:x-flood", first: 0, ..TERMS };
    let mut fleet = FleetOfEnvoys::start(terms).await;
    let (mut from, mut resident) = (0, Vec::new());
    for keys in KEYS {
        flood(&fleet, from..from + keys).await;
        from += keys;
        let usage = fleet.stacks[0].envoy.process().usage().unwrap();
        resident.push(usage.resident_bytes >> 20);
    }
    assert!(resident[1] <= resident[0] + 16, "{resident:?} MiB");
    // Whoever comes after it has a limit of its own as soon as a slot of its page is free, or shares one.
    eventually("a key is granted something", async || {
        let request = ann(5).header("x-flood", "late");
        (fleet.stacks[0].send(request).await.status == 200).then_some(())
    })
    .await;
    // Of a key that is not told of before its slot goes to another, Redis never hears.
    let redis = &fleet.redis[0];
    let stored = redis.ask("KEYS weir:lease:*").await.unwrap().len();
    assert!((1..=KEYS.iter().sum()).contains(&stored), "{stored}");
    let told = redis.ask("INFO commandstats").await.unwrap();
    let calls = told.iter().find_map(|line| line.strip_prefix("cmdstat_hgetall:calls="));
    let calls: usize = calls.unwrap().split(',').next().unwrap().parse().unwrap();
    let pushes = accepted_pushes(&metrics(&fleet.sidecars[0]).await);
    assert!(calls <= pushes * MAX_KEY_REPORTS, "{calls} of {pushes} pushes");
    fleet.assert_no_trap().await;
}

/// Pushes of the pool that brings news of limits which Envoy has taken.
fn accepted_pushes(metrics: &str) -> usize {
    let counted = |line: &&str| {
        let labels = ["weir_sidecar_pushes_total{", "pool=\"llama\"", "outcome=\"accepted\""];
        labels.iter().all(|label| line.contains(label))
    };
    let line = metrics.lines().find(counted).unwrap_or_else(|| panic!("{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// A request of each of these keys, which nobody has used: without a grant it is refused.
async fn flood(fleet: &FleetOfEnvoys, keys: Range<usize>) {
    let (http, address) = (fleet.stacks[0].http.clone(), fleet.stacks[0].envoy.clients());
    let answers = run_concurrently(32, keys.len(), |index| {
        let request = ann(1).header("x-flood", format!("flood-{}", keys.start + index));
        let http = http.clone();
        async move {
            let reply = http.send(address, request).await.unwrap();
            reply.status == 200 || is_refused(&reply)
        }
    });
    assert!(answers.await.into_iter().all(|expected| expected));
}
