//! Load that sidecars share through a real Redis.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use weir_harness::Redis;
use weir_snapshot::SnapshotMessage;

use crate::support::{Intake, Replica, Sidecar, eventually, tls, vllm, yaml};

/// A sidecar with a gateway of its own.
struct Side {
    intake: Intake,
    sidecar: Sidecar,
}

impl Side {
    /// Its gateway has so many requests in flight at each replica; `redis` is that part of its configuration.
    async fn start(replica: &Replica, in_flight: u32, redis: &str) -> Self {
        let intake = Intake::tcp().await;
        intake.busy(in_flight);
        let more = format!("redis: {{{redis}, interval: 50ms}}");
        let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], &more)).await;
        Self { intake, sidecar }
    }

    /// Waits until its gateway is told so much to be in flight elsewhere.
    async fn is_told(&self, in_flight: Option<u32>) -> SnapshotMessage {
        eventually(&format!("{in_flight:?} elsewhere"), async || {
            let message = self.intake.taken().pop()?;
            (message.endpoints[0].in_flight_elsewhere == in_flight).then_some(message)
        })
        .await
    }

    /// Waits until a line of `/metrics` is there.
    async fn shows(&self, line: &str) {
        eventually(line, async || {
            let (_, metrics) = self.sidecar.get("/metrics").await;
            metrics.lines().any(|found| found == line).then_some(())
        })
        .await;
    }
}

fn at(url: &str) -> String {
    format!("urls: ['{url}'], timeout: 300ms")
}

fn connection(redis: &Redis) -> redis::Connection {
    redis::Client::open(redis.url()).unwrap().get_connection().unwrap()
}

#[tokio::test]
async fn sidecars_see_each_others_load_and_every_key_expires() {
    let (replica, redis) = (Replica::start(vllm(1, 2)).await, Redis::start(&[]).unwrap());
    let first = Side::start(&replica, 3, &at(&redis.url())).await;
    first.is_told(None).await;
    let second = Side::start(&replica, 4, &at(&redis.url())).await;
    let third = Side::start(&replica, 5, &at(&redis.url())).await;
    first.is_told(Some(9)).await;
    second.is_told(Some(8)).await;
    third.is_told(Some(7)).await;
    first.shows("weir_sidecar_redis_peers 2").await;
    // A change is told at once, and an idle gateway has nothing in flight.
    second.intake.busy(0);
    first.is_told(Some(5)).await;
    let mut admin = connection(&redis);
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut admin).unwrap();
    assert_eq!(keys.iter().filter(|key| key.starts_with("weir:load:")).count(), 4, "{keys:?}");
    for key in &keys {
        assert!(key.starts_with("weir:"), "{key}");
        let left: i64 = redis::cmd("PTTL").arg(key).query(&mut admin).unwrap();
        assert!(left > 0, "{key}");
    }
    // Scripts that a server has forgotten are sent again.
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut admin).unwrap();
    second.sidecar.daemon.stop().await;
    third.sidecar.daemon.stop().await;
    first.is_told(None).await;
    let fourth = Side::start(&replica, 6, &at(&redis.url())).await;
    first.is_told(Some(6)).await;
    first.shows("weir_sidecar_redis_up 1").await;
    // Another prefix is another fleet.
    let apart = format!("{}, prefix: other", at(&redis.url()));
    let apart = Side::start(&replica, 7, &apart).await;
    apart.shows("weir_sidecar_redis_up 1").await;
    apart.intake.next(20).await;
    apart.is_told(None).await;
    fourth.is_told(Some(3)).await;
}

