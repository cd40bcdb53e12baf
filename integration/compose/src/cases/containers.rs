//! The compose file that people copy from (`envoy-config/containers`), as it is shipped, in a project of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::case::{Case, Seen, expect};
use crate::engine::Engine;
use crate::error::Error;
use crate::stack::{self, Stack};

pub(super) const CASES: [Case; 1] = [Case::new(
    "containers",
    "the compose file to copy from, started beside this one",
    "models listed; a chat of each pool answered by a replica that the sidecar's snapshot has placed it on",
    answers,
)];

/// How long it may take until the sidecar has polled and pushed.
const PATIENCE: Duration = Duration::from_secs(60);

fn answers(stack: &Stack) -> Seen {
    let project = format!("{}-containers", stack.project());
    let file = stack::folder().join("../../envoy-config/containers/docker-compose.yaml");
    let given = [
        ("WEIR_INTAKE_KEY", "a key that only this project has"),
        // A port that the engine chooses.
        ("WEIR_LISTEN", "127.0.0.1:0"),
    ];
    let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let images = ["WEIR_ENVOY_IMAGE", "WEIR_SIDECAR_IMAGE", "WEIR_REPLICA_IMAGE"];
    let local = images.iter().filter(|name| std::env::var_os(name).is_none()).map(|name| {
        let part = name.trim_start_matches("WEIR_").trim_end_matches("_IMAGE").to_lowercase();
        ((*name).to_owned(), format!("weir-local/{part}"))
    });
    let engine = Engine::new(&project, file, given.into_iter().chain(local).collect())?;
    let seen = engine.compose(&["up", "--detach", "--no-build"]).and_then(|_| served(&engine));
    engine.compose(&["down", "--volumes", "--timeout", "1"])?;
    let (listed, served) = seen?;
    let both = ["llama-3.1-8b-instruct", "qwen2.5-7b-instruct"];
    let right = both.iter().zip(&served).all(|(model, text)| text.contains(model));
    expect(
        listed && right && served.len() == 2,
        format!("models listed: {listed}; {}", served.join("; ")),
    )
}

/// Whether models are listed, and what became of a chat with each pool once snapshots are there.
fn served(engine: &Engine) -> Result<(bool, Vec<String>), Error> {
    let at = engine.compose(&["port", "envoy", "10000"])?.trim().to_owned();
    stack::wait(PATIENCE, "the models are listed", || {
        Ok(http(&at, "GET /v1/models", "").is_ok_and(|reply| reply.starts_with("HTTP/1.1 200")))
    })?;
    let listed = http(&at, "GET /v1/models", "")?.contains("qwen2.5-7b-instruct");
    let mut served = Vec::new();
    for model in ["gpt-4o-mini", "qwen"] {
        let body = super::positive::body(model, "Hello", false);
        let mut reply = String::new();
        stack::wait(PATIENCE, "a chat is placed by load", || {
            reply = http(&at, "POST /v1/chat/completions", &body)?;
            // Replicas say which endpoints the request was told to go to.
            Ok(reply.starts_with("HTTP/1.1 200")
                && reply.contains("x-gateway-destination-endpoint"))
        })?;
        let answered = reply.split_once("\"model\":\"").map_or("nobody", |(_, rest)| rest);
        served.push(format!("{model} by {}", answered.split('"').next().unwrap_or_default()));
    }
    Ok((listed, served))
}

/// One request to a published port, and the whole response.
fn http(at: &str, what: &str, body: &str) -> Result<String, Error> {
    let failed = |source| Error::Start { line: format!("{what} at {at}"), source };
    let mut stream = TcpStream::connect(at).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    let (length, host) = (body.len(), at);
    write!(
        stream,
        "{what} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nx-weir-echo: 1\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .map_err(failed)?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).map_err(failed)?;
    Ok(String::from_utf8_lossy(&reply).into_owned())
}
