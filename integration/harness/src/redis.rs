//! A real Redis.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::HarnessError;
use crate::ports::free_port;
use crate::process::ChildProcess;
use crate::workspace;

/// How long it may take until it listens.
const START: Duration = Duration::from_secs(10);

/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(5);

/// Slots of a cluster.
const SLOTS: usize = 16_384;

/// How often a node of a cluster is started again on another port.
const NODE_TRIES: usize = 4;

/// A Redis on a port of its own that keeps nothing on disk. Dropping it ends the process.
#[derive(Debug)]
pub struct Redis {
    process: ChildProcess,
    address: SocketAddr,
    arguments: Vec<String>,
    folder: TempDir,
    program: PathBuf,
}

impl Redis {
    /// Starts it, with these arguments beside the port, and waits until it listens.
    ///
    /// # Errors
    /// When set-up has not brought it and none is on PATH, or it does not listen within ten seconds.
    pub fn start(arguments: &[&str]) -> Result<Self, HarnessError> {
        Self::start_program(&workspace::redis()?, arguments)
    }

    /// The same with another server that speaks its protocol.
    ///
    /// # Errors
    /// When it does not listen within ten seconds.
    pub fn start_program(program: &Path, arguments: &[&str]) -> Result<Self, HarnessError> {
        let folder = TempDir::with_prefix("weir-redis-");
        let folder = folder.map_err(HarnessError::file(std::env::temp_dir()))?;
        Self::launched(program, folder, arguments.iter().map(|one| (*one).to_owned()).collect())
    }

    /// Starts three that are a cluster, and waits until each knows that all slots are served.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub async fn cluster(arguments: &[&str]) -> Result<Vec<Self>, HarnessError> {
        let arguments = [&["--cluster-enabled", "yes"], arguments].concat();
        let nodes = (0..3).map(|_| Self::node(&arguments)).collect::<Result<Vec<_>, _>>()?;
        let first = nodes.first().map_or_else(|| 0, |node| node.address.port());
        for (at, node) in nodes.iter().enumerate() {
            let own = (0..SLOTS).filter(|slot| slot * nodes.len() / SLOTS == at);
            let own: Vec<String> = own.map(|slot| slot.to_string()).collect();
            node.ask(&format!("CLUSTER ADDSLOTS {}", own.join(" "))).await?;
            node.ask(&format!("CLUSTER MEET 127.0.0.1 {first}")).await?;
        }
        for node in &nodes {
            node.wait_for_cluster(nodes.len()).await?;
        }
        Ok(nodes)
    }

    /// A server that also takes the port 10,000 above its own, as nodes of a cluster do. Some connection may have that one.
    fn node(arguments: &[&str]) -> Result<Self, HarnessError> {
        let mut node = Self::start(arguments);
        for _ in 0..NODE_TRIES {
            if !matches!(node, Err(HarnessError::Ended { .. })) {
                break;
            }
            node = Self::start(arguments);
        }
        node
    }

    async fn wait_for_cluster(&self, nodes: usize) -> Result<(), HarnessError> {
        let deadline = Instant::now() + START;
        let known = format!("cluster_known_nodes:{nodes}");
        let good = ["cluster_state:ok", &known, "cluster_slots_ok:16384"];
        while Instant::now() < deadline {
            let info = self.ask("CLUSTER INFO").await?;
            if good.iter().all(|line| info.iter().any(|told| told == line)) {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        let what = format!("the cluster as {} sees it", self.address);
        Err(HarnessError::Timeout { what, limit: START, log: self.process.log() })
    }

    /// Starts a sentinel that knows `master` by the name `weir`, and puts a replica in its place 300 ms after it has gone.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub fn sentinel(master: &Self) -> Result<Self, HarnessError> {
        let folder = TempDir::with_prefix("weir-sentinel-");
        let folder = folder.map_err(HarnessError::file(std::env::temp_dir()))?;
        let file = folder.path().join("sentinel.conf");
        let port = master.address.port();
        let settings = format!(
            "sentinel monitor weir 127.0.0.1 {port} 1\nsentinel down-after-milliseconds weir 300\n\
             sentinel failover-timeout weir 3000\n"
        );
        std::fs::write(&file, settings).map_err(HarnessError::file(&file))?;
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        Self::launched(&workspace::redis()?, folder, arguments)
    }

    fn launched(
        program: &Path,
        folder: TempDir,
        arguments: Vec<String>,
    ) -> Result<Self, HarnessError> {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let process = launch(program, &folder, address, &arguments)?;
        let program = program.to_owned();
        let mut redis = Self { process, address, arguments, folder, program };
        redis.wait_until_up()?;
        Ok(redis)
    }

    /// Starts it again on the same port, empty, after it was killed.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub fn restart(&mut self) -> Result<(), HarnessError> {
        self.process.kill();
        self.process = launch(&self.program, &self.folder, self.address, &self.arguments)?;
        self.wait_until_up()
    }

    /// The lines of what it answers to one command, words parted by spaces, without lengths and states.
    ///
    /// # Errors
    /// When it does not answer. An error that it tells is a line, which begins with `-`.
    pub async fn ask(&self, command: &str) -> Result<Vec<String>, HarnessError> {
        let failed = |error: std::io::Error| HarnessError::Answer {
            what: format!("Redis at {}", self.address),
            problem: error.to_string(),
        };
        let mut stream = TcpStream::connect(self.address).await.map_err(failed)?;
        let sent = format!("{command}\r\nQUIT\r\n");
        stream.write_all(sent.as_bytes()).await.map_err(failed)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.split("\r\n").filter(|line| !line.starts_with(['*', '$', '+']));
        Ok(lines.filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The process: ways to stop it, its log.
    pub fn process(&mut self) -> &mut ChildProcess {
        &mut self.process
    }

    fn wait_until_up(&mut self) -> Result<(), HarnessError> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(ended) = self.process.ended(str::to_owned) {
                return Err(ended);
            }
            if std::net::TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        let what = format!("Redis at {}", self.address);
        Err(HarnessError::Timeout { what, limit: START, log: self.process.log() })
    }
}

fn launch(
    program: &Path,
    folder: &TempDir,
    address: SocketAddr,
    arguments: &[String],
) -> Result<ChildProcess, HarnessError> {
    let port = address.port().to_string();
    let path = folder.path().display().to_string();
    let own = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--dir", &path];
    // A file of settings has to come first.
    let all = arguments.iter().map(String::as_str).chain(own);
    ChildProcess::start(program, all, &[], &folder.path().join("redis.log"))
}
