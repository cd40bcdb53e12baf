//! A page of GPUs as a DCGM exporter has it, which says what it is told to say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::error::HarnessError;

/// The page of some GPUs, served on a port of its own. Dropping it ends that.
#[derive(Debug)]
pub struct GpuExporter {
    address: SocketAddr,
    gpus: usize,
    page: Arc<Mutex<String>>,
    server: AbortHandle,
}

impl Drop for GpuExporter {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl GpuExporter {
    /// Serves a page of this many GPUs, `GPU-0` and so on, that are idle and well.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start(gpus: usize) -> Result<Self, HarnessError> {
        let at = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(at).await.map_err(HarnessError::file("a port"))?;
        let address = listener.local_addr().map_err(HarnessError::file("a port"))?;
        let page = Arc::new(Mutex::new(well(gpus)));
        let server = tokio::spawn(serve(listener, Arc::clone(&page))).abort_handle();
        Ok(Self { address, gpus, page, server })
    }

    /// Says `name` of GPU `index`, and nothing else but that all are well.
    pub fn say(&self, index: usize, name: &str, value: u32) {
        let page = well(self.gpus) + &line(name, index, value);
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = page;
    }

    /// The sidecar's configuration `yaml` with this page in it, and the replicas with these `ports` each on the GPU
    /// of its position.
    #[must_use]
    pub fn joined(&self, yaml: &str, ports: &[u16]) -> String {
        let mut joined = yaml.to_owned();
        for (index, port) in ports.iter().enumerate() {
            let line = format!("address: 127.0.0.1:{port}\n");
            joined = joined.replace(&line, &format!("{line}      gpus: [GPU-{index}]\n"));
        }
        let url = format!("http://{}/metrics", self.address);
        joined + &format!("gpus: {{poll_interval: 100ms, exporters: [{{url: '{url}'}}]}}\n")
    }
}

async fn serve(listener: TcpListener, page: Arc<Mutex<String>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let body = page.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A client that breaks off asks again.
        let _ = answer(stream, &body).await;
    }
}

async fn answer(mut stream: TcpStream, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    let mut request = [0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    stream.write_all((head + body).as_bytes()).await
}

fn well(gpus: usize) -> String {
    let both =
        |index| line("DCGM_FI_DEV_GPU_UTIL", index, 5) + &line("DCGM_FI_DEV_XID_ERRORS", index, 0);
    (0..gpus).map(both).collect()
}

fn line(name: &str, index: usize, value: u32) -> String {
    format!("{name}{{gpu=\"{index}\",UUID=\"GPU-{index}\",hostname=\"gpu-node\"}} {value}\n")
}
