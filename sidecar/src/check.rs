//! What `--check` prints: what a configuration would do.

use std::fmt::{self, Write};

use weir_settings::sidecar::{
    Discovery, GpuSettings, HttpUrl, MetricsSource, PoolSettings, RedisSettings, RedisUrl,
    SigningKey,
};

use crate::Config;

/// A description of what the sidecar would do with `config`, for people.
#[must_use]
pub fn check(config: &Config) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = describe(&mut text, config);
    text
}

fn describe(text: &mut String, config: &Config) -> fmt::Result {
    let settings = &config.settings;
    writeln!(text, "the configuration can be used")?;
    writeln!(text, "own HTTP on http://{}", settings.listen)?;
    match &settings.signing_key {
        SigningKey::None => writeln!(text, "snapshots are not signed")?,
        SigningKey::Env(name) => writeln!(text, "snapshots are signed with the key in ${name}")?,
        SigningKey::File(path) => writeln!(text, "snapshots are signed with the key in {path}")?,
    }
    match &settings.second_key {
        SigningKey::None => {}
        SigningKey::Env(name) => writeln!(text, "  or, where that is refused, in ${name}")?,
        SigningKey::File(path) => writeln!(text, "  or, where that is refused, in {path}")?,
    }
    for gateway in &settings.gateways {
        writeln!(text, "push to {gateway}, at most {:?} each", settings.push_timeout)?;
        if settings.signing_key == SigningKey::None && !gateway.is_unix() {
            writeln!(text, "  warning: anybody who can connect there can push the same way")?;
        }
    }
    for source in &settings.discover_gateways {
        writeln!(
            text,
            "push to every gateway of {source}, at most {:?} each",
            settings.push_timeout
        )?;
        if settings.signing_key == SigningKey::None {
            writeln!(text, "  warning: anybody who can connect there can push the same way")?;
        }
    }
    settings.pools.iter().try_for_each(|pool| describe_pool(text, pool))?;
    describe_gpus(text, &settings.gpus)?;
    settings.redis.iter().try_for_each(|redis| describe_redis(text, redis))
}

fn describe_pool(text: &mut String, pool: &PoolSettings) -> fmt::Result {
    let PoolSettings { name, poll_interval, timeout, endpoints, .. } = pool;
    let server = if pool.series.is_empty() { pool.server.name() } else { "by its own series" };
    let count = endpoints.len();
    writeln!(
        text,
        "pool {name}: {count} replicas ({server}), every {poll_interval:?}, at most {timeout:?} each"
    )?;
    let polled = pool.metrics == MetricsSource::Poll;
    if !polled {
        writeln!(text, "  without metrics: nothing is polled")?;
    }
    for endpoint in endpoints.iter().filter(|_| polled) {
        let url = endpoint.metrics_url.without_query();
        writeln!(text, "  {} with metrics at {url}", endpoint.address)?;
    }
    for source in &pool.discover {
        let url = match source {
            Discovery::Dns { metrics_url: Some(url), .. } => url,
            _ => &pool.metrics_url,
        };
        writeln!(text, "  every replica of {source} with metrics at {}", url.without_query())?;
    }
    let plain = |url: &HttpUrl| !url.is_https();
    let in_the_clear = !pool.metrics_url.is_https() && !pool.discover.is_empty()
        || endpoints.iter().any(|endpoint| plain(&endpoint.metrics_url));
    if pool.access.bearer_token_file.is_some() && in_the_clear {
        writeln!(text, "  warning: the token is sent unencrypted over http")?;
    }
    Ok(())
}

fn describe_redis(text: &mut String, redis: &RedisSettings) -> fmt::Result {
    let RedisSettings { mode, prefix, interval, timeout, .. } = redis;
    let urls: Vec<String> = redis.urls.iter().map(ToString::to_string).collect();
    let (urls, mode) = (urls.join(", "), mode.name());
    writeln!(
        text,
        "share with other sidecars through {urls} ({mode}), every {interval:?}, at most {timeout:?} each"
    )?;
    writeln!(text, "  with keys that begin with {prefix}:")?;
    let remote = redis.urls.iter().any(|url| matches!(url, RedisUrl::Tcp { tls: false, .. }));
    if redis.password_file.is_some() && remote {
        writeln!(text, "  warning: the password is sent unencrypted over redis://")?;
    }
    Ok(())
}

fn describe_gpus(text: &mut String, gpus: &GpuSettings) -> fmt::Result {
    let interval = gpus.poll_interval;
    for exporter in &gpus.exporters {
        let hosts: Vec<String> = exporter.hosts.iter().map(ToString::to_string).collect();
        let of = if hosts.is_empty() { "named GPUs only".to_owned() } else { hosts.join(", ") };
        writeln!(text, "GPUs at {}, every {interval:?}: {of}", exporter.url.without_query())?;
    }
    if gpus.nvml.is_some() {
        writeln!(text, "this machine's GPUs through NVML, every {interval:?}")?;
    }
    Ok(())
}
