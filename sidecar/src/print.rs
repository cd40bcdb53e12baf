//! What `--print-config` prints: the configuration in force, every default filled in, as YAML.
//!
//! Secrets are not in it: keys and tokens are named by their variable or file, and what a URL asks for (its query)
//! is left out.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};
use weir_settings::sidecar::{
    AccessSettings, Discovery, EndpointSettings, GpuSelector, GpuSettings, LogFormat, LogLevel,
    MappedSeries, MetricsSource, PoolSettings, RedisMode, RedisSettings, ServicePort,
    SidecarSettings, SigningKey,
};

use crate::Config;

/// The configuration in force, in the form of a configuration file.
#[must_use]
pub fn print_config(config: &Config) -> String {
    let mut text = String::new();
    write_yaml(&mut text, &settings(&config.settings), 0);
    text
}

fn settings(settings: &SidecarSettings) -> Value {
    let listed = settings.gateways.iter().map(|gateway| json!(gateway.to_string()));
    let gateways: Vec<Value> =
        listed.chain(settings.discover_gateways.iter().map(discovery)).collect();
    let pools = settings.pools.iter().map(|one| (one.name.clone(), pool(one)));
    let mut all = object(json!({
        "listen": settings.listen.to_string(),
        "log": {"level": level(settings.log.level), "format": format_name(settings.log.format)},
        "push_timeout": duration(settings.push_timeout),
        "max_polls": settings.max_polls,
        "gateways": gateways,
        "dns": {
            "servers": settings.dns.servers.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "min_ttl": duration(settings.dns.min_ttl),
            "max_ttl": duration(settings.dns.max_ttl),
        },
        "kubernetes": without_null(json!({
            "url": settings.kubernetes.url.as_ref().map(|url| url.without_query()),
            "ca_file": settings.kubernetes.ca_file,
            "token_file": settings.kubernetes.token_file,
            "namespace": settings.kubernetes.namespace,
        })),
        "gpus": gpus(&settings.gpus),
        "pools": Value::Object(pools.collect()),
    }));
    if let Some(settings) = &settings.redis {
        all.insert("redis".to_owned(), redis(settings));
    }
    key(&mut all, &settings.signing_key, ["signing_key_env", "signing_key_file"]);
    key(&mut all, &settings.second_key, ["second_key_env", "second_key_file"]);
    Value::Object(all)
}

fn key(all: &mut Map<String, Value>, key: &SigningKey, [env, file]: [&str; 2]) {
    match key {
        SigningKey::None => None,
        SigningKey::Env(name) => all.insert(env.to_owned(), json!(name)),
        SigningKey::File(path) => all.insert(file.to_owned(), json!(path)),
    };
}

fn pool(pool: &PoolSettings) -> Value {
    let mut all = object(json!({
        "server": pool.server.name(),
        "metrics": match pool.metrics { MetricsSource::Poll => "poll", MetricsSource::None => "none" },
        "metrics_url": pool.metrics_url.without_query(),
        "poll_interval": duration(pool.poll_interval),
        "timeout": duration(pool.timeout),
        "drain_timeout": duration(pool.drain_timeout),
        "filter": pool.filter,
        "access": access(&pool.access),
        "endpoints": pool.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "discover": pool.discover.iter().filter(|one| !is_named(one)).map(discovery).collect::<Vec<_>>(),
    }));
    let named = pool.discover.iter().filter(|one| is_named(one)).map(named);
    if let Some(Value::Array(endpoints)) = all.get_mut("endpoints") {
        endpoints.extend(named);
    }
    if !pool.series.is_empty() {
        let series = pool.series.iter().map(|one| (one.value.name().to_owned(), series(one)));
        all.insert("series".to_owned(), Value::Object(series.collect()));
    }
    Value::Object(all)
}

/// A name with more than a source has is written as an endpoint.
fn is_named(one: &Discovery) -> bool {
    matches!(one, Discovery::Dns { metrics_url, gpus, .. } if metrics_url.is_some() || !gpus.is_empty())
}

fn named(one: &Discovery) -> Value {
    let Discovery::Dns { at, metrics_url, gpus } = one else { return Value::Null };
    let url = metrics_url.as_ref().map(|url| url.without_query());
    let gpus: Vec<String> = gpus.iter().map(selector).collect();
    without_null(json!({"address": at.to_string(), "metrics_url": url, "gpus": gpus}))
}

fn series(one: &MappedSeries) -> Value {
    let labels = one.labels.iter().map(|(name, value)| (name.clone(), json!(value)));
    let labels: Map<String, Value> = labels.collect();
    json!({"name": one.name, "labels": labels, "scale": one.scale})
}

