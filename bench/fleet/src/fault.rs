//! What fails while clients use up the limit.

use std::time::Duration;

use serde::Serialize;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::fleet::Fleet;

/// How long something is gone: longer than a gateway takes for its sidecar's silence, 2 s.
const GONE: Duration = Duration::from_secs(3);

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Redis is killed, and started anew with what it has on disk.
    RedisKilled,
    /// A sidecar is killed, and started anew.
    SidecarKilled,
    /// An Envoy is killed, and started anew.
    EnvoyKilled,
    /// A sidecar is stopped, and goes on.
    SidecarCutOff,
    /// Redis is stopped, and goes on.
    RedisCutOff,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::None,
        Self::RedisKilled,
        Self::SidecarKilled,
        Self::EnvoyKilled,
        Self::SidecarCutOff,
        Self::RedisCutOff,
    ];

    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RedisKilled => "Redis killed",
            Self::SidecarKilled => "a sidecar killed",
            Self::EnvoyKilled => "an Envoy killed",
            Self::SidecarCutOff => "a sidecar cut off",
            Self::RedisCutOff => "Redis cut off",
        }
    }

    /// How many gateways use a key in one run: an Envoy that is started anew is another.
    pub(crate) fn gateways(self) -> u32 {
        if self == Self::EnvoyKilled { 4 } else { 3 }
    }

    /// Lets it come about and pass.
    ///
    /// # Errors
    /// When something does not start again.
    pub(crate) async fn happen(self, fleet: &mut Fleet) -> Result<(), Failure> {
        match self {
            Self::None => {}
            Self::RedisKilled => {
                fleet.redis.process().kill();
                sleep(GONE).await;
                fleet.redis.restart()?;
            }
            Self::SidecarKilled => kill_sidecar(fleet).await?,
            Self::EnvoyKilled => {
                for envoy in fleet.envoys.iter_mut().take(1) {
                    envoy.restart().await?;
                }
            }
            Self::SidecarCutOff => {
                for sidecar in fleet.sidecars.iter_mut().take(1) {
                    sidecar.process().freeze();
                    sleep(GONE).await;
                    sidecar.process().thaw();
                }
            }
            Self::RedisCutOff => {
                fleet.redis.process().freeze();
                sleep(GONE).await;
                fleet.redis.process().thaw();
            }
        }
        Ok(())
    }
}

/// Kills the first sidecar, and starts it again after a while.
async fn kill_sidecar(fleet: &mut Fleet) -> Result<(), Failure> {
    if let Some(sidecar) = fleet.sidecars.first_mut() {
        sidecar.process().kill();
        sleep(GONE).await;
        sidecar.restart().await?;
    }
    Ok(())
}