#[tokio::test]
async fn an_idle_fleet_asks_little_of_redis_and_hears_of_load_all_the_same() {
    let (replica, redis) = (Replica::start(vllm(1, 2)).await, Redis::start(&[]).unwrap());
    let first = Side::start(&replica, 0, &at(&redis.url())).await;
    let second = Side::start(&replica, 0, &at(&redis.url())).await;
    let third = Side::start(&replica, 0, &at(&redis.url())).await;
    for side in [&first, &second, &third] {
        side.shows("weir_sidecar_redis_peers 2").await;
    }
    let asked = || {
        let info: String =
            redis::cmd("INFO").arg("commandstats").query(&mut connection(&redis)).unwrap();
        let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_getrange:calls="));
        calls.map_or(0, |rest| rest.split(',').next().unwrap().parse::<u64>().unwrap())
    };
    // All fall quiet after 2 s.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, began) = (asked(), std::time::Instant::now());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (more, seconds) = (asked() - before, began.elapsed().as_secs());
    // Each asks two others once a second; before, that was once in every interval, of 50 ms here.
    assert!(more <= 6 * (seconds + 2), "{more} in {seconds} s");
    // They go on to be heard, and what changes is told.
    first.shows("weir_sidecar_redis_peers 2").await;
    first.intake.busy(3);
    second.is_told(Some(3)).await;
    second.intake.busy(4);
    first.is_told(Some(4)).await;
}

#[tokio::test]
async fn load_that_stays_the_same_counts_without_a_gap() {
    let (replica, redis) = (Replica::start(vllm(1, 2)).await, Redis::start(&[]).unwrap());
    let _first = Side::start(&replica, 3, &at(&redis.url())).await;
    let second = Side::start(&replica, 0, &at(&redis.url())).await;
    second.is_told(Some(3)).await;
    let from = second.intake.taken().len();
    // After 2 s without a change the others are asked less often.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let taken = second.intake.taken();
    let told: Vec<_> =
        taken[from..].iter().map(|message| message.endpoints[0].in_flight_elsewhere).collect();
    assert!(told.len() > 20 && told.iter().all(|one| *one == Some(3)), "{told:?}");
}

#[tokio::test]
async fn what_a_gateway_has_in_flight_counts_once_also_when_its_sidecar_is_started_anew() {
    let (replica, redis) = (Replica::start(vllm(1, 2)).await, Redis::start(&[]).unwrap());
    let first = Side::start(&replica, 3, &at(&redis.url())).await;
    let second = Side::start(&replica, 4, &at(&redis.url())).await;
    first.is_told(Some(4)).await;
    second.is_told(Some(3)).await;
    // Killed: what it has said of its gateway stays in Redis for two seconds.
    let Side { intake, sidecar } = first;
    drop(sidecar);
    intake.busy(5);
    let before = [intake.taken().len(), second.intake.taken().len()];
    let more = format!("redis: {{{}, interval: 50ms}}", at(&redis.url()));
    let sidecar = Sidecar::start(&yaml(&[replica.address], &[&intake.target], &more)).await;
    let first = Side { intake, sidecar };
    second.is_told(Some(5)).await;
    first.is_told(Some(4)).await;
    second.shows("weir_sidecar_redis_peers 1").await;
    let told = |side: &Side, from: usize| -> Vec<Option<u32>> {
        let taken = side.intake.taken();
        taken[from..].iter().map(|message| message.endpoints[0].in_flight_elsewhere).collect()
    };
    let (to_second, to_first) = (told(&second, before[1]), told(&first, before[0]));
    let once = |told: &Option<u32>| [None, Some(3), Some(5)].contains(told);
    assert!(to_second.iter().all(once), "{to_second:?}");
    let not_own = |told: &Option<u32>| [None, Some(4)].contains(told);
    assert!(to_first.iter().all(not_own), "{to_first:?}");
}

