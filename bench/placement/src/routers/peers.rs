//! Other routers, as their wheels start them.

use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;
use weir_harness::{ChildProcess, HarnessError, free_port};

use crate::ready::wait_for;
use crate::replicas::COUNT;

/// A running router.
pub(crate) struct Peer {
    address: SocketAddr,
    _process: ChildProcess,
    _folder: TempDir,
}

impl Peer {
    /// sglang-router with its policy for prefix caches, all else as it comes.
    pub(crate) async fn sglang(program: &Path, ports: &[u16; COUNT]) -> Result<Self, HarnessError> {
        Self::start(program, &["launch"], ports).await
    }

    /// vllm-router, likewise.
    pub(crate) async fn vllm(program: &Path, ports: &[u16; COUNT]) -> Result<Self, HarnessError> {
        Self::start(program, &[], ports).await
    }

    async fn start(
        program: &Path,
        command: &[&str],
        ports: &[u16; COUNT],
    ) -> Result<Self, HarnessError> {
        let folder = TempDir::with_prefix("weir-bench-placement-")
            .map_err(|source| HarnessError::File { path: std::env::temp_dir(), source })?;
        let (port, prometheus) = (free_port()?, free_port()?.to_string());
        let urls: Vec<String> =
            ports.iter().map(|port| format!("http://127.0.0.1:{port}")).collect();
        let listen = port.to_string();
        let mut arguments = command.to_vec();
        arguments.extend(["--host", "127.0.0.1", "--port", &listen]);
        arguments.extend(["--prometheus-port", &prometheus, "--policy", "cache_aware"]);
        arguments.push("--worker-urls");
        arguments.extend(urls.iter().map(String::as_str));
        let log = folder.path().join("router.log");
        let process = ChildProcess::start(program, arguments, &[], &log)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let ready = wait_for(address, "/readiness").await;
        ready.map_err(|error| HarnessError::Answer {
            what: process.name().to_owned(),
            problem: format!("{error}\n{}", process.log()),
        })?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
