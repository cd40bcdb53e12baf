//! Starts real Envoy, simulated replicas and the sidecar for tests, demo and benchmarks.
//!
//! # Parts
//! * [`EnvoyConfig`] reads a shipped configuration and moves it to free ports and built modules.
//! * [`Envoy`] runs it; [`Sidecar`], [`fleet`], [`LlamaCpp`] and [`Redis`] run what stands around it. Dropping any of them ends
//!   its processes, also when a test panics.
//! * [`HttpClient`] speaks HTTP/1.1 and HTTP/2; [`RawConnection`] sends bytes that no client would.
//! * [`workspace`] finds what the build left: Envoy, modules, binaries.
//!
//! # Example
//! ```no_run
//! # async fn example() -> Result<(), weir_harness::HarnessError> {
//! use weir_harness::{Envoy, EnvoyConfig, HttpClient, Request, fleet};
//! use weir_replica::Settings;
//!
//! let mut config = EnvoyConfig::from_file("envoy-config/quickstart.yaml")?;
//! let replicas = fleet(&mut config, &[9001, 9002, 9003], Settings::default()).await?;
//! let envoy = Envoy::start(config).await?;
//! let client = HttpClient::http1();
//! let reply = client.send(envoy.clients(), Request::get("/v1/models")).await?;
//! assert_eq!(reply.status, 200);
//! # Ok(())
//! # }
//! ```

mod config;
mod envoy;
mod error;
mod fleet;
mod gpu_exporter;
mod http;
mod listeners;
mod llama_cpp;
mod load;
mod ports;
mod process;
mod raw;
mod redis;
mod sidecar;
mod stats;
pub mod workspace;

pub use config::EnvoyConfig;
pub use envoy::{Envoy, EnvoyOptions};
pub use error::HarnessError;
pub use fleet::fleet;
pub use gpu_exporter::GpuExporter;
pub use http::{HttpClient, Reply, ReplyStream, Request};
pub use listeners::DynamicListeners;
pub use llama_cpp::LlamaCpp;
pub use load::run_concurrently;
pub use ports::{Ports, free_port};
pub use process::{ChildProcess, Usage};
pub use raw::{RawConnection, RawHead};
pub use redis::Redis;
pub use sidecar::Sidecar;
pub use stats::Stats;
