//! One pool of replicas.

use std::time::Duration;

use serde::Deserialize;
use weir_snapshot::is_pool_name;
use weir_snapshot::limits::{MAX_ENDPOINTS, MAX_NAME_BYTES};

use super::access::{AccessSettings, RawAccess};
use super::checks::quoted;
use super::discovery::{Discovery, RawDiscovery};
use super::endpoint::{EndpointSettings, MetricsUrl, RawEndpoint, Written};
use super::server::{MappedSeries, MetricsSource, ModelServerKind, RawSeries};
use crate::SettingsError;
use crate::duration::{Bounds, bounded};

/// Below 10 ms the polls cost more than they tell; above a minute a view is no view.
const POLL_INTERVAL: Bounds = Bounds {
    default: Duration::from_millis(100),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// A loaded model server answers its metrics late; one that takes a second is as good as gone.
const TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(1),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// A long answer takes minutes; after that a replica that was taken away is not waited for.
const DRAIN_TIMEOUT: Bounds = Bounds {
    default: Duration::from_secs(300),
    min: Duration::from_secs(0),
    max: Duration::from_secs(3600),
};

/// Most sources of one pool.
const MAX_SOURCES: usize = 64;

/// One pool as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPool {
    /// Which model server the replicas run, so which metric names are read; each page tells if not given (`auto`).
    #[serde(default)]
    pub server: ModelServerKind,
    /// The series of any other server: which of its metrics says what.
    #[serde(default)]
    pub series: Option<RawSeries>,
    /// `none` where the server has no metrics, such as Ollama: nothing is polled, and own counts and prefix
    /// affinity place requests.
    #[serde(default)]
    pub metrics: MetricsSource,
    /// Where the metrics of replicas are that do not say it themselves; `{ip}` and `{port}` stand for those of the
    /// address. `http://{ip}:{port}/metrics` if not given; for `trtllm` `/prometheus/metrics`, for `nim` `/v1/metrics`.
    #[serde(default)]
    pub metrics_url: Option<String>,
    /// How often each replica is polled, and the pool's snapshot pushed: 10ms to 60s, 100ms if
    /// not given.
    #[serde(default)]
    pub poll_interval: Option<String>,
    /// How long one poll may take: 10ms to 60s, 1s if not given.
    #[serde(default)]
    pub timeout: Option<String>,
    /// How long a replica that was taken away may still be shown as draining: 0s to 60m, 5m if not given.
    #[serde(default)]
    pub drain_timeout: Option<String>,
    /// TLS, token and HTTP version of the polls.
    #[serde(default)]
    pub access: RawAccess,
    /// False: whole pages are asked for also where the server could filter (`name[]=`).
    #[serde(default)]
    pub filter: Option<bool>,
    /// The replicas that are known by address or name.
    #[serde(default)]
    pub endpoints: Vec<RawEndpoint>,
    /// Where others are found.
    #[serde(default)]
    pub discover: Vec<RawDiscovery>,
}

/// One compiled pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSettings {
    /// Name, as the filters know it.
    pub name: String,
    /// Which metric names are read.
    pub server: ModelServerKind,
    /// The names of another server; empty where `server` says them.
    pub series: Vec<MappedSeries>,
    /// Whether there are metrics at all.
    pub metrics: MetricsSource,
    /// Where the metrics of replicas are that are found.
    pub metrics_url: MetricsUrl,
    /// Time between two polls of a replica, and between two pushes.
    pub poll_interval: Duration,
    /// How long one poll may take.
    pub timeout: Duration,
    /// How long a replica that was taken away is shown at most.
    pub drain_timeout: Duration,
    /// TLS, token and HTTP version of the polls.
    pub access: AccessSettings,
    /// Whether pages are asked for in part where the server can.
    pub filter: bool,
    /// The replicas that are listed, no address twice.
    pub endpoints: Vec<EndpointSettings>,
    /// Where others are found. Of this and `endpoints`, one is not empty.
    pub discover: Vec<Discovery>,
}

