//! Polls the replicas of inference pools and pushes what it learns into Envoy.
//!
//! # Overview
//! `discover` finds out which replicas and gateways there are; a pool's roster and the gateways' pushers start and end
//! what is needed for each. Each replica has a poller (`poll`) that reads its Prometheus page (`scrape`) and records the
//! outcome in its `pool`. Each pool has a publisher (`push::Publisher`) that makes one snapshot per round. Each pair of
//! gateway and pool has a pusher (`push::Pusher`): it posts the newest snapshot to the intake filter, and reads from the
//! reply what is in flight and what consumers have spent (`spending`). `sharing` exchanges the counts with other sidecars
//! through `redis`, and what gateways have learned of prefix caches (`prefix_log`). `http` shows all of it. No loop waits for another:
//! a slow replica or gateway holds up itself only.
//!
//! [`Daemon`] composes the loops; [`Config`] is what it starts from.

mod agent;
pub mod args;
mod check;
mod client;
mod config;
mod daemon;
mod discover;
mod durations;
mod exposition;
mod gpu;
mod http;
mod leases;
pub mod logging;
mod look;
mod peers;
mod poll;
mod pool;
mod prefix_log;
mod print;
mod push;
mod redis;
mod resolve;
mod roster;
mod scrape;
mod sharing;
mod spending;
mod start;
mod steady;
mod watched;

pub use self::redis::RedisAccessError;
pub use agent::{Agent, AgentSettings};
pub use check::check;
pub use client::{ClientError, TlsError, TokenError};
pub use config::{Config, ConfigError};
pub use daemon::Daemon;
pub use discover::{DiscoveryError, KubernetesError, ResolverError};
pub use look::{LookError, look};
pub use poll::PollerError;
pub use print::print_config;
pub use resolve::resolve;
pub use start::StartError;
pub use watched::Watched;
