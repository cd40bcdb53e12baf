//! The client against a real server.

use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;
use weir_harness::Redis as Server;
use weir_settings::sidecar::SidecarSettings;

use super::error::Failure;
use super::*;

/// Adds to a number, and lets it expire.
const ADD: &str = "local sum = redis.call('INCRBY', KEYS[1], ARGV[1]) redis.call('PEXPIRE', KEYS[1], 60000) return sum";

/// A client with the further lines `more` of its configuration, and the task that keeps its connection.
fn client(url: &str, more: &str) -> (Arc<Redis>, JoinSet<()>) {
    let yaml = format!(
        "gateways: ['unix:/x']\npools: {{p: {{endpoints: [{{address: '127.0.0.1:1'}}]}}}}\n\
         redis: {{urls: ['{url}'], timeout: 300ms, {more}}}"
    );
    let settings = SidecarSettings::from_yaml(yaml.as_bytes()).unwrap();
    let access = load(&settings.redis.unwrap()).unwrap();
    let redis = Arc::new(Redis::new(&access, Arc::default()));
    let mut tasks = JoinSet::new();
    tasks.spawn(Keeper::new(&redis, &access).unwrap().run());
    (redis, tasks)
}

/// Adds one under the key `name` until that works, and returns the sum.
async fn add(redis: &Redis, script: &Script, name: &str) -> i64 {
    let call = Call { keys: vec![redis.key(name)], arguments: vec![b"1".to_vec()] };
    for _ in 0..2000 {
        match redis.run(script, std::slice::from_ref(&call)).await.as_deref() {
            Ok([Ok(Value::Int(sum))]) => return *sum,
            _ => sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("never: {:?}", redis.health().view());
}

fn failures(redis: &Redis, wanted: Failure) -> u64 {
    let view = redis.health().view();
    view.failures().find(|(failure, _)| *failure == wanted).unwrap().1
}

#[tokio::test]
async fn scripts_run_by_their_hash_and_also_after_a_flush_and_a_restart() {
    let mut server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server.url(), "prefix: fleet-1");
    let script = Script::new(ADD);
    assert_eq!(add(&redis, &script, "a").await, 1);
    let flush = [::redis::cmd("SCRIPT").arg("FLUSH").clone()];
    assert!(matches!(redis.ask(&flush).await.unwrap()[..], [Ok(_)]));
    // Of a batch, each is sent whole.
    let call = |name: &str| Call { keys: vec![redis.key(name)], arguments: vec![b"5".to_vec()] };
    let calls = [call("a"), call("b"), call("a")];
    let replies = redis.run(&script, &calls).await.unwrap();
    let [Ok(Value::Int(6)), Ok(Value::Int(5)), Ok(Value::Int(11))] = replies[..] else {
        panic!("{replies:?}")
    };
    assert!(redis.health().is_up());
    server.process().kill();
    assert!(redis.run(&script, &calls).await.is_err());
    assert!(!redis.health().is_up());
    server.restart().unwrap();
    assert_eq!(add(&redis, &script, "a").await, 1);
    let keys = redis.ask(&[::redis::cmd("KEYS").arg("*").clone()]).await.unwrap();
    assert_eq!(keys, [Ok(Value::Array(vec![Value::BulkString(b"fleet-1:a".to_vec())]))]);
    assert!(redis.health().view().connections >= 2);
}

#[tokio::test]
async fn a_refused_command_is_told_by_its_code_and_spoils_no_other() {
    let server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server.url(), "");
    add(&redis, &Script::new(ADD), "n").await;
    let (key, script) = (redis.key("n"), Script::new("return redis.error_reply('OOPS hunter2')"));
    let good = ::redis::cmd("GET").arg(&key).clone();
    let bad = ::redis::cmd("LPUSH").arg(&key).arg("hunter2").clone();
    let replies = redis.ask(&[good.clone(), bad, good]).await.unwrap();
    let value = || Ok(Value::BulkString(b"1".to_vec()));
    assert_eq!(replies, [value(), Err(AskError::Refused("WRONGTYPE".to_owned())), value()]);
    let replies = redis.run(&script, &[Call::default()]).await.unwrap();
    assert_eq!(replies, [Err(AskError::Refused("OOPS".to_owned()))]);
    assert_eq!(failures(&redis, Failure::Refused), 2);
    assert!(!format!("{:?}", redis.health().view()).contains("hunter2"));
}

