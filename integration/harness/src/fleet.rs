//! Simulated replicas inside the test's own process, where a configuration expects them.

use weir_replica::{Fleet, Settings};

use crate::config::EnvoyConfig;
use crate::error::HarnessError;

/// Starts a replica with `settings` for each of the `shipped` ports and makes those ports of `config`
/// stand for it.
///
/// # Errors
/// When a replica finds no port to listen on.
pub async fn fleet(
    config: &mut EnvoyConfig,
    shipped: &[u16],
    settings: Settings,
) -> Result<Fleet, HarnessError> {
    let ports = shipped.iter().map(|port| config.ports().actual(*port));
    let addresses: Vec<_> = ports.map(|port| ([127, 0, 0, 1], port).into()).collect();
    Ok(Fleet::start(&addresses, settings).await?)
}