#[tokio::test]
async fn what_a_gateway_learns_of_prefix_caches_is_told_once_to_every_other() {
    let (replica, redis) = (Replica::start(vllm(1, 2)).await, Redis::start(&[]).unwrap());
    let intakes = [Intake::tcp().await, Intake::tcp().await];
    let targets: Vec<&str> = intakes.iter().map(|intake| intake.target.as_str()).collect();
    let more = format!("redis: {{{}, interval: 50ms}}", at(&redis.url()));
    let two = Sidecar::start(&yaml(&[replica.address], &targets, &more)).await;
    let other = Side::start(&replica, 0, &at(&redis.url())).await;
    other.is_told(Some(10)).await;
    let [first, second] = &intakes;
    let told = |intake: &Intake| -> String {
        let brought = |message: &SnapshotMessage| message.prefixes.clone().unwrap().events;
        intake.taken().iter().map(brought).collect()
    };
    let everybody = [first, second, &other.intake];
    for (at, digits) in ["0a", "0b", "0c"].into_iter().enumerate() {
        everybody[at].learn(digits);
        for intake in everybody.iter().enumerate().filter(|(to, _)| *to != at).map(|(_, it)| it) {
            eventually(digits, async || told(intake).contains(digits).then_some(())).await;
        }
    }
    first.next(30).await;
    assert_eq!(everybody.map(told), ["0b0c", "0a0c", "0a0b"], "to each once, and to none its own");
    // A sidecar that comes later has not missed what was learned just now, nor learns what is old.
    first.learn("0d");
    let late = Side::start(&replica, 0, &at(&redis.url())).await;
    eventually("the last", async || told(&late.intake).contains("0d").then_some(())).await;
    other.shows("weir_sidecar_shared_prefixes_total{pool=\"llama\",what=\"own\"} 1").await;
    other.shows("weir_sidecar_shared_prefixes_total{pool=\"llama\",what=\"others\"} 3").await;
    two.daemon.stop().await;
}

#[tokio::test]
async fn without_redis_a_sidecar_goes_on_alone_and_shares_again_when_it_is_back() {
    let replica = Replica::start(vllm(1, 2)).await;
    let mut redis = Redis::start(&[]).unwrap();
    let first = Side::start(&replica, 3, &at(&redis.url())).await;
    let second = Side::start(&replica, 4, &at(&redis.url())).await;
    first.is_told(Some(4)).await;
    redis.process().kill();
    first.is_told(None).await;
    second.is_told(None).await;
    first.shows("weir_sidecar_redis_up 0").await;
    let status: serde_json::Value =
        serde_json::from_str(&first.sidecar.get("/status").await.1).unwrap();
    assert_eq!(status["redis"]["up"], false);
    assert!(status["redis"]["error"].is_string(), "{status}");
    assert_eq!(first.sidecar.get("/readyz").await.0, 200, "gateways have all they need");
    redis.restart().unwrap();
    first.is_told(Some(4)).await;
    second.is_told(Some(3)).await;
}

#[tokio::test]
async fn a_redis_that_hangs_delays_no_push() {
    let replica = Replica::start(vllm(1, 2)).await;
    let mut redis = Redis::start(&[]).unwrap();
    // Whoever waited for it would wait longer than this test does.
    let hanging = format!("urls: ['{}'], timeout: 60s", redis.url());
    let first = Side::start(&replica, 3, &hanging).await;
    let second = Side::start(&replica, 4, &hanging).await;
    first.is_told(Some(4)).await;
    redis.process().freeze();
    // What was known expires without an answer, and pushes go on.
    first.is_told(None).await;
    first.intake.next(50).await;
    second.intake.next(50).await;
    redis.process().thaw();
    first.is_told(Some(4)).await;
}

