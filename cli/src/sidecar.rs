//! Signed requests to a sidecar's own HTTP.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;
use weir_snapshot::limit_commands::{LimitCommand, LimitList, PATH};
use weir_snapshot::signature::{HEADER, TIME_HEADER, sign_command, sign_look};

use crate::error::CliError;
use crate::guardrail::read;

/// How long connecting, and each read and write, may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often a request is sent in all whose answer does not come.
const ATTEMPTS: u32 = 3;

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(500);

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Where the sidecar is, and what lets one in.
#[derive(Debug, Args)]
pub(crate) struct SidecarArgs {
    /// The sidecar's `listen`, also as http://HOST:PORT: any sidecar of the fleet whose gateways have the limit.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9500", value_parser = address)]
    sidecar: String,
    /// File with the key that the sidecar signs its pushes with [default: the variable WEIR_INTAKE_KEY].
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print the sidecar's answer as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Host and port of what names a sidecar; the default port where it names none.
fn address(written: &str) -> Result<String, String> {
    let plain = written.strip_prefix("http://").unwrap_or(written);
    let plain = plain.strip_suffix('/').unwrap_or(plain);
    if plain.is_empty() || plain.contains('/') {
        return Err(
            "must be HOST:PORT or http://HOST:PORT; a sidecar has no TLS and no other path"
                .to_owned(),
        );
    }
    let has_port = plain.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']'))
    });
    if has_port {
        return Ok(plain.to_owned());
    }
    let host = if plain.contains(':') && !plain.ends_with(']') {
        format!("[{plain}]")
    } else {
        plain.to_owned()
    };
    Ok(format!("{host}:{DEFAULT_PORT}"))
}

/// Port of a sidecar's `listen` if nothing else is said.
const DEFAULT_PORT: u16 = 9500;

/// A sidecar, and the key.
pub(crate) struct Sidecar<'a> {
    address: &'a str,
    key: Vec<u8>,
}

impl<'a> Sidecar<'a> {
    /// The sidecar that was named.
    pub(crate) fn new(args: &'a SidecarArgs) -> Result<Self, CliError> {
        let key = match &args.key_file {
            Some(path) => read(path)?.trim_end().as_bytes().to_vec(),
            None => {
                let key = std::env::var_os("WEIR_INTAKE_KEY").filter(|key| !key.is_empty());
                let missing =
                    "needs the sidecar's key: set WEIR_INTAKE_KEY, or give --key-file FILE";
                key.ok_or_else(|| CliError::Sidecar(missing.to_owned()))?.into_encoded_bytes()
            }
        };
        Ok(Self { address: &args.sidecar, key })
    }

    /// The limits that it knows.
    pub(crate) fn list(&self) -> Result<(Value, LimitList), CliError> {
        self.send("GET", b"", |time| sign_look(&self.key, PATH, time))
    }

    /// Has a command carried out.
    pub(crate) fn command<T: DeserializeOwned>(
        &self,
        command: &LimitCommand,
    ) -> Result<(Value, T), CliError> {
        let body = serde_json::to_vec(command).map_err(|error| self.failed(error))?;
        self.send("POST", &body, |time| sign_command(&self.key, PATH, time, &body))
    }

    /// Sends a request until an answer comes. It is the same each time but for time and signature.
    fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &[u8],
        sign: impl Fn(u64) -> String,
    ) -> Result<(Value, T), CliError> {
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            match self.exchange(method, body, time, &sign(time)) {
                Ok((503, answer)) => last = Some(self.failed(reason(&answer))),
                Ok((200, answer)) => {
                    let value: Value =
                        serde_json::from_slice(&answer).map_err(|error| self.failed(error))?;
                    let read = serde_json::from_value(value.clone())
                        .map_err(|error| self.failed(error))?;
                    return Ok((value, read));
                }
                Ok((status, answer)) => {
                    return Err(self.failed(format!("{} (status {status})", reason(&answer))));
                }
                Err(error) => last = Some(self.failed(error)),
            }
        }
        Err(last.unwrap_or_else(|| self.failed("no answer")))
    }

    fn exchange(
        &self,
        method: &str,
        body: &[u8],
        time: u64,
        signature: &str,
    ) -> std::io::Result<(u16, Vec<u8>)> {
        let mut stream = self.connect()?;
        let head = format!(
            "{method} {PATH} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\
             {TIME_HEADER}: {time}\r\n{HEADER}: {signature}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        parsed(&answer).ok_or_else(|| std::io::Error::other("what answers is no sidecar"))
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = std::io::Error::other("there is no such host");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn failed(&self, reason: impl std::fmt::Display) -> CliError {
        CliError::Sidecar(format!("sidecar {}: {reason}", self.address))
    }
}

/// Status and body of an answer whose end is that of the connection.
fn parsed(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end + 4)?;
    let mut words = std::str::from_utf8(head).ok()?.split(' ');
    let status = words.next()?.starts_with("HTTP/1.").then(|| words.next())??.parse().ok()?;
    Some((status, body.to_vec()))
}

/// What a refusal says.
fn reason(answer: &[u8]) -> String {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let message = value.pointer("/error/message").and_then(Value::as_str);
    message.unwrap_or("refused without a reason").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sidecar_is_named_by_host_and_port_or_a_url() {
        for (written, expected) in [
            ("127.0.0.1:9500", "127.0.0.1:9500"),
            ("http://node:81", "node:81"),
            ("http://node:81/", "node:81"),
            ("node", "node:9500"),
            ("http://[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:9500"),
            ("::1", "[::1]:9500"),
        ] {
            assert_eq!(address(written).as_deref(), Ok(expected), "{written}");
        }
        for odd in ["", "https://node:1", "http://node:81/limits", "http://"] {
            assert!(address(odd).unwrap_err().starts_with("must be HOST:PORT"), "{odd}");
        }
    }

    #[test]
    fn an_answer_is_its_status_and_what_comes_after_the_head() {
        let answer = b"HTTP/1.1 401 Unauthorized\r\nx: y\r\n\r\n{\"error\":{\"message\":\"no\"}}";
        let (status, body) = parsed(answer).unwrap();
        assert_eq!((status, reason(&body).as_str()), (401, "no"));
        for odd in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n", "HTTP/1.1 x\r\n\r\n"] {
            assert_eq!(parsed(odd.as_bytes()), None, "{odd}");
        }
        assert_eq!(reason(b"<html>"), "refused without a reason");
    }
}
