//! The compose harness: Weir between networks, in containers whose images no registry has to have.
//!
//! `cargo xtask compose-images` makes the images; this brings them up, tests them and takes them down. Everything that
//! it sends goes to these containers.

#![allow(
    clippy::indexing_slicing,
    reason = "JSON values, where what is missing is null; nothing here runs in a filter"
)]

mod case;
mod cases;
mod engine;
mod error;
mod stack;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Error;
use crate::stack::Stack;

/// The project that a person starts.
const BY_HAND: &str = "weir-compose";

/// Ports of the two Envoys for a person, if `WEIR_PORT_A` and `WEIR_PORT_B` say nothing else.
const PORTS: [(&str, &str); 2] = [("WEIR_PORT_A", "10000"), ("WEIR_PORT_B", "10100")];

/// Brings the compose harness up, tests it, takes it down.
#[derive(Debug, Parser)]
#[command(name = "weir-compose", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Brings it up, runs the tests, takes it down.
    Test {
        /// Only tests whose group or name holds this.
        #[arg(long, default_value = "")]
        only: String,
        /// Also those that take minutes.
        #[arg(long)]
        nightly: bool,
    },
    /// Brings it up and leaves it.
    Up,
    /// Takes down what `up` has left.
    Down,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Test { only, nightly } => test(only, nightly),
        Command::Up => up(),
        Command::Down => Stack::of(BY_HAND, &[]).and_then(|stack| stack.down()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-compose: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tests in a project of its own, which is taken down however the tests end.
fn test(only: String, nightly: bool) -> Result<(), Error> {
    let stack = Stack::of(&format!("weir-test-{}", std::process::id()), &[])?;
    println!("project {}", stack.project());
    let ended = until_asked_to_end({
        let stack = stack.clone();
        move || stack.up().and_then(|()| cases::run(&stack, &only, nightly))
    })?;
    let failed = !matches!(ended, Some(Ok(())));
    if failed {
        let path =
            stack::folder().join(format!("../../target/compose/logs/{}.log", stack.project()));
        match stack.keep_logs(&path) {
            Ok(()) => println!("the containers' logs: target/compose/logs/{}.log", stack.project()),
            Err(error) => println!("the containers' logs could not be kept: {error}"),
        }
    }
    stack.down()?;
    match ended {
        Some(result) => result,
        None => {
            println!("stopped: containers and networks have been taken down");
            // The tests' thread may still wait for a container that is gone.
            std::process::exit(130)
        }
    }
}

/// What `work` returns, or nothing once SIGINT or SIGTERM comes.
fn until_asked_to_end<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let start = |source| Error::Start { line: "the tests".to_owned(), source };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(start)?;
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(start)?;
        tokio::select! {
            result = tokio::task::spawn_blocking(work) => match result {
                Ok(result) => Ok(Some(result)),
                Err(error) => Err(Error::unexpected("the tests", error)),
            },
            _ = tokio::signal::ctrl_c() => Ok(None),
            _ = terminate.recv() => Ok(None),
        }
    });
    runtime.shutdown_background();
    ended
}

fn up() -> Result<(), Error> {
    let stack = Stack::of(BY_HAND, &PORTS)?;
    stack.up()?;
    let envoy = stack.id("envoy-a")?;
    let port = stack.docker(&["port", &envoy, "10000/tcp"])?;
    let at = port.trim();
    println!(
        "\nTwo Envoys, six replicas, the sidecar, Redis, stand-ins. To try, from this machine:

  curl http://{at}/v1/models
  curl http://{at}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{\"model\": \"gpt-4o-mini\", \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'
  curl -N http://{at}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{\"model\": \"qwen\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Hello\"}}]}}'

What the application network can see, from the client's container:

  docker exec {client} /weir/weir-probe resolve gateway replica-1 redis
  docker exec {client} /weir/weir-probe scan envoy-a:9900-10010

`cargo xtask compose-down` takes it down.",
        client = stack.id("client")?.chars().take(12).collect::<String>(),
    );
    Ok(())
}
