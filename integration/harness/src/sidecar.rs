//! A running sidecar.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::HarnessError;
use crate::http::{HttpClient, Request};
use crate::ports::Ports;
use crate::process::ChildProcess;
use crate::workspace;

/// How long the sidecar may take until it answers.
const START: Duration = Duration::from_secs(10);

/// How often it is asked.
const ASK: Duration = Duration::from_millis(10);

/// A sidecar that answers on its own HTTP port. Dropping it ends the process.
#[derive(Debug)]
pub struct Sidecar {
    process: ChildProcess,
    folder: TempDir,
    ports: Ports,
    environment: Vec<(String, String)>,
    program: PathBuf,
}

impl Sidecar {
    /// Starts the sidecar with the configuration `yaml`, whose well-known ports are replaced by those
    /// of `ports`. Its own HTTP must be on port 9500 there.
    ///
    /// # Errors
    /// When it is not built, refuses the configuration, or doesn't answer within ten seconds.
    pub async fn start(
        yaml: &str,
        ports: &Ports,
        environment: &[(&str, &str)],
    ) -> Result<Self, HarnessError> {
        Self::start_program(workspace::binary("weir-sidecar")?, yaml, ports, environment).await
    }

    /// The same with another build of the sidecar.
    ///
    /// # Errors
    /// As [`Sidecar::start`].
    pub async fn start_program(
        program: PathBuf,
        yaml: &str,
        ports: &Ports,
        environment: &[(&str, &str)],
    ) -> Result<Self, HarnessError> {
        let temporary = TempDir::with_prefix("weir-sidecar-");
        let folder = temporary.map_err(HarnessError::file(std::env::temp_dir()))?;
        let file = folder.path().join("sidecar.yaml");
        std::fs::write(&file, ports.rewrite(yaml)).map_err(HarnessError::file(&file))?;
        let environment = environment.iter();
        let environment: Vec<(String, String)> =
            environment.map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let process = launch(&program, &folder, &environment)?;
        let mut sidecar = Self { process, folder, ports: ports.clone(), environment, program };
        sidecar.wait_until_up().await?;
        Ok(sidecar)
    }

    /// Ends the process if it still runs and starts it again, as an init system would.
    ///
    /// # Errors
    /// As [`Sidecar::start`].
    pub async fn restart(&mut self) -> Result<(), HarnessError> {
        self.process.kill();
        self.process = launch(&self.program, &self.folder, &self.environment)?;
        self.wait_until_up().await
    }

    /// Its own HTTP address.
    pub fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.ports.actual(9500)).into()
    }

    /// The process: its usage, its log, ways to stop it.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// When it doesn't within ten seconds.
    pub async fn wait_until_ready(&mut self) -> Result<(), HarnessError> {
        self.wait_for("/readyz").await
    }

    async fn wait_until_up(&mut self) -> Result<(), HarnessError> {
        self.wait_for("/healthz").await
    }

    async fn wait_for(&mut self, path: &str) -> Result<(), HarnessError> {
        let client = HttpClient::http1();
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(ended) = self.process.ended(str::to_owned) {
                return Err(ended);
            }
            let reply = client.send(self.address(), Request::get(path)).await;
            if reply.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            tokio::time::sleep(ASK).await;
        }
        let what = format!("the sidecar's {path}");
        Err(HarnessError::Timeout { what, limit: START, log: self.process.log() })
    }
}

fn launch(
    program: &Path,
    folder: &TempDir,
    environment: &[(String, String)],
) -> Result<ChildProcess, HarnessError> {
    let environment = environment.iter();
    let environment: Vec<_> =
        environment.map(|(name, value)| (name.into(), value.into())).collect();
    let config = folder.path().join("sidecar.yaml");
    let arguments = ["--config".into(), config.into_os_string()];
    let log = folder.path().join("sidecar.log");
    ChildProcess::start(program, arguments, &environment, &log)
}
