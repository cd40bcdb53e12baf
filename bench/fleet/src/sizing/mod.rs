//! What Redis does for so many gateways and keys.

mod gateway;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;
use weir_harness::{HttpClient, Ports, Redis, Request, Sidecar};

use crate::failure::Failure;
use crate::machine::load_average;
use crate::redis::Done;
use gateway::Gateway;

/// Gateways, with a sidecar each, and keys that all of them use with every push.
const CELLS: [(usize, usize); 10] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (10, 0),
    (1, 100),
    (3, 100),
    (10, 100),
    (1, 1_000),
    (3, 1_000),
    (10, 1_000),
];

/// Until every sidecar knows every other and, where nothing is used, has fallen quiet; and until all keys have grants.
const SETTLE: Duration = Duration::from_secs(8);

/// Keys whose memory is asked for.
const LOOKED_AT: usize = 20;

/// What was measured in one cell. Rates are of all gateways together.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    gateways: usize,
    keys: usize,
    /// Commands that sidecars send in a second.
    sent: f64,
    /// Commands that Redis executes in a second: what scripts ask for counts, too.
    executed: f64,
    /// Scripts that are run in a second.
    scripts: f64,
    /// Part of a processor that Redis takes.
    cpu: f64,
    /// Bytes of a key; 0 without any.
    key_bytes: f64,
    /// Pushes of a gateway in a second: fewer than ten say that this machine was too slow.
    pushes: f64,
}

/// Measures every cell for so many seconds.
///
/// # Errors
/// When something does not start or answer.
pub(crate) async fn measure(seconds: u64) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for (gateways, keys) in CELLS {
        eprintln!("size, {gateways} gateways and {keys} keys: {seconds} s");
        rows.push(cell(gateways, keys, seconds).await?);
    }
    Ok(rows)
}

/// Starts stand-ins of gateways, each with a sidecar of its own.
async fn start(
    gateways: usize,
    keys: usize,
    redis: &Redis,
) -> Result<(Vec<Gateway>, Vec<Sidecar>), Failure> {
    let (mut all, mut sidecars) = (Vec::new(), Vec::new());
    for number in 0..gateways {
        let gateway = Gateway::start(number, keys).await.map_err(Failure::StandIn)?;
        let yaml = yaml(&gateway, redis);
        sidecars.push(Sidecar::start(&yaml, &Ports::allocate()?, &[]).await?);
        all.push(gateway);
    }
    Ok((all, sidecars))
}

async fn cell(gateways: usize, keys: usize, seconds: u64) -> Result<Row, Failure> {
    let redis = Redis::start(&[])?;
    let (all, sidecars) = start(gateways, keys, &redis).await?;
    sleep(SETTLE).await;
    let pushes = || all.iter().map(Gateway::pushes).sum::<u64>() as f64;
    let look = async || {
        // Each has its own time: on a busy machine the answers take long.
        let pushed = (pushes(), Instant::now());
        let done = (Done::of(&redis).await?, Instant::now());
        Ok::<_, Failure>((pushed, done, (sent(&sidecars).await?, Instant::now())))
    };
    let before = look().await?;
    sleep(Duration::from_secs(seconds)).await;
    let after = look().await?;
    let took = (after.1.1 - before.1.1).as_secs_f64();
    let done = |of: fn(&Done) -> f64| (of(&after.1.0) - of(&before.1.0)) / took;
    let rate =
        |from: (f64, Instant), to: (f64, Instant)| (to.0 - from.0) / (to.1 - from.1).as_secs_f64();
    Ok(Row {
        gateways,
        keys,
        sent: rate(before.2, after.2),
        executed: done(Done::commands),
        scripts: done(Done::scripts),
        cpu: done(Done::cpu_s),
        key_bytes: key_bytes(&redis).await?,
        pushes: rate(before.0, after.0) / gateways as f64,
    })
}

fn yaml(gateway: &Gateway, redis: &Redis) -> String {
    let (address, redis) = (gateway.address(), redis.url());
    format!(
        "listen: 127.0.0.1:9500\nlog: {{level: warn, format: text}}\ngateways: ['http://{address}']\n\
         redis: {{urls: ['{redis}'], timeout: 2s}}\npools:\n  p:\n    poll_interval: 100ms\n    \
         endpoints:\n    - address: {address}\n"
    )
}

/// Commands that the sidecars have sent so far, as they say.
async fn sent(sidecars: &[Sidecar]) -> Result<f64, Failure> {
    let mut all = 0.0;
    for sidecar in sidecars {
        let reply = HttpClient::http1().send(sidecar.address(), Request::get("/metrics")).await?;
        let text = reply.text();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let counted =
            lines.filter(|(name, _)| name.starts_with("weir_sidecar_redis_commands_total"));
        all += counted.filter_map(|(_, value)| value.parse::<f64>().ok()).sum::<f64>();
    }
    Ok(all)
}

async fn key_bytes(redis: &Redis) -> Result<f64, Failure> {
    let (mut bytes, mut count) = (0.0, 0);
    for key in redis.ask("KEYS weir:lease:*").await?.iter().take(LOOKED_AT) {
        let told = redis.ask(&format!("MEMORY USAGE {key}")).await?;
        let told = told.first().and_then(|text| text.trim_start_matches(':').parse::<f64>().ok());
        bytes += told.unwrap_or_default();
        count += 1;
    }
    Ok(bytes / f64::from(count.max(1)))
}

/// A table for people, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "\nSidecars with a gateway each, whose keys all gateways use with every push. Load average {:.1}.\n\n\
         | gateways | keys | commands sent/s, each sidecar | commands executed/s, each sidecar | scripts/s | Redis' processor | \
         µs each script | bytes each key | pushes/s |\n|---|---|---|---|---|---|---|---|---|\n",
        load_average()
    );
    for row in rows {
        let each = |rate: f64| rate / row.gateways as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.0}, {:.1} | {:.0}, {:.1} | {:.0} | {:.1} % | {:.0} | {:.0} | {:.1} |",
            row.gateways,
            row.keys,
            row.sent,
            each(row.sent),
            row.executed,
            each(row.executed),
            row.scripts,
            row.cpu * 100.0,
            row.cpu * 1e6 / row.scripts.max(1.0),
            row.key_bytes,
            row.pushes
        );
    }
    text
}
