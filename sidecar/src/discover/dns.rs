//! Replicas and gateways by DNS names, looked up again as often as their TTL says.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::time::sleep;
use weir_settings::sidecar::{DnsSettings, EndpointSettings, GpuSelector, MetricsUrl};

use super::board::Spoken;
use super::found::Found;
use super::pause::pause;

/// After that a name that has no records is looked up again, if the settings don't say later.
const NO_RECORDS: Duration = Duration::from_secs(5);

/// How long one question may take at most, so that a server that has fallen silent is told of within seconds. What was known
/// holds meanwhile.
const SILENCE: Duration = Duration::from_secs(2);

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

/// What a lookup has found.
struct Answer<T> {
    found: Vec<T>,
    /// How long that holds.
    until: Instant,
    /// The name under which it was found, with its domain.
    full_name: Option<Name>,
}

impl<T> Answer<T> {
    fn of(found: Vec<T>, lookup: &Lookup) -> Self {
        let mut name = lookup.query().name().clone();
        name.set_fqdn(true);
        Self { found, until: lookup.valid_until(), full_name: Some(name) }
    }

    /// There are no records.
    fn none() -> Self {
        Self { found: Vec::new(), until: Instant::now() + NO_RECORDS, full_name: None }
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
        options.cache_size = CACHED;
        options.timeout = options.timeout.min(SILENCE);
        options.positive_max_ttl = Some(settings.max_ttl);
        options.negative_max_ttl = Some(settings.max_ttl);
        let resolver = builder.build().map_err(error)?;
        Ok(Self { resolver, min_ttl: settings.min_ttl, max_ttl: settings.max_ttl })
    }

    /// The records of that type; `None` if it is known that there are none. A server that fails says nothing of that.
    async fn records(&self, name: &Name, kind: RecordType) -> Result<Option<Lookup>, NetError> {
        match self.resolver.lookup(name.clone(), kind).await {
            Ok(found) => Ok(Some(found).filter(|found| !found.answers().is_empty())),
            Err(error) if error.is_no_records_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every address of `name`; those of IPv6 only where there are no others, since a replica with two addresses is
    /// still one replica.
    async fn addresses(&self, name: &Name) -> Result<Answer<IpAddr>, NetError> {
        for kind in [RecordType::A, RecordType::AAAA] {
            let Some(found) = self.records(name, kind).await? else { continue };
            let address = |data: &RData| match data {
                RData::A(four) => Some(IpAddr::from(four.0)),
                RData::AAAA(six) => Some(IpAddr::from(six.0)),
                _ => None,
            };
            let all: Vec<_> =
                found.answers().iter().filter_map(|record| address(&record.data)).collect();
            if !all.is_empty() {
                return Ok(Answer::of(all, &found));
            }
        }
        Ok(Answer::none())
    }

    /// Every address of every target of `name`.
    async fn services(&self, name: &Name) -> Result<Answer<SocketAddr>, NetError> {
        let Some(found) = self.records(name, RecordType::SRV).await? else {
            return Ok(Answer::none());
        };
        let mut all = Answer::of(Vec::new(), &found);
        for record in found.answers() {
            let RData::SRV(service) = &record.data else { continue };
            let of = self.addresses(&service.target).await?;
            all.until = all.until.min(of.until);
            all.found.extend(of.found.into_iter().map(|ip| SocketAddr::new(ip, service.port)));
        }
        Ok(all)
    }

    async fn look(&self, name: &Name, query: Query) -> Result<Answer<SocketAddr>, NetError> {
        match query {
            Query::Services => self.services(name).await,
            Query::Addresses(port) => {
                let Answer { found, until, full_name } = self.addresses(name).await?;
                let found = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
                Ok(Answer { found, until, full_name })
            }
        }
    }

    /// The same, at first by the full name that answered before: where a short name is looked for in several domains,
    /// the last answer counts, and a server that fails for the right one would look like a name without records.
    async fn look_again(
        &self,
        name: &Name,
        query: Query,
        before: &mut Option<Name>,
    ) -> Result<Answer<SocketAddr>, NetError> {
        if let Some(full) = before {
            let answer = self.look(full, query).await?;
            if !answer.found.is_empty() {
                return Ok(answer);
            }
        }
        let answer = self.look(name, query).await?;
        before.clone_from(&answer.full_name);
        Ok(answer)
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
    let (mut failures, mut full) = (0, None);
    let parsed = Name::from_utf8(&name);
    loop {
        let answer = match &parsed {
            Ok(parsed) => resolver.look_again(parsed, query, &mut full).await,
            Err(error) => Err(error.clone().into()),
        };
        match answer {
            Ok(Answer { found: mut addresses, until, .. }) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_server_is_given_up_within_seconds() {
        let servers = vec![([127, 0, 0, 1], 1).into()];
        let (min_ttl, max_ttl) = (Duration::from_secs(1), Duration::from_secs(60));
        let settings = DnsSettings { servers, min_ttl, max_ttl };
        let resolver = Resolver::new(&settings).unwrap();
        assert!(resolver.resolver.options().timeout <= SILENCE);
    }
}
