//! What fails.

use std::time::Duration;

use serde::Serialize;
use weir_replica::FailureMode;

use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::pages::Shows;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Nothing: what the load itself does.
    None,
    /// The sidecar is killed, and started anew.
    SidecarKilled,
    /// The sidecar is stopped, and goes on.
    SidecarFrozen,
    /// Envoy is killed, and started anew at once.
    EnvoyKilled,
    /// The sidecar's key file has another key for a while.
    WrongKey,
    /// The page of a replica's load takes for ever.
    PageHangs,
    /// It never ends.
    PageEndless,
    /// It is no page of metrics.
    PageGarbage,
    /// All its numbers are NaN.
    PageNan,
    /// The exporter of GPU metrics is gone.
    ExporterGone,
    /// A replica refuses connections.
    ReplicaDead,
    /// The name server does not answer.
    NamesGone,
}

impl Fault {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::None,
        Self::SidecarKilled,
        Self::SidecarFrozen,
        Self::EnvoyKilled,
        Self::WrongKey,
        Self::PageHangs,
        Self::PageEndless,
        Self::PageGarbage,
        Self::PageNan,
        Self::ExporterGone,
        Self::NamesGone,
        // Last: a replica that has failed requests is only tried for a while.
        Self::ReplicaDead,
    ];

    /// The name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SidecarKilled => "the sidecar is killed (`kill -9`)",
            Self::SidecarFrozen => "the sidecar is stopped (SIGSTOP)",
            Self::EnvoyKilled => "Envoy is killed, and started at once",
            Self::WrongKey => "the sidecar has the wrong key",
            Self::PageHangs => "a replica's page hangs",
            Self::PageEndless => "a replica's page never ends",
            Self::PageGarbage => "a replica's page is garbage",
            Self::PageNan => "a replica's page is all NaN",
            Self::ExporterGone => "the GPU exporter is gone",
            Self::ReplicaDead => "a replica is dead",
            Self::NamesGone => "the name server is gone",
        }
    }

    /// How long it lasts: longer than whoever looks takes to notice.
    pub(crate) fn lasts(self) -> Duration {
        match self {
            // A key file is read again within seconds.
            Self::WrongKey => Duration::from_secs(10),
            Self::EnvoyKilled => Duration::ZERO,
            // An answer of the name server is good for a second, and one that does not come is waited for.
            Self::NamesGone => Duration::from_secs(15),
            _ => Duration::from_secs(5),
        }
    }

    /// Lets it come about.
    ///
    /// # Errors
    /// When something does not start again.
    pub(crate) async fn begin(self, gateway: &mut Gateway) -> Result<(), Failure> {
        match self {
            Self::None => {}
            Self::SidecarKilled => drop(gateway.sidecar.process().kill()),
            Self::SidecarFrozen => gateway.sidecar.process().freeze(),
            Self::EnvoyKilled => gateway.envoy.restart().await?,
            Self::WrongKey => gateway.write_key("another key than that of the gateway")?,
            Self::PageHangs => gateway.pages.show(Shows::Nothing),
            Self::PageEndless => gateway.pages.show(Shows::Endless),
            Self::PageGarbage => gateway.pages.show(Shows::Garbage),
            Self::PageNan => gateway.pages.show(Shows::Nan),
            Self::ExporterGone => gateway.gpus.close(),
            Self::ReplicaDead => {
                gateway.pages.show(Shows::Gone);
                gateway.fail_replica(FailureMode::Refuse).await;
            }
            Self::NamesGone => gateway.names.answer(false),
        }
        Ok(())
    }

    /// Lets it pass.
    ///
    /// # Errors
    /// When something does not start again.
    pub(crate) async fn end(self, gateway: &mut Gateway) -> Result<(), Failure> {
        match self {
            Self::None | Self::EnvoyKilled => {}
            Self::SidecarKilled => gateway.sidecar.restart().await?,
            Self::SidecarFrozen => gateway.sidecar.process().thaw(),
            Self::WrongKey => gateway.write_key(crate::gateway::KEY)?,
            Self::PageHangs | Self::PageEndless | Self::PageGarbage | Self::PageNan => {
                gateway.pages.show(Shows::Load);
            }
            Self::ExporterGone => gateway.gpus.open().await?,
            Self::ReplicaDead => {
                gateway.pages.show(Shows::Load);
                gateway.fail_replica(FailureMode::None).await;
            }
            Self::NamesGone => gateway.names.answer(true),
        }
        Ok(())
    }
}
