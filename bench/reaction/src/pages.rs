//! The replicas' pages of load: a path for each, by its port.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// The pages; dropping them ends their server.
pub(crate) struct Pages {
    address: SocketAddr,
    /// Of each replica its port, and how many requests wait there.
    waiting: Arc<Mutex<Vec<(u16, u32)>>>,
    server: JoinHandle<()>,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Pages {
    /// Pages of idle replicas with these ports.
    ///
    /// # Errors
    /// When there is no port for them.
    pub(crate) async fn start(ports: &[u16]) -> Result<Self, Failure> {
        let failed = |source| Failure::File { path: "a port for the pages".into(), source };
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let waiting = Arc::new(Mutex::new(ports.iter().map(|port| (*port, 0)).collect()));
        let server = tokio::spawn(serve(listener, Arc::clone(&waiting)));
        Ok(Self { address, waiting, server })
    }

    /// Where they are.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the pages say from now on: requests that wait, by the replica's position.
    pub(crate) fn say(&self, waiting: impl Fn(usize) -> u32) {
        let mut all = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter_mut().enumerate().for_each(|(replica, (_, said))| *said = waiting(replica));
    }
}

async fn serve(listener: TcpListener, waiting: Arc<Mutex<Vec<(u16, u32)>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let waiting = Arc::clone(&waiting);
        tokio::spawn(async move {
            // A sidecar that leaves is no fault.
            let _ = connection(stream, &waiting).await;
        });
    }
}

async fn connection(mut stream: TcpStream, waiting: &Mutex<Vec<(u16, u32)>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut pending = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(pending.get(..end).unwrap_or_default()).into_owned();
        pending.drain(..end);
        // `GET /9001 HTTP/1.1`, or with a query.
        let port =
            head.split([' ', '?']).nth(1).and_then(|path| path.trim_matches('/').parse().ok());
        let said = waiting.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of = said.iter().find(|(known, _)| Some(*known) == port).map_or(0, |(_, said)| *said);
        let running = if of > 0 { 256 } else { 0 };
        let body = format!(
            "vllm:num_requests_waiting{{engine=\"0\"}} {of}.0\n\
             vllm:num_requests_running{{engine=\"0\"}} {running}.0\n\
             vllm:kv_cache_usage_perc{{engine=\"0\"}} 0.1\n"
        );
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await?;
    }
}
