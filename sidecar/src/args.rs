//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Tells the Weir filters in Envoy what the replicas are doing.
///
/// Polls the Prometheus page of every replica, builds one snapshot per pool and posts it to the
/// intake listener of every gateway. Its own HTTP (127.0.0.1:9500 unless configured) has /healthz,
/// /readyz, /metrics and /snapshot.
#[derive(Debug, Parser)]
#[command(name = "weir-sidecar", version, after_long_help = EXAMPLE)]
pub struct Args {
    /// Configuration file (YAML).
    #[arg(short, long, value_name = "FILE", env = "WEIR_SIDECAR_CONFIG")]
    pub config: PathBuf,

    /// Check the configuration, say what it would do, and end.
    ///
    /// Exit status 0 if it can be used, 2 if not. Nothing is polled or pushed.
    #[arg(long)]
    pub check: bool,

    /// Show what every gateway knows of the replicas, as JSON, and end.
    ///
    /// The request is signed with the configured key. Exit status 0 if every gateway answered, 1 if not.
    #[arg(long, conflicts_with = "check")]
    pub view: bool,
}

const EXAMPLE: &str = "\
Signals:
  SIGTERM, SIGINT  close all connections and end with status 0
  SIGHUP           read the configuration again; one that cannot be used is refused and the old kept

Exit status:
  0  ended by a signal, or the checked configuration can be used, or every gateway showed its view
  1  cannot start or go on, or a gateway shows no view
  2  the configuration or the command line cannot be used

Example configuration:
  listen: 127.0.0.1:9500            # own HTTP; this is the default
  log: {level: info, format: json}  # error, warn, info, debug, trace; text or json
  signing_key_env: WEIR_KEY         # or signing_key_file: PATH; at least 16 bytes
  push_timeout: 1s
  gateways:
    - unix:/run/weir/intake.sock
    - http://127.0.0.1:10001
  pools:
    llama:
      server: vllm                  # whose metric names are read; this is the default
      poll_interval: 100ms
      timeout: 1s
      endpoints:
        - address: 127.0.0.1:9001   # metrics at http://127.0.0.1:9001/metrics
        - address: 127.0.0.1:9002
          metrics_url: http://127.0.0.1:8000/metrics
";