impl PoolSettings {
    pub(super) fn compile(name: String, raw: RawPool) -> Result<Self, SettingsError> {
        check_name(&name)?;
        let field = format!("pools.{name}");
        let duration = |part: &str, written: Option<String>, bounds| {
            bounded(&format!("{field}.{part}"), written.as_deref(), bounds)
        };
        let metrics_url = match &raw.metrics_url {
            Some(url) => MetricsUrl::parse(&format!("{field}.metrics_url"), url)?,
            None => MetricsUrl::plain(raw.server.metrics_path()),
        };
        let (endpoints, discover) = replicas(&field, &raw.endpoints, raw.discover, &metrics_url)?;
        Ok(Self {
            server: raw.server,
            series: series(&field, raw.server, raw.series)?,
            metrics: raw.metrics,
            poll_interval: duration("poll_interval", raw.poll_interval, &POLL_INTERVAL)?,
            timeout: duration("timeout", raw.timeout, &TIMEOUT)?,
            drain_timeout: duration("drain_timeout", raw.drain_timeout, &DRAIN_TIMEOUT)?,
            access: raw.access.compile(&format!("{field}.access"))?,
            filter: raw.filter.unwrap_or(true),
            metrics_url,
            endpoints,
            discover,
            name,
        })
    }

    /// Whether a page of it may be asked for over TLS: a file of replicas may name any URL.
    #[must_use]
    pub fn needs_tls(&self) -> bool {
        let file = |one: &Discovery| matches!(one, Discovery::File(_));
        let polled = self.metrics == MetricsSource::Poll;
        self.surely_needs_tls() || polled && self.discover.iter().any(file)
    }

    /// Whether a page of it is asked for over TLS, as far as this configuration says.
    #[must_use]
    pub fn surely_needs_tls(&self) -> bool {
        let named = |one: &Discovery| match one {
            Discovery::Dns { metrics_url: Some(url), .. } => url.is_https(),
            _ => false,
        };
        self.metrics == MetricsSource::Poll
            && (self.metrics_url.is_https()
                || self.endpoints.iter().any(|one| one.metrics_url.is_https())
                || self.discover.iter().any(named))
    }
}

/// The rule for names is that of the push message.
fn check_name(name: &str) -> Result<(), SettingsError> {
    if is_pool_name(name) {
        return Ok(());
    }
    let problem = format!("must be 1 to {MAX_NAME_BYTES} letters, digits or any of . _ - : /");
    Err(SettingsError::invalid("pools (name)", quoted(name), problem))
}

fn series(
    field: &str,
    server: ModelServerKind,
    raw: Option<RawSeries>,
) -> Result<Vec<MappedSeries>, SettingsError> {
    let Some(raw) = raw else { return Ok(Vec::new()) };
    if server != ModelServerKind::Auto {
        let problem = "and series exclude each other";
        return Err(SettingsError::invalid(format!("{field}.server"), server.name(), problem));
    }
    raw.compile(&format!("{field}.series"))
}

type Replicas = (Vec<EndpointSettings>, Vec<Discovery>);

/// Refuses a pool with too many entries, or with none at all.
fn check_counts(field: &str, listed: usize, sources: usize) -> Result<(), SettingsError> {
    if listed > MAX_ENDPOINTS || listed == 0 && sources == 0 {
        let problem = format!("entries, must be 1 to {MAX_ENDPOINTS} where nothing is discovered");
        return Err(SettingsError::invalid(format!("{field}.endpoints"), listed, problem));
    }
    if sources > MAX_SOURCES {
        let problem = format!("entries, at most {MAX_SOURCES}");
        return Err(SettingsError::invalid(format!("{field}.discover"), sources, problem));
    }
    Ok(())
}

/// The replicas that are listed, and the sources of others: names are such sources, too.
fn replicas(
    field: &str,
    listed: &[RawEndpoint],
    sources: Vec<RawDiscovery>,
    metrics_url: &MetricsUrl,
) -> Result<Replicas, SettingsError> {
    check_counts(field, listed.len(), sources.len())?;
    let (mut endpoints, mut discover) = (Vec::with_capacity(listed.len()), Vec::new());
    let mut seen = std::collections::BTreeSet::new();
    for (at, raw) in listed.iter().enumerate() {
        let field = format!("{field}.endpoints[{at}]");
        let written = Written::read(&field, raw, metrics_url)?;
        let spelling = match &written {
            Written::Address(one) => one.address.to_string(),
            Written::Name { at, .. } => at.to_string(),
        };
        if !seen.insert(spelling) {
            let field = format!("{field}.address");
            return Err(SettingsError::invalid(field, quoted(&raw.address), "stands twice"));
        }
        match written {
            Written::Address(one) => endpoints.push(one),
            Written::Name { at, metrics_url, gpus } => {
                discover.push(Discovery::Dns { at, metrics_url, gpus });
            }
        }
    }
    for (at, raw) in sources.into_iter().enumerate() {
        discover.push(raw.compile(&format!("{field}.discover[{at}]"))?);
    }
    Ok((endpoints, discover))
}
