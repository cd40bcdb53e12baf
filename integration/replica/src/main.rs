//! Runs simulated vLLM replicas, one on each address.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use weir_replica::{FailureMode, Fleet, Settings, Timing};

/// Simulated vLLM replicas. The defaults are an 8B model on one H100.
#[derive(Debug, Parser)]
#[command(
    name = "weir-replica",
    version,
    after_help = "\
A request can say how it is answered: the header x-weir-echo: 1 returns what arrived, x-weir-reply-text
is the answer (percent-encoded), x-weir-output-tokens its length, x-weir-fail a failure mode (but those
of connections and of /metrics, which are the whole replica's).
GET /_weir/last shows the last request; POST /_weir/fail {\"mode\": \"hang\"}, /_weir/reply,
/_weir/restart and /_weir/reset change the replica."
)]
struct Arguments {
    /// Address of one replica; may be given several times.
    #[arg(long, value_name = "IP:PORT")]
    listen: Vec<SocketAddr>,
    /// Ports of replicas on 127.0.0.1, with commas between them.
    #[arg(long, value_name = "PORT,…", value_delimiter = ',')]
    ports: Vec<u16>,
    /// A name of the base model; may be given several times. Without it, any name is served.
    #[arg(long = "model", value_name = "NAME")]
    models: Vec<String>,
    /// A LoRA adapter; may be given several times.
    #[arg(long = "lora", value_name = "NAME")]
    adapters: Vec<String>,
    /// Adapters that fit in GPU memory at once.
    #[arg(long, default_value_t = 4)]
    max_lora: usize,
    /// Requests that are decoded at once.
    #[arg(long, default_value_t = 256)]
    max_running: usize,
    /// Capacity of the KV cache in blocks of 16 tokens.
    #[arg(long, default_value_t = 8192)]
    blocks: usize,
    /// Output tokens of a reply.
    #[arg(long, default_value_t = 32)]
    output_tokens: usize,
    /// Seed of the words in replies.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Milliseconds from arrival to prefill.
    #[arg(long, default_value_t = 30.0)]
    overhead_ms: f64,
    /// Milliseconds of prefill for each uncached token.
    #[arg(long, default_value_t = 0.2)]
    prefill_ms: f64,
    /// Milliseconds between output tokens.
    #[arg(long, default_value_t = 12.0)]
    decode_ms: f64,
    /// Milliseconds to load a LoRA adapter.
    #[arg(long, default_value_t = 200.0)]
    lora_load_ms: f64,
    /// Factor on all durations: 0.1 is ten times faster, 0 no delay.
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// Failure mode at start: none, refuse, hang, error500, cut_midstream, garbage_metrics, no_done, slow_metrics.
    #[arg(long, default_value = "none")]
    fail: FailureMode,
    /// Answer at once with a prepared reply (for benchmarks).
    #[arg(long)]
    fast: bool,
    /// Events of a prepared stream, with --fast.
    #[arg(long, default_value_t = 20)]
    fast_events: usize,
    /// Microseconds before each of them but the first, with --fast; with 0, all are written at once.
    #[arg(long, default_value_t = 0)]
    fast_pause_us: u64,
    /// Threads of the process.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-replica: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(arguments.threads.max(1))
        .enable_all()
        .build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let addresses = arguments.addresses();
    if addresses.is_empty() {
        return Err("no address: give --listen IP:PORT or --ports PORT,…".into());
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let fleet = Fleet::start(&addresses, arguments.settings()).await?;
    for replica in fleet.replicas() {
        replica.set_failure(arguments.fail).await;
        println!("listening on {}", replica.address());
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}

impl Arguments {
    fn addresses(&self) -> Vec<SocketAddr> {
        let ports = self.ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port)));
        self.listen.iter().copied().chain(ports).collect()
    }

    fn settings(&self) -> Settings {
        Settings {
            models: self.models.clone(),
            adapters: self.adapters.clone(),
            max_lora: self.max_lora,
            max_running: self.max_running,
            blocks: self.blocks,
            output_tokens: self.output_tokens,
            seed: self.seed,
            timing: self.timing(),
            fast: self.fast,
            fast_events: self.fast_events,
            fast_pause: Duration::from_micros(self.fast_pause_us),
        }
    }

    fn timing(&self) -> Timing {
        Timing {
            overhead: milliseconds(self.overhead_ms),
            prefill_token: milliseconds(self.prefill_ms),
            decode_token: milliseconds(self.decode_ms),
            adapter_load: milliseconds(self.lora_load_ms),
            scale: self.time_scale,
        }
    }
}

/// Zero for a value that is negative or not finite.
fn milliseconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value / 1000.0).unwrap_or(Duration::ZERO)
}
