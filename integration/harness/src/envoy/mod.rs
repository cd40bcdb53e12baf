//! A running Envoy.

mod options;

pub use options::EnvoyOptions;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::config::EnvoyConfig;
use crate::error::HarnessError;
use crate::http::{HttpClient, Reply, Request};
use crate::listeners::DynamicListeners;
use crate::ports::Ports;
use crate::process::ChildProcess;
use crate::stats::Stats;
use crate::workspace;

/// How long Envoy may take to be ready: V8 compiles the modules once for each worker.
const READY: Duration = Duration::from_secs(60);

/// How often Envoy is asked whether it is ready.
const ASK: Duration = Duration::from_millis(20);

/// Lines of the log that an error shows.
const SHOWN_LINES: usize = 25;

/// An Envoy that is ready. Dropping it ends the process and removes its files.
#[derive(Debug)]
pub struct Envoy {
    process: ChildProcess,
    ports: Ports,
    client: HttpClient,
    listeners: Option<DynamicListeners>,
    launch: Launch,
    _folder: TempDir,
}

/// How the process is started.
#[derive(Debug)]
struct Launch {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
}

impl Launch {
    fn start(&self) -> Result<ChildProcess, HarnessError> {
        ChildProcess::start(&self.binary, &self.arguments, &self.environment, &self.log)
    }
}

impl Envoy {
    /// Starts Envoy with two workers and waits until it is ready.
    ///
    /// # Errors
    /// When Envoy or a module is missing, when Envoy refuses the configuration (the error has the
    /// lines of its log that matter), or when it is not ready in a minute.
    pub async fn start(config: EnvoyConfig) -> Result<Self, HarnessError> {
        Self::start_with(config, EnvoyOptions::default()).await
    }

