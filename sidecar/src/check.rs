//! What `--check` prints: what a configuration would do.

use std::fmt::{self, Write};

use weir_settings::sidecar::{GpuSettings, MetricsSource, PoolSettings, SigningKey};

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
    for gateway in &settings.gateways {
        writeln!(text, "push to {gateway}, at most {:?} each", settings.push_timeout)?;
        if settings.signing_key == SigningKey::None && !gateway.is_unix() {
            writeln!(text, "  warning: anybody who can connect there can push the same way")?;
        }
    }
    settings.pools.iter().try_for_each(|pool| describe_pool(text, pool))?;
    describe_gpus(text, &settings.gpus)
}

fn describe_pool(text: &mut String, pool: &PoolSettings) -> fmt::Result {
    let PoolSettings { name, server, metrics, poll_interval, timeout, endpoints } = pool;
    let (count, server) = (endpoints.len(), server.name());
    writeln!(
        text,
        "pool {name}: {count} replicas ({server}), every {poll_interval:?}, at most {timeout:?} each"
    )?;
    if *metrics == MetricsSource::None {
        return writeln!(text, "  without metrics: nothing is polled");
    }
    for endpoint in endpoints {
        let url = endpoint.metrics_url.without_query();
        writeln!(text, "  {} with metrics at {url}", endpoint.address)?;
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