#[tokio::test]
async fn what_makes_no_sense_in_redis_is_counted_and_left_out() {
    let (replica, redis) = (Replica::start(vllm(1, 2)).await, Redis::start(&[]).unwrap());
    let mut admin = connection(&redis);
    // Somebody else's value where the sidecars are listed.
    redis::cmd("SET").arg("weir:load:members").arg("hello").exec(&mut admin).unwrap();
    let first = Side::start(&replica, 3, &at(&redis.url())).await;
    let _second = Side::start(&replica, 4, &at(&redis.url())).await;
    first.is_told(Some(4)).await;
    let good = |address: &str, numbers: &str| {
        format!(r#"{{"version":1,"pools":{{"llama":{{"{address}":{numbers}}}}}}}"#)
    };
    let own = replica.address.to_string();
    let values = BTreeMap::from([
        ("a1", "hello".to_owned()),
        ("a2", good(&own, "[4294967295,0,0]")),
        ("a3", good(&own, "[9,9]")),
        ("a4", good(&own, "[9,9,9]").replace("\"version\":1", "\"version\":3")),
        ("a5", "x".repeat(4 << 20)),
        // Read, and of no use: another replica, another pool.
        ("a6", good("10.9.9.9:80", "[9,0,0]")),
        ("a7", good(&own, "[9,0,0]").replace("llama", "qwen")),
    ]);
    for (id, value) in &values {
        redis::cmd("SET").arg(format!("weir:load:{id}")).arg(value).exec(&mut admin).unwrap();
    }
    redis::cmd("RPUSH").arg("weir:load:a8").arg("x").exec(&mut admin).unwrap();
    let (seconds, _): (i64, i64) = redis::cmd("TIME").query(&mut admin).unwrap();
    let more = ["a8", "not:hex", "", "0123456789abcdef0123456789abcdef"];
    for id in values.keys().chain(&more) {
        let score = (seconds + 3) * 1000;
        let mut command = redis::cmd("ZADD");
        command.arg("weir:load:members").arg(score - 10_000).arg(id).exec(&mut admin).unwrap();
    }
    let undecodable = async || {
        let (_, metrics) = first.sidecar.get("/metrics").await;
        let series = "weir_sidecar_redis_errors_total{kind=\"undecodable\"} ";
        let found = metrics.lines().find_map(|line| line.strip_prefix(series).map(str::to_owned));
        found.unwrap().parse::<u64>().unwrap()
    };
    eventually("all of them", async || (undecodable().await >= 6).then_some(())).await;
    first.intake.next(20).await;
    let message = first.is_told(Some(4)).await;
    assert_eq!(message.endpoints.len(), 1, "no replica comes from Redis");
    first.shows("weir_sidecar_redis_up 1").await;
    // They are forgotten, and their keys are read no more, when nobody renews them.
    first.shows("weir_sidecar_redis_peers 1").await;
}

#[tokio::test]
async fn redis_over_tls_is_checked_against_the_configured_authority_and_gets_the_password() {
    let replica = Replica::start(vllm(1, 2)).await;
    // The commands that the README names.
    let user = "--user weir on >hunter2 ~weir:* +getrange +set +eval +evalsha +time +zadd +zremrangebyscore +zrevrange \
                +pexpire +del --user default off";
    let redis = Redis::start(&user.split_whitespace().collect::<Vec<_>>()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = (tls::certified("localhost"), tls::certified("sidecar"));
    let (ca, _) = tls::write(folder.path(), "server", &server);
    let (certificate, key) = tls::write(folder.path(), "client", &client);
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // The server of the tests is built without TLS, so it is ended before it.
    let (acceptor, address) = (tls::acceptor(&server, Some(&client), false), redis.address());
    let _front = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut redis = TcpStream::connect(address).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut redis).await;
            });
        }
    });
    let pair = format!("certificate_file: {certificate}, key_file: {key}");
    let login = format!("username: weir, password_file: {}", password.display());
    let url = format!("urls: ['rediss://localhost:{port}'], {login}, {pair}");
    let first = Side::start(&replica, 3, &format!("{url}, ca_file: {ca}")).await;
    let second = Side::start(&replica, 4, &format!("{url}, ca_file: {ca}")).await;
    first.is_told(Some(4)).await;
    second.is_told(Some(3)).await;
    // Whoever trusts another authority does not talk to it.
    let other = Side::start(&replica, 5, &format!("{url}, ca_file: {certificate}")).await;
    eventually("the refusal", async || {
        let (_, metrics) = other.sidecar.get("/metrics").await;
        let series = "weir_sidecar_redis_errors_total{kind=\"connect\"} ";
        let found = metrics.lines().find_map(|line| line.strip_prefix(series))?;
        (found != "0").then_some(())
    })
    .await;
    other.shows("weir_sidecar_redis_up 0").await;
    other.is_told(None).await;
}
