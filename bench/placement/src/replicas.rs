//! Five simulated replicas in processes of their own.

use std::net::SocketAddr;

use tempfile::TempDir;
use weir_harness::{ChildProcess, HarnessError, workspace};

use crate::load::{MODEL, OUTPUT_TOKENS};
use crate::ready::wait_for;

/// How many there are.
pub(crate) const COUNT: usize = 5;

/// KV cache of each, in blocks of 16 tokens.
const BLOCKS: usize = 3000;

/// Milliseconds of overhead, per uncached token and per output token: within what is published of an 8B model on one
/// H100 (25 to 40, 0.15 to 0.30, 10 to 15), and none of it what Weir's policy assumes.
const TIMES: [(&str, &str); 3] =
    [("--overhead-ms", "36"), ("--prefill-ms", "0.24"), ("--decode-ms", "13")];

/// The same where streams are to stay.
const AT_ONCE: [(&str, &str); 3] =
    [("--overhead-ms", "0"), ("--prefill-ms", "0"), ("--decode-ms", "60000")];

/// How much longer slow replicas take for everything.
const SLOWNESS: &str = "3";

/// How quick replicas are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    /// As a model on a GPU.
    Model,
    /// The first token comes at once, and the next in a minute.
    StreamsThatStay,
}

/// Running replicas with empty caches; dropping them ends them.
pub(crate) struct Replicas {
    _processes: Vec<ChildProcess>,
    _folder: TempDir,
}

impl Replicas {
    /// Starts a replica on each port, the last `slow` of them slow, and waits until they listen.
    pub(crate) async fn start(
        ports: &[u16; COUNT],
        slow: usize,
        speed: Speed,
    ) -> Result<Self, HarnessError> {
        let folder = TempDir::with_prefix("weir-bench-placement-")
            .map_err(|source| HarnessError::File { path: std::env::temp_dir(), source })?;
        let (quick, slow) = ports.split_at(COUNT - slow.min(COUNT));
        let mut processes = vec![process(quick, "1", speed, &folder)?];
        if !slow.is_empty() {
            processes.push(process(slow, SLOWNESS, speed, &folder)?);
        }
        for port in ports {
            wait_for(SocketAddr::from(([127, 0, 0, 1], *port)), "/health").await?;
        }
        Ok(Self { _processes: processes, _folder: folder })
    }
}

fn process(
    ports: &[u16],
    scale: &str,
    speed: Speed,
    folder: &TempDir,
) -> Result<ChildProcess, HarnessError> {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let (blocks, output) = (BLOCKS.to_string(), OUTPUT_TOKENS.to_string());
    let ports = ports.join(",");
    let mut arguments = vec!["--ports", &ports, "--model", MODEL, "--time-scale", scale];
    arguments.extend(["--blocks", &blocks, "--output-tokens", &output]);
    let times = if speed == Speed::Model { TIMES } else { AT_ONCE };
    arguments.extend(times.iter().flat_map(|(name, value)| [*name, *value]));
    if speed == Speed::StreamsThatStay {
        arguments.extend(["--max-running", "100000"]);
    }
    let log = folder.path().join(format!("replicas-{scale}.log"));
    ChildProcess::start(&workspace::binary("weir-replica")?, arguments, &[], &log)
}
