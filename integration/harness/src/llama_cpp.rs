//! Real model servers: llama.cpp's own, with a tiny model that is made on the spot.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::HarnessError;
use crate::http::{HttpClient, Request};
use crate::ports::free_port;
use crate::process::ChildProcess;
use crate::workspace;

/// How long a server may take until it answers: its library is 100 MB, and may have to come from a disk.
const START: Duration = Duration::from_secs(60);

/// How often it is asked.
const ASK: Duration = Duration::from_millis(20);

/// The program that makes the model and serves it.
const PROGRAM: &str = "integration/harness/llama_cpp/serve.py";

/// A llama.cpp server that answers. Dropping it ends the process.
#[derive(Debug)]
pub struct LlamaCpp {
    process: ChildProcess,
    address: SocketAddr,
    _folder: TempDir,
}

impl LlamaCpp {
    /// Starts `count` servers of one model on free ports, and waits until all of them answer.
    ///
    /// # Errors
    /// When set-up has not brought llama.cpp, or a server does not answer within a minute.
    pub async fn start(count: usize) -> Result<Vec<Self>, HarnessError> {
        Self::start_with(count, &[]).await
    }

    /// The same without a cache of prefixes: equal requests get equal answers, whatever was asked before.
    ///
    /// # Errors
    /// As [`LlamaCpp::start`].
    pub async fn start_uncached(count: usize) -> Result<Vec<Self>, HarnessError> {
        Self::start_with(count, &["uncached"]).await
    }

    async fn start_with(count: usize, further: &[&str]) -> Result<Vec<Self>, HarnessError> {
        let mut servers = Vec::with_capacity(count);
        for _ in 0..count {
            servers.push(Self::launch(further)?);
        }
        for server in &mut servers {
            server.wait_until_up().await?;
        }
        Ok(servers)
    }

    /// Starts a server with a model of its own: each is made from the same seed.
    fn launch(further: &[&str]) -> Result<Self, HarnessError> {
        let folder = TempDir::with_prefix("weir-llama-cpp-");
        let folder = folder.map_err(HarnessError::file(std::env::temp_dir()))?;
        let port = free_port()?;
        let process = serve(folder.path(), port, further)?;
        Ok(Self { process, address: ([127, 0, 0, 1], port).into(), _folder: folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value of a series of its metrics page, such as `llamacpp:prompt_tokens_total`.
    ///
    /// # Errors
    /// When it does not answer, or the page has no such series.
    pub async fn metric(&self, name: &str) -> Result<f64, HarnessError> {
        let page = HttpClient::http1().send(self.address, Request::get("/metrics")).await?;
        let text = page.text();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let value =
            lines.find(|(series, _)| *series == name).and_then(|(_, value)| value.parse().ok());
        value.ok_or_else(|| HarnessError::Answer {
            what: format!("the metrics of {}", self.address),
            problem: format!("there is no {name}"),
        })
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(&mut self) -> Option<ExitStatus> {
        self.process.kill()
    }

    async fn wait_until_up(&mut self) -> Result<(), HarnessError> {
        let client = HttpClient::http1();
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(ended) = self.process.ended(str::to_owned) {
                return Err(ended);
            }
            let reply = client.send(self.address, Request::get("/health")).await;
            if reply.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            tokio::time::sleep(ASK).await;
        }
        let what = format!("llama.cpp at {}", self.address);
        Err(HarnessError::Timeout { what, limit: START, log: self.process.log() })
    }
}

fn serve(folder: &Path, port: u16, further: &[&str]) -> Result<ChildProcess, HarnessError> {
    let python = workspace::llama_cpp_python()?;
    let mut arguments = vec![
        workspace::file(PROGRAM).into_os_string(),
        folder.join("tiny.gguf").into_os_string(),
        port.to_string().into(),
    ];
    arguments.extend(further.iter().map(|argument| (*argument).into()));
    ChildProcess::start(&python, arguments, &[], &folder.join("llama-cpp.log"))
}
