//! The page of the replicas' GPUs, which can be gone.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use weir_harness::free_port;

use crate::failure::Failure;

/// The page, on a port that stays its own.
pub(crate) struct Gpus {
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl Drop for Gpus {
    fn drop(&mut self) {
        self.close();
    }
}

impl Gpus {
    /// The page of two GPUs, `GPU-0` and `GPU-1`.
    ///
    /// # Errors
    /// When there is no port for it.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let mut gpus = Self { address: ([127, 0, 0, 1], free_port()?).into(), server: None };
        gpus.open().await?;
        Ok(gpus)
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Refuses connections from now on.
    pub(crate) fn close(&mut self) {
        self.server.take().iter().for_each(JoinHandle::abort);
    }

    /// Answers from now on.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub(crate) async fn open(&mut self) -> Result<(), Failure> {
        let listener = TcpListener::bind(self.address).await;
        let listener = listener.map_err(Failure::with("the port of the GPUs' page"))?;
        self.server = Some(tokio::spawn(serve(listener)));
        Ok(())
    }
}

async fn serve(listener: TcpListener) {
    let line = |index| {
        let labels = format!("{{gpu=\"{index}\",UUID=\"GPU-{index}\",hostname=\"gpu-node\"}}");
        format!("DCGM_FI_DEV_GPU_UTIL{labels} 5\nDCGM_FI_DEV_XID_ERRORS{labels} 0\n")
    };
    let body: String = [0, 1].map(line).concat();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let reply = head + &body;
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            // A client that breaks off asks again.
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    }
}