#[tokio::test]
async fn a_stopped_server_costs_the_timeout_once_and_then_nothing() {
    let mut server = Server::start(&[]).unwrap();
    let (redis, _tasks) = client(&server.url(), "");
    let script = Script::new(ADD);
    add(&redis, &script, "n").await;
    server.process().freeze();
    let ping = [::redis::cmd("PING")];
    assert_eq!(redis.ask(&ping).await, Err(AskError::Timeout(Duration::from_millis(300))));
    assert_eq!(redis.ask(&ping).await, Err(AskError::Down), "there is no connection");
    server.process().thaw();
    add(&redis, &script, "n").await;
    assert!(failures(&redis, Failure::Timeout) >= 1);
}

#[tokio::test]
async fn a_user_needs_its_password() {
    let server = Server::start(&[]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let mut admin = admin(&server);
    let user = "SETUSER weir on >hunter2 ~weir:* +@all";
    let mut command = ::redis::cmd("ACL");
    command.arg(user.split(' ').collect::<Vec<_>>());
    command.exec(&mut admin).unwrap();
    let more = format!("username: weir, password_file: {}", password.display());
    let (redis, _tasks) = client(&server.url(), &more);
    add(&redis, &Script::new(ADD), "n").await;
    // Another prefix is not this user's.
    let other = [::redis::cmd("GET").arg("other:n").clone()];
    let refused = [Err(AskError::Refused("NOPERM".to_owned()))];
    assert_eq!(redis.ask(&other).await.unwrap(), refused);
    std::fs::write(&password, "hunter3\n").unwrap();
    let (redis, _tasks) = client(&server.url(), &more);
    while failures(&redis, Failure::Login) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    let view = redis.health().view();
    assert!(view.error.unwrap().contains("password_file"), "it says what to look at");
}

#[tokio::test]
async fn what_answers_but_is_no_redis_is_none() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let (redis, _tasks) = client(&url, "");
    let (stream, _) = listener.accept().await.unwrap();
    stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    drop(stream);
    let ping = [::redis::cmd("PING")];
    let broken = async {
        while !matches!(redis.ask(&ping).await, Err(AskError::Broken(_))) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), broken).await.unwrap();
    assert_eq!(redis.ask(&ping).await, Err(AskError::Down));
    assert!(!redis.health().is_up());
}

/// Waits until `look` sees something.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..4000 {
        if let Some(seen) = look().await {
            return seen;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}")
}

fn admin(server: &Server) -> ::redis::Connection {
    ::redis::Client::open(server.url()).unwrap().get_connection().unwrap()
}

#[tokio::test]
async fn in_a_cluster_each_key_is_asked_for_where_it_lies() {
    let servers = Server::cluster(&[]).await.unwrap();
    let (redis, _tasks) = client(&servers[0].url(), "mode: cluster");
    let script = Script::new(ADD);
    add(&redis, &script, "n").await;
    let call = |at: u32| Call { keys: vec![redis.key(at)], arguments: vec![b"2".to_vec()] };
    let calls: Vec<Call> = (0..60).map(call).collect();
    let replies = redis.run(&script, &calls).await.unwrap();
    assert!(replies.iter().all(|reply| *reply == Ok(Value::Int(2))), "{replies:?}");
    for server in &servers {
        let keys: u32 = ::redis::cmd("DBSIZE").query(&mut admin(server)).unwrap();
        assert!(keys > 5, "{keys} keys of 61");
        ::redis::cmd("SCRIPT").arg("FLUSH").exec(&mut admin(server)).unwrap();
    }
    let replies = redis.run(&script, &calls).await.unwrap();
    assert!(replies.iter().all(|reply| *reply == Ok(Value::Int(4))), "{replies:?}");
}

#[tokio::test]
async fn sentinels_tell_which_server_there_is_also_after_a_fail_over() {
    let mut first = Server::start(&[]).unwrap();
    let port = first.address().port().to_string();
    let second = Server::start(&["--replicaof", "127.0.0.1", &port]).unwrap();
    eventually("the replica", async || {
        let info: String =
            ::redis::cmd("INFO").arg("replication").query(&mut admin(&first)).ok()?;
        info.contains("state=online").then_some(())
    })
    .await;
    let sentinel = Server::sentinel(&first).unwrap();
    let (redis, _tasks) = client(&sentinel.url(), "mode: sentinel, master: weir");
    let script = Script::new(ADD);
    assert_eq!(add(&redis, &script, "n").await, 1);
    eventually("the sentinel's knowledge", async || {
        let mut command = ::redis::cmd("SENTINEL");
        let found: Value = command.arg("replicas").arg("weir").query(&mut admin(&sentinel)).ok()?;
        matches!(found, Value::Array(replicas) if replicas.len() == 1).then_some(())
    })
    .await;
    first.process().kill();
    assert!(add(&redis, &script, "n").await >= 1, "at the one that was the replica");
    let value: Option<i64> =
        ::redis::cmd("GET").arg(redis.key("n")).query(&mut admin(&second)).unwrap();
    assert!(value.is_some());
}