fn endpoint(endpoint: &EndpointSettings) -> Value {
    let gpus: Vec<String> = endpoint.gpus.iter().map(selector).collect();
    json!({
        "address": endpoint.address.to_string(),
        "metrics_url": endpoint.metrics_url.without_query(),
        "gpus": gpus,
    })
}

fn selector(selector: &GpuSelector) -> String {
    let with = |text: String, instance: Option<u32>| match instance {
        Some(instance) => format!("{text}/{instance}"),
        None => text,
    };
    match selector {
        GpuSelector::Uuid { uuid, instance } => with(uuid.clone(), *instance),
        GpuSelector::Slot { host, index, instance } => with(format!("{host}/{index}"), *instance),
        GpuSelector::Pod(pod) => format!("pod={pod}"),
    }
}

fn discovery(one: &Discovery) -> Value {
    match one {
        Discovery::File(path) => json!({"file": path}),
        Discovery::Dns { at, .. } => json!({"dns": at.to_string()}),
        Discovery::Srv(name) => json!({"srv": name}),
        Discovery::EndpointSlices { service, namespace, port } => {
            let port = port.as_ref().map(|port| match port {
                ServicePort::Name(name) => json!(name),
                ServicePort::Number(number) => json!(number),
            });
            let slices = json!({"service": service, "namespace": namespace, "port": port});
            json!({"endpoint_slices": without_null(slices)})
        }
        Discovery::InferencePool { name, namespace } => {
            json!({"inference_pool": without_null(json!({"name": name, "namespace": namespace}))})
        }
    }
}

fn gpus(gpus: &GpuSettings) -> Value {
    let addresses = |hosts: &[std::net::IpAddr]| -> Vec<String> {
        hosts.iter().map(ToString::to_string).collect()
    };
    let exporters = gpus.exporters.iter().map(|exporter| {
        json!({"url": exporter.url.without_query(), "hosts": addresses(&exporter.hosts)})
    });
    let nvml = gpus.nvml.as_ref().map(|nvml| {
        without_null(json!({"hosts": addresses(&nvml.hosts), "library": nvml.library}))
    });
    without_null(json!({
        "poll_interval": duration(gpus.poll_interval),
        "timeout": duration(gpus.timeout),
        "access": access(&gpus.access),
        "exporters": exporters.collect::<Vec<_>>(),
        "nvml": nvml,
        "ignore_xids": gpus.ignore_xids,
    }))
}

fn redis(redis: &RedisSettings) -> Value {
    let pair = redis.certificate.as_ref();
    let master = (redis.mode == RedisMode::Sentinel).then_some(&redis.master);
    without_null(json!({
        "urls": redis.urls.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "mode": redis.mode.name(),
        "master": master,
        "username": redis.username,
        "password_file": redis.password_file,
        "sentinel_username": redis.sentinel_username,
        "sentinel_password_file": redis.sentinel_password_file,
        "ca_file": redis.ca_file,
        "certificate_file": pair.map(|(certificate, _)| certificate),
        "key_file": pair.map(|(_, key)| key),
        "prefix": redis.prefix,
        "timeout": duration(redis.timeout),
        "interval": duration(redis.interval),
    }))
}

fn access(access: &AccessSettings) -> Value {
    let pair = access.certificate.as_ref();
    without_null(json!({
        "ca_file": access.ca_file,
        "certificate_file": pair.map(|(certificate, _)| certificate),
        "key_file": pair.map(|(_, key)| key),
        "server_name": access.server_name,
        "bearer_token_file": access.bearer_token_file,
        "http2": access.http2,
    }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn without_null(value: Value) -> Value {
    Value::Object(object(value).into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// As the configuration has it: whole ms, or whole seconds.
fn duration(duration: Duration) -> String {
    match duration.as_millis() {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

fn format_name(format: LogFormat) -> &'static str {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
}

/// Block style; scalars, which JSON and YAML write alike, as JSON.
fn write_yaml(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                // Writing to a string cannot fail.
                let _ = write!(text, "{:indent$}{}:", "", json!(key));
                write_below(text, value, indent + 2);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let _ = write!(text, "{:indent$}-", "");
                write_below(text, value, indent + 2);
            }
        }
        scalar => {
            let _ = writeln!(text, "{:indent$}{scalar}", "");
        }
    }
}

fn write_below(text: &mut String, value: &Value, indent: usize) {
    let nested = match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    };
    if nested {
        text.push('\n');
        write_yaml(text, value, indent);
    } else {
        let _ = writeln!(text, " {value}");
    }
}
