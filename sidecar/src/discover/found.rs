//! A replica that a source names.

use std::net::SocketAddr;

use weir_settings::sidecar::EndpointSettings;

/// A replica as one source knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) endpoint: EndpointSettings,
    pub(crate) readiness: Readiness,
    /// `NAMESPACE/NAME` of its pod.
    pub(crate) pod: Option<String>,
    pub(crate) zone: Option<String>,
}

/// Whether it is to get requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Ready,
    /// Its readiness probe fails: not yet, or not at the moment.
    NotReady,
    /// It is being ended, and serves what it has.
    Terminating,
}

impl Found {
    /// One of which no more is known than its settings.
    pub(crate) fn ready(endpoint: EndpointSettings) -> Self {
        Self { endpoint, readiness: Readiness::Ready, pod: None, zone: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.address
    }
}
