//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Tells the Weir filters in Envoy what the replicas are doing.
///
/// Polls the Prometheus page of every replica, builds one snapshot per pool and posts it to the
/// intake listener of every gateway. Its own HTTP (127.0.0.1:9500 unless configured) has /healthz,
/// /readyz, /metrics, /status, /snapshot, /usage and /limits (which takes what `weir limits` asks for).
#[derive(Debug, Parser)]
#[command(name = "weir-sidecar", version, after_long_help = EXAMPLE)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// What to be instead of a sidecar.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration file (YAML).
    #[arg(short, long, value_name = "FILE", env = "WEIR_SIDECAR_CONFIG", required = true)]
    pub config: Option<PathBuf>,

    /// Check the configuration, say what it would do, and end.
    ///
    /// Exit status 0 if it can be used, 2 if not. Nothing is polled or pushed.
    #[arg(long)]
    pub check: bool,

    /// With --check: also look up the names and files by which replicas and gateways are found.
    ///
    /// What is not found now, from here, is a warning: the exit status stays that of --check. Takes 5 s at most.
    #[arg(long, requires = "check")]
    pub resolve: bool,

    /// Print the configuration in force as YAML, every default filled in, and end.
    ///
    /// Keys and tokens are named by their variable or file, and what a URL asks for (its query) is left out. Exit
    /// status as of --check.
    #[arg(long, conflicts_with = "check")]
    pub print_config: bool,

    /// Show what every gateway knows of the replicas, as JSON, and end.
    ///
    /// The request is signed with the configured key. Exit status 0 if every gateway answered, 1 if not.
    #[arg(long, conflicts_with_all = ["check", "print_config"])]
    pub view: bool,
}

/// Another role of the same program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Offers this machine's GPUs, as NVML tells of them, to sidecars elsewhere.
    ///
    /// Runs on the GPU node where there is no DCGM exporter. /metrics has every GPU and MIG device under the
    /// exporter's names; name it in the sidecar's gpus.exporters. Without a driver the page says so, and it is tried
    /// again every minute.
    Agent(AgentArgs),
}

/// Options of the agent.
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    /// Where the page is offered.
    #[arg(long, value_name = "IP:PORT", default_value = "0.0.0.0:9401")]
    pub listen: SocketAddr,

    /// How often NVML is asked, in ms: 10 to 60000.
    #[arg(long, value_name = "MS", default_value = "1000", value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub interval_ms: u64,

    /// The library to load instead of libnvidia-ml.so.1.
    #[arg(long, value_name = "FILE")]
    pub library: Option<String>,
}

const EXAMPLE: &str = concat!(
    "\
Signals:
  SIGTERM, SIGINT  close all connections and end with status 0
  SIGHUP           read the configuration again; one that cannot be used is refused and the old kept. The same
                   happens by itself within seconds after the file, a key or a certificate has changed

Exit status:
  0  ended by a signal, or the checked configuration can be used, or every gateway showed its view
  1  cannot start or go on, or a gateway shows no view
  2  the configuration or the command line cannot be used

Every field of the configuration, with what it is if not given:
",
    include_str!("../../envoy-config/sidecar-reference.yaml")
);
