//! Which replicas and gateways there are.
//!
//! A source (a file, a DNS name, the Kubernetes API) says on a [`Board`] what it knows, each time as a whole. Whoever
//! needs it, a pool's roster or the gateways' pushers, waits for the board to change. A source that has not
//! spoken, or cannot any more, leaves what was known as it was: unknown never means gone.

mod board;
mod dns;
mod file;
mod found;
mod kube;
mod pause;

use std::sync::Arc;

use tokio::task::JoinSet;
use weir_settings::sidecar::{Discovery, DnsSettings, KubernetesSettings, MetricsUrl};

pub(crate) use board::{Board, Shown, Spoken};
pub use dns::ResolverError;
pub(crate) use found::{Found, Readiness};
pub use kube::KubernetesError;

use crate::Config;

/// Why a source cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// Names cannot be looked up.
    #[error(transparent)]
    Resolver(#[from] ResolverError),
    /// The Kubernetes API cannot be reached.
    #[error(transparent)]
    Kubernetes(#[from] KubernetesError),
}

/// What all sources share.
#[derive(Debug)]
pub(crate) struct Sources {
    dns: DnsSettings,
    kubernetes: KubernetesSettings,
    resolver: Option<Arc<dns::Resolver>>,
    api: Option<Arc<kube::Api>>,
}

impl Sources {
    /// The sources of `config`; nothing is started.
    pub(crate) fn new(config: &Config) -> Self {
        let (dns, kubernetes) = (config.settings.dns.clone(), config.settings.kubernetes.clone());
        Self { dns, kubernetes, resolver: None, api: None }
    }

    /// Starts what says at `slot` of a board what `source` knows. `metrics_url` is where metrics are that the source
    /// says nothing of.
    ///
    /// # Errors
    /// [`DiscoveryError`]; then nothing was started.
    pub(crate) fn start(
        &mut self,
        source: &Discovery,
        metrics_url: &MetricsUrl,
        slot: Spoken,
        tasks: &mut JoinSet<()>,
    ) -> Result<(), DiscoveryError> {
        let metrics_url = metrics_url.clone();
        match source {
            Discovery::File(path) => {
                tasks.spawn(file::watch(path.into(), metrics_url, slot));
            }
            Discovery::Dns { at, metrics_url: own, gpus } => {
                let metrics_url = own.clone().unwrap_or(metrics_url);
                let template = dns::Template { metrics_url, gpus: gpus.clone() };
                let query = dns::Query::Addresses(at.port);
                tasks.spawn(dns::watch(self.resolver()?, at.name.clone(), query, template, slot));
            }
            Discovery::Srv(name) => {
                let template = dns::Template { metrics_url, gpus: Vec::new() };
                let query = dns::Query::Services;
                tasks.spawn(dns::watch(self.resolver()?, name.clone(), query, template, slot));
            }
            Discovery::EndpointSlices { service, namespace, port } => {
                let (api, namespace) = self.api(namespace.as_deref())?;
                let slices = kube::Slices::new(service, port.clone(), metrics_url, slot);
                tasks.spawn(slices.watch(api, namespace));
            }
            Discovery::InferencePool { name, namespace } => {
                let (api, namespace) = self.api(namespace.as_deref())?;
                tasks.spawn(kube::watch_pool(api, namespace, name.clone(), metrics_url, slot));
            }
        }
        Ok(())
    }

    fn resolver(&mut self) -> Result<Arc<dns::Resolver>, ResolverError> {
        if let Some(resolver) = &self.resolver {
            return Ok(Arc::clone(resolver));
        }
        let resolver = Arc::new(dns::Resolver::new(&self.dns)?);
        Ok(Arc::clone(self.resolver.insert(resolver)))
    }

    /// The cluster, and the namespace that is meant where `namespace` is written, or none.
    fn api(
        &mut self,
        namespace: Option<&str>,
    ) -> Result<(Arc<kube::Api>, String), KubernetesError> {
        let api = match &self.api {
            Some(api) => Arc::clone(api),
            None => Arc::clone(self.api.insert(Arc::new(kube::Api::new(&self.kubernetes)?))),
        };
        let namespace = api.namespace(namespace);
        Ok((api, namespace))
    }
}
