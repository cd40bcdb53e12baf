//! What the sidecar costs: CPU time of the real binary with many replicas, each with a full
//! metrics page, and one gateway.
//!
//! `cargo run --release -p weir-sidecar --example poll_cost -- [REPLICAS [INTERVAL [SECONDS [PAGE_BYTES]]]]`
//! after `cargo build --release -p weir-sidecar`; 100, 100ms, 10 and 50000 unless given. Replicas and
//! gateway run in this process, so their time is not counted. Linux only: it reads `/proc`.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use weir_snapshot::{Accepted, SnapshotMessage};

/// Clock ticks per second in `/proc/PID/stat`: 100 on every Linux (`getconf CLK_TCK`).
const TICKS: f64 = 100.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let replicas: usize = arguments.next().map_or(Ok(100), |text| text.parse())?;
    let interval = arguments.next().unwrap_or_else(|| "100ms".to_owned());
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    // As large as the page of a vLLM with all its histograms.
    let page_bytes: usize = arguments.next().map_or(Ok(50_000), |text| text.parse())?;
    let page = page(page_bytes)?;
    let mut addresses = Vec::new();
    for _ in 0..replicas {
        addresses.push(serve(Server::Replica(page.clone())).await?);
    }
    let gateway = serve(Server::Intake).await?;
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("sidecar.yaml");
    std::fs::write(&config, yaml(&addresses, gateway, &interval)?)?;
    let mut sidecar = sidecar(&config)?;
    let measured = measure(&sidecar, Duration::from_secs(seconds)).await;
    sidecar.kill()?;
    sidecar.wait()?;
    let share = measured?;
    println!(
        "{replicas} replicas every {interval}, pages of {page_bytes} bytes: {:.1} % of a core",
        share * 100.0
    );
    Ok(())
}

fn sidecar(config: &std::path::Path) -> io::Result<Child> {
    let example = std::env::current_exe()?;
    let folder = example.parent().and_then(std::path::Path::parent);
    let binary = folder.ok_or(io::ErrorKind::NotFound)?.join("weir-sidecar");
    Command::new(binary).arg("--config").arg(config).spawn()
}

/// CPU seconds per second, once the sidecar has settled.
async fn measure(sidecar: &Child, period: Duration) -> io::Result<f64> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (before, started) = (cpu_seconds(sidecar.id())?, Instant::now());
    tokio::time::sleep(period).await;
    Ok((cpu_seconds(sidecar.id())? - before) / started.elapsed().as_secs_f64())
}

/// User and system time of a process.
fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15; the name, field 2, may hold spaces and ends with the last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    Ok(ticks / TICKS)
}

fn yaml(
    replicas: &[SocketAddr],
    gateway: SocketAddr,
    interval: &str,
) -> Result<String, std::fmt::Error> {
    let mut text = format!("listen: 127.0.0.1:0\ngateways: ['http://{gateway}']\npools:\n  p:\n");
    writeln!(text, "    poll_interval: {interval}\n    endpoints:")?;
    for address in replicas {
        writeln!(text, "      - address: {address}")?;
    }
    Ok(text)
}

/// The metrics that are read, among histograms.
fn page(bytes: usize) -> Result<Bytes, std::fmt::Error> {
    let mut page = String::from(
        "vllm:num_requests_waiting{engine=\"0\",model_name=\"llama-8b\"} 3.0\n\
         vllm:num_requests_running{engine=\"0\",model_name=\"llama-8b\"} 12.0\n\
         vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"llama-8b\"} 0.43\n\
         vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"27632\"} 1.0\n",
    );
    let mut bucket = 0;
    while page.len() < bytes {
        bucket += 1;
        writeln!(
            page,
            "vllm:time_to_first_token_seconds_bucket{{engine=\"0\",le=\"{bucket}.0\",model_name=\"llama-8b\"}} {bucket}"
        )?;
    }
    Ok(page.into())
}

#[derive(Clone)]
enum Server {
    Replica(Bytes),
    Intake,
}

async fn serve(server: Server) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let server = server.clone();
            let service = service_fn(move |request| answer(request, server.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(address)
}

async fn answer(
    request: Request<Incoming>,
    server: Server,
) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
    match server {
        Server::Replica(page) => Ok(Response::new(Full::new(page))),
        Server::Intake => {
            let body = request.into_body().collect().await?.to_bytes();
            let message = SnapshotMessage::parse(&body)?;
            Ok(Response::new(Full::new(Accepted::new(&message, Vec::new()).to_json().into())))
        }
    }
}