    /// Starts Envoy with `options` and waits until it is ready.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub async fn start_with(
        config: EnvoyConfig,
        options: EnvoyOptions,
    ) -> Result<Self, HarnessError> {
        let folder = temporary_folder()?;
        let text = config.rendered()?;
        Self::run(&config, text, folder, None, options).await
    }

    /// Starts Envoy with its listeners in a file of their own, so that
    /// [`Envoy::update_listeners`] can change them while it runs.
    ///
    /// # Errors
    /// As [`Envoy::start`], and when the configuration has no static listeners.
    pub async fn start_dynamic(
        config: EnvoyConfig,
        options: EnvoyOptions,
    ) -> Result<Self, HarnessError> {
        let folder = temporary_folder()?;
        let split = DynamicListeners::split(config.name(), &config.rendered()?, folder.path())?;
        let (listeners, text) = split;
        let envoy = Self::run(&config, text, folder, Some(listeners), options).await?;
        // Envoy is ready without listeners, too.
        if envoy.lds().await?.refused > 0 {
            let problem = relevant_lines(&envoy.log());
            return Err(HarnessError::Config { name: config.name().to_owned(), problem });
        }
        Ok(envoy)
    }

    async fn run(
        config: &EnvoyConfig,
        text: String,
        folder: TempDir,
        listeners: Option<DynamicListeners>,
        options: EnvoyOptions,
    ) -> Result<Self, HarnessError> {
        let binary = options.binary.clone().map_or_else(workspace::envoy, Ok)?;
        let file = folder.path().join("envoy.yaml");
        std::fs::write(&file, text).map_err(HarnessError::file(&file))?;
        let environment = options.environment.iter();
        let environment: Vec<_> =
            environment.map(|(name, value)| (name.into(), value.into())).collect();
        let log = folder.path().join("envoy.log");
        let arguments = options.command_line(&file);
        let launch = Launch { binary, arguments, environment, log };
        let process = launch.start()?;
        let (ports, client) = (config.ports().clone(), HttpClient::http1());
        let mut envoy = Self { process, ports, client, listeners, launch, _folder: folder };
        envoy.wait_until_ready().await?;
        Ok(envoy)
    }

    /// Kills the process (SIGKILL) if it still runs and starts it again, with nothing of what it knew; its log begins
    /// anew.
    ///
    /// # Errors
    /// As [`Envoy::start`].
    pub async fn restart(&mut self) -> Result<(), HarnessError> {
        self.process.kill();
        self.process = self.launch.start()?;
        self.wait_until_ready().await
    }

    /// Where the listener is whose port is `shipped` in the shipped file.
    pub fn address(&self, shipped: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports.actual(shipped)))
    }

    /// The clients' listener, 10000 as shipped.
    pub fn clients(&self) -> SocketAddr {
        self.address(10000)
    }

    /// The intake listener, 10001 as shipped.
    pub fn intake(&self) -> SocketAddr {
        self.address(10001)
    }

    /// The admin listener, 9901 as shipped.
    pub fn admin(&self) -> SocketAddr {
        self.address(9901)
    }

    /// Which port stands for which.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// The process: its usage, its id, ways to stop it.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    /// Everything that Envoy has logged.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The counters and gauges whose names begin with `prefix`.
    ///
    /// # Errors
    /// When the admin listener doesn't answer with them.
    pub async fn stats(&self, prefix: &str) -> Result<Stats, HarnessError> {
        let reply = self.ask("/stats?format=json").await?;
        Ok(Stats::of_document(&reply.json()?).starting_with(prefix))
    }

    /// The document at `path` of the admin listener, such as `/config_dump`.
    ///
    /// # Errors
    /// When the admin listener doesn't answer.
    pub async fn ask(&self, path: &str) -> Result<Reply, HarnessError> {
        self.client.send(self.admin(), Request::get(path)).await
    }

    /// Gives Envoy new listeners and waits until it has taken or refused them.
    ///
    /// `change` gets the listeners as JSON, in the order of the file. Returns whether they were taken; the
    /// reason of a refusal is in [`Envoy::log`].
    ///
    /// # Errors
    /// When Envoy was not started by [`Envoy::start_dynamic`], or does nothing within a minute.
    pub async fn update_listeners(
        &mut self,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Result<bool, HarnessError> {
        let before = self.lds().await?;
        let Some(listeners) = &mut self.listeners else {
            let problem = "listeners are static: use start_dynamic".to_owned();
            return Err(HarnessError::Config { name: "update_listeners".into(), problem });
        };
        listeners.change(change)?;
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            let now = self.lds().await?;
            if now.refused > before.refused {
                return Ok(false);
            }
            if now.taken > before.taken {
                return Ok(true);
            }
            tokio::time::sleep(ASK).await;
        }
        Err(self.too_long("a listener update"))
    }

    async fn lds(&self) -> Result<ListenerUpdates, HarnessError> {
        let stats = self.stats("listener_manager.lds.").await?;
        let value = |name: &str| stats.value(&format!("listener_manager.lds.{name}"));
        let refused = value("update_rejected").saturating_add(value("update_failure"));
        Ok(ListenerUpdates { taken: value("update_success"), refused })
    }

    async fn wait_until_ready(&mut self) -> Result<(), HarnessError> {
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            if let Some(ended) = self.process.ended(relevant_lines) {
                return Err(ended);
            }
            if self.ask("/ready").await.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            tokio::time::sleep(ASK).await;
        }
        Err(self.too_long("Envoy's start"))
    }

    fn too_long(&self, what: &str) -> HarnessError {
        let log = relevant_lines(&self.log());
        HarnessError::Timeout { what: what.to_owned(), limit: READY, log }
    }
}

/// Updates of the listeners so far.
struct ListenerUpdates {
    taken: u64,
    /// Not valid, or not readable.
    refused: u64,
}

fn temporary_folder() -> Result<TempDir, HarnessError> {
    TempDir::with_prefix("weir-envoy-").map_err(HarnessError::file(std::env::temp_dir()))
}

/// The last lines that report a problem, or the last lines at all if none does.
fn relevant_lines(log: &str) -> String {
    let grave = |line: &&str| {
        ["[error]", "[critical]", "[warning]", "rror", "anic"]
            .iter()
            .any(|sign| line.contains(sign))
    };
    let mut lines: Vec<&str> = log.lines().filter(grave).collect();
    if lines.is_empty() {
        lines = log.lines().collect();
    }
    lines.split_off(lines.len().saturating_sub(SHOWN_LINES)).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_report_a_problem_come_first() {
        let log = "[info] a\n[critical] refused\n[info] b\n";
        assert_eq!(relevant_lines(log), "[critical] refused");
        assert_eq!(relevant_lines("[info] a\n"), "[info] a");
        assert_eq!(relevant_lines(&"[error] x\n".repeat(99)).lines().count(), SHOWN_LINES);
    }
}
