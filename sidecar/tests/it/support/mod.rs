//! Replicas and gateways for the tests, and a sidecar on a configuration of them.

mod api;
mod dns;
mod intake;
mod listener;
mod page;
mod query;
mod replica;
pub(crate) mod tls;

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_sidecar::{Config, Daemon};

pub(crate) use api::Api;
pub(crate) use dns::Dns;
pub(crate) use intake::{Intake, Mode};
pub(crate) use replica::{Behaviour, Replica, vllm};

/// No test waits longer than this; it is far above what anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `look` sees something.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let waiting = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("never: {what}"))
}

/// The text of a configuration with one pool `llama`.
pub(crate) fn yaml(replicas: &[SocketAddr], gateways: &[&str], more: &str) -> String {
    let mut text = format!("listen: 127.0.0.1:0\ngateways: {gateways:?}\n{more}\n");
    text.push_str(
        "pools:\n  llama:\n    poll_interval: 10ms\n    timeout: 500ms\n    endpoints:\n",
    );
    for address in replicas {
        writeln!(text, "      - address: '{address}'").unwrap();
    }
    text
}

/// A sidecar in this process.
pub(crate) struct Sidecar {
    pub(crate) daemon: Daemon,
    _folder: TempDir,
}

impl Sidecar {
    /// Starts with the configuration `yaml`.
    pub(crate) async fn start(yaml: &str) -> Self {
        let (folder, config) = load(yaml);
        Self { daemon: Daemon::start(config).await.unwrap(), _folder: folder }
    }

    /// Takes over the configuration `yaml`.
    pub(crate) fn reload(&mut self, yaml: &str) {
        let (folder, config) = load(yaml);
        self.daemon.reload(&config).unwrap();
        self._folder = folder;
    }

    /// A page of its own HTTP.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        get(self.daemon.address(), path).await
    }

    /// `/snapshot`.
    pub(crate) async fn snapshot(&self) -> Value {
        serde_json::from_str(&self.get("/snapshot").await.1).unwrap()
    }

    /// Waits until `/snapshot` shows endpoint `index` in `state`, and returns what it shows of it.
    pub(crate) async fn endpoint_in(&self, index: usize, state: &str) -> Value {
        self.endpoint_where(index, state, |endpoint| endpoint["state"] == state).await
    }

    /// Waits until `/snapshot` shows endpoint `index` as `expected`, and returns what it shows.
    pub(crate) async fn endpoint_where(
        &self,
        index: usize,
        what: &str,
        expected: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, async || {
            let endpoint = self.snapshot().await["pools"][0]["endpoints"][index].clone();
            expected(&endpoint).then_some(endpoint)
        })
        .await
    }
}

/// The configuration `yaml`, through a file.
pub(crate) fn load(yaml: &str) -> (TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sidecar.yaml");
    std::fs::write(&path, yaml).unwrap();
    let config = Config::load(&path).unwrap();
    (folder, config)
}

/// Status and body of `GET path`.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    exchange(address, &head).await
}

/// Status and body of the answer to `request`, which has to close the connection.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
