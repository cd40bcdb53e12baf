//! The three ways to the same upstream, each with its processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use weir_harness::{
    ChildProcess, Envoy, EnvoyConfig, EnvoyOptions, HarnessError, Ports, Sidecar, free_port,
    workspace,
};

use crate::failure::Failure;
use crate::processors::Processors;
use crate::setup::Setup;

/// The ports of the replicas in shipped configurations.
const REPLICAS: [u16; 6] = [9001, 9002, 9003, 9004, 9005, 9006];

/// The port of the ext_proc server in `config/ext_proc.yaml`.
const EXT_PROC: u16 = 9100;

/// Signs the sidecar's snapshots; the name is that of the shipped configurations.
const KEY: (&str, &str) = ("WEIR_INTAKE_KEY", "a key for the length of one measurement");

/// Where the guardrail goes in the chain's configuration, and with what.
const PICKER: &str = "                    endpoint-picker:\n";
const GUARDRAIL_AND_PICKER: &str = concat!(
    "                    guardrail: {policies: {default: {}}}\n",
    "                    endpoint-picker:\n"
);

/// The same for limits, which nothing here reaches: of tokens and of requests, by client.
const LIMITS_AND_PICKER: &str = concat!(
    "                    token-limit: {policies: {default: {limits: [",
    "{name: tokens, per: [client-ip], tokens: 1000000000, window: 1m}, ",
    "{name: requests, per: [client-ip], requests: 100000000, window: 1m}]}}}\n",
    "                    endpoint-picker:\n"
);

/// What is said in the chain's configuration of how long a snapshot is fresh, and for one that is to
/// last through a request executed step by step.
const FRESH: &str = "fresh_ms: 1000";
const FRESH_FOR_LONG: &str = "fresh_ms: 60000";

/// What the configuration with the filter of an attempt says of streams, and how it says nothing.
const FAILOVER: &str = ", failover: {first_token_ms: 10000}";

/// How a chain differs from the shipped one.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chain {
    /// It has a guardrail.
    pub(crate) guardrail: bool,
    /// It has limits of tokens and requests.
    pub(crate) limits: bool,
    /// Streams are held until their first token, where a filter of an attempt does so.
    pub(crate) failover: bool,
    /// Snapshots stay fresh for a minute.
    pub(crate) patient: bool,
}

/// The files of an earlier build.
#[derive(Debug, Clone)]
pub(crate) struct Earlier(pub(crate) PathBuf);

impl Earlier {
    /// Its configuration, with its own module.
    fn config(&self, folder: &TempDir) -> Result<EnvoyConfig, HarnessError> {
        let read = |name: &str| {
            let path = self.0.join(name);
            std::fs::read(&path).map_err(|source| HarnessError::File { path, source })
        };
        let text = String::from_utf8_lossy(&read(Setup::Before.envoy_config())?).into_owned();
        // Under that name the harness does not put today's module in its place.
        let module = folder.path().join("suite.wasm.before");
        let unwritable = |source| HarnessError::File { path: module.clone(), source };
        std::fs::write(&module, read("suite.wasm")?).map_err(unwritable)?;
        let config = EnvoyConfig::from_text("the earlier build", text)?;
        config.replace("/etc/weir/suite.wasm", &module.display().to_string())
    }
}

/// Everything that runs, upstream included; dropping it ends all of it.
pub(crate) struct Paths {
    paths: Vec<Path>,
    _upstream: ChildProcess,
    _folder: TempDir,
}

/// One setup that is ready for requests.
pub(crate) struct Path {
    /// Which one it is.
    pub(crate) setup: Setup,
    envoy: Envoy,
    /// Works on each request.
    ext_proc: Option<ChildProcess>,
    /// Stands beside the path; what its pushes cost Envoy is in Envoy's own time.
    sidecar: Option<Sidecar>,
}

impl Paths {
    /// Starts the upstream and these setups.
    ///
    /// # Errors
    /// When anything is not built, or does not start.
    pub(crate) async fn start(
        setups: &[(Setup, Chain)],
        earlier: Option<&Earlier>,
        streams: Streams,
    ) -> Result<Paths, HarnessError> {
        let folder = tempfile::tempdir()
            .map_err(|source| HarnessError::File { path: std::env::temp_dir(), source })?;
        let shared = Ports::allocate()?;
        let upstream = upstream(&shared, &folder, streams)?;
        let mut paths = Vec::new();
        for (setup, chain) in setups {
            paths.push(Path::start((*setup, *chain), earlier, &shared, &folder).await?);
        }
        Ok(Paths { paths, _upstream: upstream, _folder: folder })
    }

    /// Gives every Envoy its processor.
    ///
    /// # Errors
    /// When one has ended, or the system refuses.
    pub(crate) fn seat(&mut self, processors: &Processors) -> Result<(), Failure> {
        let mut ids = self.paths.iter_mut().map(|path| path.envoy.process().id());
        ids.try_for_each(|id| processors.seat(id)).map_err(Failure::Processors)
    }

    /// The setups, in the order in which they were asked for.
    pub(crate) fn all(&mut self) -> &mut [Path] {
        &mut self.paths
    }
}

/// What a streamed response is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Streams {
    /// Its events.
    pub(crate) events: usize,
    /// Microseconds between them; 0: they come at once.
    pub(crate) event_us: u64,
}

