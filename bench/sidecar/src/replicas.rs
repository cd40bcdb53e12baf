//! Replicas and a gateway as cheap as can be: one listener on all addresses of this machine, answers made beforehand.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server; dropping it ends it.
pub(crate) struct Replicas {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    whole: Vec<u8>,
    part: Vec<u8>,
    taken: Vec<u8>,
    polls: AtomicU64,
    pushes: AtomicU64,
}

impl Drop for Replicas {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Replicas {
    /// Replicas with pages of so many bytes.
    pub(crate) async fn start(bytes: usize) -> io::Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0").await?;
        let address = SocketAddr::from(([127, 0, 0, 1], listener.local_addr()?.port()));
        let taken = r#"{"accepted":true,"pool":"p","sequence":1,"endpoints":[]}"#;
        let shared = Arc::new(Shared {
            whole: answer(&page(bytes)),
            part: answer(&page(0)),
            taken: answer(taken),
            polls: AtomicU64::new(0),
            pushes: AtomicU64::new(0),
        });
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, server })
    }

    /// One of its addresses.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Polls and pushes so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (load(&self.shared.polls), load(&self.shared.pushes))
    }
}

/// The series that are read, among histograms.
fn page(bytes: usize) -> String {
    let mut page = String::from(
        "vllm:num_requests_waiting{engine=\"0\",model_name=\"llama-8b\"} 3.0\n\
         vllm:num_requests_running{engine=\"0\",model_name=\"llama-8b\"} 12.0\n\
         vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"llama-8b\"} 0.43\n\
         vllm:cache_config_info{block_size=\"16\",num_gpu_blocks=\"27632\"} 1.0\n\
         vllm:time_to_first_token_seconds_count{engine=\"0\"} 100.0\n\
         vllm:time_to_first_token_seconds_sum{engine=\"0\"} 30.0\n",
    );
    let mut bucket = 0;
    while page.len() < bytes {
        bucket += 1;
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "vllm:e2e_request_latency_seconds_bucket{{engine=\"0\",le=\"{bucket}.0\",model_name=\"llama-8b\"}} {bucket}"
        );
    }
    page
}

fn answer(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A sidecar that leaves is no fault.
            let _ = connection(stream, &shared).await;
        });
    }
}

async fn connection(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut pending = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = find(&pending, b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(pending.get(..head).unwrap_or_default()).to_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| {
            rest.split('\r').next().and_then(|digits| digits.parse::<usize>().ok())
        });
        let end = head + length.unwrap_or(0);
        while pending.len() < end {
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        }
        pending.drain(..end);
        let (answer, count) = match () {
            () if text.starts_with("post") => (&shared.taken, &shared.pushes),
            () if text.contains("name%5b%5d=") => (&shared.part, &shared.polls),
            () => (&shared.whole, &shared.polls),
        };
        count.fetch_add(1, Ordering::Relaxed);
        stream.write_all(answer).await?;
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Gets a page once.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page).await?;
    Ok(page)
}
