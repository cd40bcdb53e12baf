//! What starting takes, and why it fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::discover::DiscoveryError;
use crate::poll::PollerError;

/// Why a sidecar cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its own HTTP cannot listen.
    #[error("listen: cannot listen on {address}: {error}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
    /// A replica's metrics cannot be asked for.
    #[error("pools.{pool}.endpoints[{index}]: {error}")]
    Poller {
        /// Name of the pool.
        pool: String,
        /// Position of the replica.
        index: usize,
        /// What is wrong.
        error: PollerError,
    },
    /// A page of GPUs cannot be polled.
    #[error("gpus.exporters[{index}]: {error}")]
    Exporter {
        /// Position of the page.
        index: usize,
        /// Why.
        error: PollerError,
    },
    /// What finds replicas or gateways cannot be started.
    #[error("{field}: {error}")]
    Discovery {
        /// Where it stands in the configuration.
        field: String,
        /// Why.
        error: DiscoveryError,
    },
    /// Redis cannot be reached as configured.
    #[error("redis: {0}")]
    Redis(String),
    /// The system gives no thread for NVML.
    #[error("cannot start a thread for NVML: {0}")]
    Thread(io::Error),
}

/// Binds the address of its own HTTP.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listening = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening.await.map_err(|error| StartError::Listen { address, error })
}
