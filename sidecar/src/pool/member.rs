//! A replica as a part of its pool.

use std::net::SocketAddr;

use tokio::time::Instant;
use weir_snapshot::EndpointReport;

use super::replica::{Replica, Standing};
use crate::discover::{Found, Readiness};
use crate::gpu::Wanted;

/// One replica, and what its source says of it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) replica: Replica,
    pub(crate) wanted: Wanted,
    zone: Option<String>,
    socket: SocketAddr,
}

impl Member {
    /// A replica that was just found.
    pub(super) fn new(found: &Found, polled: bool) -> Self {
        let socket = found.address();
        let replica = if polled { Replica::new(socket) } else { Replica::unpolled(socket) };
        let mut member =
            Self { replica, wanted: Wanted::of(&found.endpoint, None), zone: None, socket };
        member.update(found);
        member
    }

    /// Takes what its source says now; what was measured stays.
    pub(super) fn update(&mut self, found: &Found) {
        self.wanted = Wanted::of(&found.endpoint, found.pod.as_deref());
        self.zone.clone_from(&found.zone);
        self.replica.stand(match found.readiness {
            Readiness::Ready => Standing::Serving,
            Readiness::NotReady => Standing::NotReady,
            Readiness::Terminating => Standing::Terminating,
        });
    }

    /// What the snapshot says of it at `now`, less its GPUs.
    pub(crate) fn report(&self, now: Instant) -> EndpointReport {
        let mut report = self.replica.report(now);
        report.zone.clone_from(&self.zone);
        report
    }

    /// Where Envoy sends requests.
    pub(crate) fn socket(&self) -> SocketAddr {
        self.socket
    }
}
