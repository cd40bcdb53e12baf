//! The daemon's process: command line, log, signals.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval};
use tracing::{error, info};
use weir_settings::sidecar::LogSettings;
use weir_sidecar::args::{AgentArgs, Args, Command};
use weir_sidecar::{
    Agent, AgentSettings, Config, Daemon, Watched, check, logging, look, print_config, resolve,
};

/// How often it is looked whether the configuration has changed.
const LOOK: Duration = Duration::from_secs(1);

/// How long a configuration that was refused is left alone before it is tried again: what it needed may be there now.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Exit status for a configuration that cannot be used, as clap has for a command line.
const UNUSABLE: u8 = 2;

/// One thread: it does not wait for a second core, and costs less per poll.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let ended = match (&args.command, &args.config) {
        (Some(Command::Agent(agent)), _) => be_agent(agent).await,
        (None, Some(path)) => return be_sidecar(&args, path).await,
        // The parser demands one of them.
        (None, None) => return UNUSABLE.into(),
    };
    status(ended)
}

async fn be_sidecar(args: &Args, path: &Path) -> ExitCode {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("weir-sidecar: {error}");
            return UNUSABLE.into();
        }
    };
    if args.check {
        // A reader that has seen enough and closes the pipe is no error.
        let _ = std::io::stdout().write_all(check(&config).as_bytes());
        if args.resolve {
            let _ = std::io::stdout().write_all(resolve(&config).await.as_bytes());
        }
        return ExitCode::SUCCESS;
    }
    if args.print_config {
        let _ = std::io::stdout().write_all(print_config(&config).as_bytes());
        return ExitCode::SUCCESS;
    }
    if args.view {
        return view(&config).await;
    }
    raise_file_limit();
    status(run(path, config).await)
}

fn status(ended: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "cannot go on");
            ExitCode::FAILURE
        }
    }
}

/// Shows what every gateway knows.
async fn view(config: &Config) -> ExitCode {
    let mut status = ExitCode::SUCCESS;
    for (gateway, view) in look(config).await {
        match view {
            Ok(json) => {
                let mut out = std::io::stdout().lock();
                // A reader that has seen enough and closes the pipe is no error.
                let _ = out.write_all(&json).and_then(|()| out.write_all(b"\n"));
            }
            Err(error) => {
                eprintln!("weir-sidecar: {gateway}: {error}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}

/// A connection is an open file, and the usual soft limit of 1,024 is below what one pool can need.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Where it cannot be raised, replicas over the limit show as unreachable, with the reason.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

async fn be_agent(args: &AgentArgs) -> Result<(), Box<dyn std::error::Error>> {
    logging::start(LogSettings::default())?;
    let mut signals = Signals::new()?;
    let settings = AgentSettings {
        listen: args.listen,
        interval: Duration::from_millis(args.interval_ms),
        library: args.library.clone(),
    };
    let agent = Agent::start(&settings).await?;
    // There is nothing to read again.
    while signals.next().await != Request::End {}
    info!("ending");
    agent.stop().await;
    Ok(())
}

/// Reads the configuration again and takes it over; returns the files to watch from then on.
fn reload(path: &Path, daemon: &mut Daemon) -> Result<Watched, String> {
    let config = Config::load(path).map_err(|error| error.to_string())?;
    daemon.reload(&config).map_err(|error| error.to_string())?;
    Ok(watch(path, &config))
}

/// A configuration that was not taken over.
struct Refused {
    error: String,
    at: Instant,
}

impl Refused {
    /// Says so in the log, unless that was just said of `before`.
    fn now(error: String, before: Option<Refused>) -> Self {
        if before.is_none_or(|before| before.error != error) {
            error!(error, "the new configuration is refused, the old one goes on");
        }
        Self { error, at: Instant::now() }
    }
}

async fn run(path: &Path, config: Config) -> Result<(), Box<dyn std::error::Error>> {
    logging::start(config.settings.log)?;
    // Taken before anything starts, so that no early signal is lost.
    let mut signals = Signals::new()?;
    let mut watched = watch(path, &config);
    let mut daemon = Daemon::start(config).await?;
    let mut looks = interval(LOOK);
    let mut refused: Option<Refused> = None;
    loop {
        let (request, asked) = tokio::select! {
            request = signals.next() => (request, true),
            _ = looks.tick() => {
                let again = refused.as_ref().is_some_and(|refused| refused.at.elapsed() >= TRY_AGAIN);
                let changed = watched.has_changed();
                if changed || again { (Request::Reload, changed) } else { continue }
            }
            () = daemon.broken() => return Err("a loop has ended, which is a defect".into()),
        };
        if request == Request::End {
            break;
        }
        // Whatever is written from now on is another change.
        watched.refresh();
        match reload(path, &mut daemon) {
            Ok(files) => (watched, refused) = (files, None),
            Err(error) => refused = Some(Refused::now(error, refused.filter(|_| !asked))),
        }
    }
    info!("ending");
    daemon.stop().await;
    info!("ended");
    Ok(())
}

/// The files that make up the configuration.
fn watch(path: &Path, config: &Config) -> Watched {
    Watched::new([path.to_owned()].into_iter().chain(config.files()))
}

/// What a signal asks for.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    End,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.terminate.recv() => Request::End,
            _ = self.interrupt.recv() => Request::End,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}
