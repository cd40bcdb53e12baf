//! Bytes on a connection, for what no HTTP client would send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::error::HarnessError;

/// How long the peer may take for a head or a body.
const LIMIT: Duration = Duration::from_secs(15);

/// A TCP connection.
#[derive(Debug)]
pub struct RawConnection {
    stream: TcpStream,
    /// Received and not yet given out.
    pending: Vec<u8>,
}

/// The head of an HTTP/1.1 response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawHead {
    /// Status code.
    pub status: u16,
    /// Headers in order, names in lower case, values as they came.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl RawHead {
    /// The first header of this name, as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let status = std::str::from_utf8(lines.next()?).ok()?.split(' ').nth(1)?.parse().ok()?;
        let header = |line: &[u8]| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            Some((name, value.get(1..)?.trim_ascii().to_vec()))
        };
        Some(Self { status, headers: lines.filter_map(header).collect() })
    }
}

impl RawConnection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self, HarnessError> {
        let failed = HarnessError::http(format!("connecting to {address}"));
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(HarnessError::http("setting TCP_NODELAY"))?;
        Ok(Self { stream, pending: Vec::new() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), HarnessError> {
        let written = self.stream.write_all(bytes.as_ref()).await;
        written.map_err(HarnessError::http("sending bytes"))
    }

    /// Sends several pieces with `pause` between them.
    ///
    /// # Errors
    /// When the peer has closed.
    pub async fn send_pieces(
        &mut self,
        pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
        pause: Duration,
    ) -> Result<(), HarnessError> {
        for piece in pieces {
            self.send(piece).await?;
            sleep(pause).await;
        }
        Ok(())
    }

    /// Says that nothing more will be sent, without closing the other direction.
    ///
    /// # Errors
    /// When the connection is broken.
    pub async fn finish_sending(&mut self) -> Result<(), HarnessError> {
        self.stream.shutdown().await.map_err(HarnessError::http("closing a direction"))
    }

    /// The head of the next response; interim ones (`100 Continue`) are heads too.
    ///
    /// # Errors
    /// When the connection ends before a whole head, it is malformed, or it takes too long.
    pub async fn read_head(&mut self) -> Result<RawHead, HarnessError> {
        let head = self.read_until(b"\r\n\r\n").await?;
        RawHead::parse(&head).ok_or_else(|| HarnessError::Answer {
            what: "the head of a response".to_owned(),
            problem: String::from_utf8_lossy(&head).into_owned(),
        })
    }

    /// The body behind `head`, decoded if it is chunked.
    ///
    /// # Errors
    /// When the connection ends before the body does, or it takes too long.
    pub async fn read_body(&mut self, head: &RawHead) -> Result<Vec<u8>, HarnessError> {
        if head.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
            return self.read_chunks().await;
        }
        match head.header("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => self.read_exactly(length).await,
            None => Ok(self.read_to_end().await),
        }
    }

    /// Everything up to the end of the connection, or what has come when that takes too long.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        while self.receive().await.is_ok() {}
        std::mem::take(&mut self.pending)
    }

    async fn read_chunks(&mut self) -> Result<Vec<u8>, HarnessError> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n").await?;
            let size = String::from_utf8_lossy(&line);
            let size = size.trim().split(';').next().unwrap_or_default();
            let size = usize::from_str_radix(size, 16).map_err(HarnessError::http("a chunk"))?;
            if size == 0 {
                // Trailers, if any, end with an empty line.
                while self.read_until(b"\r\n").await?.len() > 2 {}
                return Ok(body);
            }
            body.extend(self.read_exactly(size).await?);
            self.read_exactly(2).await?;
        }
    }

    async fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>, HarnessError> {
        loop {
            let found = self.pending.windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                let rest = self.pending.split_off(at + end.len());
                return Ok(std::mem::replace(&mut self.pending, rest));
            }
            self.receive().await.map_err(HarnessError::http("reading a response"))?;
        }
    }

    async fn read_exactly(&mut self, length: usize) -> Result<Vec<u8>, HarnessError> {
        while self.pending.len() < length {
            self.receive().await.map_err(HarnessError::http("reading a response"))?;
        }
        let rest = self.pending.split_off(length);
        Ok(std::mem::replace(&mut self.pending, rest))
    }

    async fn receive(&mut self) -> io::Result<()> {
        let received = timeout(LIMIT, self.stream.read_buf(&mut self.pending)).await;
        match received.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