/// Replicas in a process of their own, that answer at once unless events are to come one by one.
fn upstream(
    ports: &Ports,
    folder: &TempDir,
    Streams { events, event_us }: Streams,
) -> Result<ChildProcess, HarnessError> {
    let listen = REPLICAS.map(|port| ports.actual(port).to_string()).join(",");
    let arguments =
        format!("--fast --fast-events {events} --fast-pause-us {event_us} --ports {listen}");
    let log = folder.path().join("replica.log");
    ChildProcess::start(&released("weir-replica")?, arguments.split(' '), &[], &log)
}

impl Chain {
    /// The configuration with the filters of this chain.
    fn apply(self, mut config: EnvoyConfig, setup: Setup) -> Result<EnvoyConfig, HarnessError> {
        let changes = [
            (self.guardrail, PICKER, GUARDRAIL_AND_PICKER),
            (self.limits, PICKER, LIMITS_AND_PICKER),
            (self.patient, FRESH, FRESH_FOR_LONG),
            (setup == Setup::Attempt && !self.failover, FAILOVER, ""),
        ];
        for (_, from, to) in changes.into_iter().filter(|(wanted, ..)| *wanted) {
            config = config.replace(from, to)?;
        }
        Ok(config)
    }
}

impl Path {
    async fn start(
        (setup, chain): (Setup, Chain),
        earlier: Option<&Earlier>,
        shared: &Ports,
        folder: &TempDir,
    ) -> Result<Path, HarnessError> {
        let earlier = earlier.filter(|_| setup == Setup::Before);
        let config = match earlier {
            Some(earlier) => earlier.config(folder)?,
            None => EnvoyConfig::from_file(setup.envoy_config())?,
        };
        let mut config = if setup.is_weir() { chain.apply(config, setup)? } else { config };
        for port in REPLICAS {
            config.ports_mut().set(port, shared.actual(port));
        }
        let ext_proc = free_port()?;
        config.ports_mut().set(EXT_PROC, ext_proc);
        let ports = config.ports().clone();
        let options = EnvoyOptions { concurrency: 1, ..EnvoyOptions::default() };
        let envoy = Envoy::start_with(config, options.env(KEY.0, KEY.1)).await?;
        let (mut server, mut pusher) = (None, None);
        match setup {
            Setup::Bare => {}
            Setup::Chain | Setup::Before | Setup::Limited | Setup::Attempt => {
                pusher = Some(sidecar(&ports, earlier).await?)
            }
            Setup::ExtProc => server = Some(ext_proc_server(ext_proc, folder)?),
        }
        Ok(Path { setup, envoy, ext_proc: server, sidecar: pusher })
    }

    /// Where clients send their requests.
    pub(crate) fn address(&self) -> SocketAddr {
        self.envoy.clients()
    }

    /// The processes that a request passes through, client and upstream left out.
    pub(crate) fn processes(&mut self) -> Vec<u32> {
        let envoy = self.envoy.process().id();
        std::iter::once(envoy).chain(self.ext_proc.as_ref().map(ChildProcess::id)).collect()
    }

    /// Lets the sidecar push snapshots, or stops it from doing so.
    ///
    /// # Errors
    /// When it has ended.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    pub(crate) fn push_snapshots(&mut self, push: bool) -> Result<(), Failure> {
        use nix::sys::signal::{Signal, kill};
        use nix::unistd::Pid;
        let Some(sidecar) = &mut self.sidecar else { return Ok(()) };
        let signal = if push { Signal::SIGCONT } else { Signal::SIGSTOP };
        let id = i32::try_from(sidecar.process().id()).map_err(std::io::Error::other);
        let sent = id.and_then(|id| Ok(kill(Pid::from_raw(id), signal)?));
        sent.map_err(Failure::Trace)
    }

    /// How many of the picker's choices rested on measured load.
    ///
    /// # Errors
    /// When Envoy does not answer.
    pub(crate) async fn picks_by_load(&self) -> Result<u64, HarnessError> {
        let stats = self.envoy.stats("wasmcustom.weir_picks_total").await?;
        Ok(stats.sum("wasmcustom.weir_picks_total.basis.load"))
    }
}

async fn sidecar(ports: &Ports, earlier: Option<&Earlier>) -> Result<Sidecar, HarnessError> {
    let file = workspace::file("envoy-config/sidecar.yaml");
    let yaml = std::fs::read_to_string(&file)
        .map_err(|source| HarnessError::File { path: file, source })?;
    let program = match earlier {
        Some(earlier) => earlier.0.join("weir-sidecar"),
        None => workspace::binary("weir-sidecar")?,
    };
    let mut sidecar = Sidecar::start_program(program, &yaml, ports, &[KEY]).await?;
    sidecar.wait_until_ready().await?;
    // Ready means that it has polled; its first push follows within one interval of 100 ms.
    tokio::time::sleep(Duration::from_millis(300)).await;
    Ok(sidecar)
}

fn ext_proc_server(port: u16, folder: &TempDir) -> Result<ChildProcess, HarnessError> {
    let port = port.to_string();
    let log = folder.path().join("ext-proc.log");
    let program = released("weir-bench-ext-proc")?;
    ChildProcess::start(&program, ["--port", &port], &[], &log)
}

/// The binary `name`, unless the newest build of it is one for debugging: an ext_proc server that is
/// twice as slow would flatter the chain.
fn released(name: &str) -> Result<PathBuf, HarnessError> {
    let path = workspace::binary(name)?;
    match path.parent().is_some_and(|folder| folder.ends_with("debug")) {
        false => Ok(path),
        true => {
            let what = format!("a release build of {name} that is newer than that for debugging");
            Err(HarnessError::Missing { what, path, remedy: "cargo xtask bench overhead" })
        }
    }
}
