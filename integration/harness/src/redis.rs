//! A real Redis.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::HarnessError;
use crate::ports::free_port;
use crate::process::ChildProcess;
use crate::workspace;

/// How long it may take until it listens.
const START: Duration = Duration::from_secs(10);

/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(5);

/// A Redis on a port of its own that keeps nothing on disk. Dropping it ends the process.
#[derive(Debug)]
pub struct Redis {
    process: ChildProcess,
    address: SocketAddr,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts it, with these arguments beside the port, and waits until it listens.
    ///
    /// # Errors
    /// When set-up has not brought it and none is on PATH, or it does not listen within ten seconds.
    pub fn start(arguments: &[&str]) -> Result<Self, HarnessError> {
        let folder = TempDir::with_prefix("weir-redis-");
        let folder = folder.map_err(HarnessError::file(std::env::temp_dir()))?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
        let process = launch(&folder, address, &arguments)?;
        let mut redis = Self { process, address, arguments, folder };
        redis.wait_until_up()?;
        Ok(redis)
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
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        let process = launch(&folder, address, &arguments)?;
        let mut redis = Self { process, address, arguments, folder };
        redis.wait_until_up()?;
        Ok(redis)
    }

    /// Starts it again on the same port, empty, after it was killed.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub fn restart(&mut self) -> Result<(), HarnessError> {
        self.process.kill();
        self.process = launch(&self.folder, self.address, &self.arguments)?;
        self.wait_until_up()
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
    folder: &TempDir,
    address: SocketAddr,
    arguments: &[String],
) -> Result<ChildProcess, HarnessError> {
    let port = address.port().to_string();
    let path = folder.path().display().to_string();
    let own = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--dir", &path];
    // A file of settings has to come first.
    let all = arguments.iter().map(String::as_str).chain(own);
    ChildProcess::start(&workspace::redis()?, all, &[], &folder.path().join("redis.log"))
}
