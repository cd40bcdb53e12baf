//! Replicas and gateways by DNS names, looked up again as often as their TTL says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ProtocolConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use tokio::time::sleep;
use weir_settings::sidecar::{DnsSettings, EndpointSettings, GpuSelector, MetricsUrl};

use super::board::Spoken;
use super::found::Found;
use super::pause::pause;

/// After that a name that has no records is looked up again, if the settings don't say later.
const NO_RECORDS: Duration = Duration::from_secs(5);

/// Most answers that are kept: a few per name that is configured.
const CACHED: u64 = 256;

/// Looks names up.
pub(crate) struct Resolver {
    resolver: TokioResolver,
    min_ttl: Duration,
    max_ttl: Duration,
}

/// Names cannot be looked up.
#[derive(Debug, thiserror::Error)]
#[error("dns: cannot be used: {0}")]
pub struct ResolverError(String);

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Resolver")
    }
}

/// What the replicas of a name have in common.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) metrics_url: MetricsUrl,
    pub(super) gpus: Vec<GpuSelector>,
}

impl Template {
    fn found(&self, address: SocketAddr) -> Found {
        let metrics_url = self.metrics_url.of(address);
        Found::ready(EndpointSettings { address, metrics_url, gpus: self.gpus.clone() })
    }
}

impl Resolver {
    /// A resolver as `settings` say; it asks nobody yet.
    ///
    /// # Errors
    /// [`ResolverError`] if no server is named and `/etc/resolv.conf` names none.
    pub(crate) fn new(settings: &DnsSettings) -> Result<Self, ResolverError> {
        let error = |error: NetError| ResolverError(error.to_string());
        let mut builder = if settings.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(error)?
        } else {
            let servers = settings.servers.iter().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        // A replica with two addresses is still one replica.
        options.ip_strategy = LookupIpStrategy::Ipv4thenIpv6;
        options.cache_size = CACHED;
        options.positive_max_ttl = Some(settings.max_ttl);
        options.negative_max_ttl = Some(settings.max_ttl);
        let resolver = builder.build().map_err(error)?;
        Ok(Self { resolver, min_ttl: settings.min_ttl, max_ttl: settings.max_ttl })
    }

    /// Every address of `name`, and until when that holds.
    async fn addresses(&self, name: &Name) -> Result<(Vec<IpAddr>, Instant), NetError> {
        match self.resolver.lookup_ip(name.clone()).await {
            Ok(found) => Ok((found.iter().collect(), found.valid_until())),
            Err(error) if error.is_no_records_found() => {
                Ok((Vec::new(), Instant::now() + NO_RECORDS))
            }
            Err(error) => Err(error),
        }
    }

    /// Every address of every target of `name`.
    async fn services(&self, name: &Name) -> Result<(Vec<SocketAddr>, Instant), NetError> {
        let found = match self.resolver.srv_lookup(name.clone()).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() => {
                return Ok((Vec::new(), Instant::now() + NO_RECORDS));
            }
            Err(error) => return Err(error),
        };
        let (mut all, mut until) = (Vec::new(), found.valid_until());
        for record in found.answers() {
            let RData::SRV(service) = &record.data else { continue };
            let (addresses, valid) = self.addresses(&service.target).await?;
            until = until.min(valid);
            all.extend(addresses.into_iter().map(|ip| SocketAddr::new(ip, service.port)));
        }
        Ok((all, until))
    }

    async fn look(&self, name: &str, query: Query) -> Result<(Vec<SocketAddr>, Instant), NetError> {
        let name = Name::from_utf8(name)?;
        match query {
            Query::Services => self.services(&name).await,
            Query::Addresses(port) => {
                let (addresses, until) = self.addresses(&name).await?;
                Ok((addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), until))
            }
        }
    }

    /// How long to wait until `valid`, within the limits.
    fn time_until(&self, valid: Instant) -> Duration {
        valid.saturating_duration_since(Instant::now()).clamp(self.min_ttl, self.max_ttl)
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ProtocolConfig::Udp, ProtocolConfig::Tcp].map(|protocol| {
        let mut connection = ConnectionConfig::new(protocol);
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// What is looked up of a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Query {
    /// Every address, with this port.
    Addresses(u16),
    /// Every target of its SRV records.
    Services,
}

/// Says what `query` finds of a name, for ever.
pub(super) async fn watch(
    resolver: Arc<Resolver>,
    name: String,
    query: Query,
    template: Template,
    slot: Spoken,
) {
    let mut failures = 0;
    loop {
        match resolver.look(&name, query).await {
            Ok((mut addresses, until)) => {
                failures = 0;
                // Servers turn the order of records with every answer.
                addresses.sort_unstable();
                addresses.dedup();
                slot.say(addresses.into_iter().map(|address| template.found(address)).collect());
                sleep(resolver.time_until(until)).await;
            }
            Err(error) => {
                failures += 1;
                slot.fail(&format!("cannot look up {name}: {error}"));
                sleep(pause(failures)).await;
            }
        }
    }
}
