//! What the compose harness runs inside its containers: an HTTP client, a bounded load, a scanner of
//! addresses, stand-ins for a vector store and the like. Each command prints one JSON document.
//!
//! It is one static binary, so that images without a shell or a libc can have it.

mod addresses;
mod http;
mod load;
mod network;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::Value;

/// A client, a scanner and stand-ins for the containers of the compose harness.
#[derive(Debug, Parser)]
#[command(name = "weir-probe", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Does nothing until it is ended, so that a container stays for other commands.
    Wait,
    /// Answers every HTTP request with its own name.
    Serve {
        /// IP:PORT to listen on.
        #[arg(long)]
        listen: std::net::SocketAddr,
        /// What the answers call it.
        #[arg(long)]
        name: String,
    },
    /// Looks names up and prints their addresses.
    Resolve {
        /// The names.
        names: Vec<String>,
    },
    /// Tries to connect to each target: HOST:PORT or HOST:FIRST-LAST.
    Scan {
        /// How long one attempt may take.
        #[arg(long, default_value_t = 1000)]
        timeout_ms: u64,
        /// The targets.
        targets: Vec<String>,
    },
    /// Sends one HTTP request and prints the response, with the longest silence in it.
    Request(http::Ask),
    /// Sends requests for some seconds and prints how each that failed did.
    Load(load::Load),
    /// Writes a configuration with the addresses of this network in it and becomes another program.
    WithAddresses {
        /// The configuration: `{{NAME}}` stands for an address.
        #[arg(long)]
        template: PathBuf,
        /// Where the result goes.
        #[arg(long)]
        out: PathBuf,
        /// PORT=NAME: what listens on 127.0.0.1 and PORT is to listen on the address of NAME.
        #[arg(long)]
        listen: Vec<String>,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        program: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(document) => {
            println!("{document}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("weir-probe: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Value, String> {
    match command {
        Command::Wait => loop {
            std::thread::park();
        },
        Command::Serve { listen, name } => serve::run(listen, &name),
        Command::Resolve { names } => Ok(network::resolve(&names)),
        Command::Scan { timeout_ms, targets } => {
            network::scan(&targets, Duration::from_millis(timeout_ms))
        }
        Command::Request(ask) => http::document(&ask),
        Command::Load(load) => load::run(&load),
        Command::WithAddresses { template, out, listen, program } => {
            addresses::become_program(&template, &out, &listen, &program)
        }
    }
}
