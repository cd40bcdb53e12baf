//! The replicas' pages of load, one of which can show something else.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use weir_replica::Replica;

use crate::failure::Failure;

/// What the page of the first replica shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    /// Its load.
    Load,
    /// Nothing at all, and the connection stays.
    Nothing,
    /// No page: the connection is closed.
    Gone,
    /// Its load over and over, a piece every 20 ms.
    Endless,
    /// Bytes that are no page.
    Garbage,
    /// Its load with NaN for every number.
    Nan,
}

/// The pages; dropping them ends their server.
pub(crate) struct Pages {
    address: SocketAddr,
    shows: Arc<Mutex<Shows>>,
    server: JoinHandle<()>,
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Pages {
    /// Pages of these replicas, each at its port as path.
    ///
    /// # Errors
    /// When there is no port for them.
    pub(crate) async fn start(replicas: &[Replica]) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(Failure::with("a port for the pages"))?;
        let address = listener.local_addr().map_err(Failure::with("the pages"))?;
        let shows = Arc::new(Mutex::new(Shows::Load));
        let server = tokio::spawn(serve(listener, replicas.to_vec(), Arc::clone(&shows)));
        Ok(Self { address, shows, server })
    }

    /// Where they are.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the first replica's page shows from now on.
    pub(crate) fn show(&self, shows: Shows) {
        *self.shows.lock().unwrap_or_else(PoisonError::into_inner) = shows;
    }
}

async fn serve(listener: TcpListener, replicas: Vec<Replica>, shows: Arc<Mutex<Shows>>) {
    let replicas = Arc::new(replicas);
    while let Ok((stream, _)) = listener.accept().await {
        let (replicas, shows) = (Arc::clone(&replicas), Arc::clone(&shows));
        tokio::spawn(async move {
            // A sidecar that leaves is no fault.
            let _ = connection(stream, &replicas, &shows).await;
        });
    }
}

async fn connection(
    mut stream: TcpStream,
    replicas: &[Replica],
    shows: &Mutex<Shows>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let Some(port) = asked(&mut stream).await? else { return Ok(()) };
        let index = replicas.iter().position(|replica| replica.address().port() == port);
        let Some(replica) = index.and_then(|index| replicas.get(index)) else { return Ok(()) };
        let shows = match index {
            Some(0) => *shows.lock().unwrap_or_else(PoisonError::into_inner),
            _ => Shows::Load,
        };
        let page = replica.metrics();
        match shows {
            Shows::Load => whole(&mut stream, &page).await?,
            Shows::Nan => whole(&mut stream, &without_numbers(&page)).await?,
            Shows::Garbage => whole(&mut stream, "\u{0}<html>{{{ 1 = 2\n}\"").await?,
            Shows::Gone => return Ok(()),
            Shows::Nothing => return std::future::pending().await,
            Shows::Endless => return endless(&mut stream, &page).await,
        }
    }
}

/// The port in the path of the next request; `None` if there is none.
async fn asked(stream: &mut TcpStream) -> io::Result<Option<u16>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    // `GET /9001 HTTP/1.1`, or with a query.
    let head = String::from_utf8_lossy(&head).into_owned();
    Ok(head.split([' ', '?']).nth(1).and_then(|path| path.trim_matches('/').parse().ok()))
}

async fn whole(stream: &mut TcpStream, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + body).as_bytes()).await
}

async fn endless(stream: &mut TcpStream, page: &str) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    loop {
        stream.write_all(page.as_bytes()).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The page with NaN in place of every number.
fn without_numbers(page: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, _)) if !line.starts_with('#') => format!("{series} NaN\n"),
        _ => format!("{line}\n"),
    };
    page.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_without_numbers_has_the_same_series() {
        let page = "# TYPE a gauge\na{b=\"c d\"} 1.5\nd 2\n";
        assert_eq!(without_numbers(page), "# TYPE a gauge\na{b=\"c d\"} NaN\nd NaN\n");
    }
}
