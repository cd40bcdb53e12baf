//! An HTTP/1.1 client for one request on a connection of its own, which notes how the response came.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

/// One request.
#[derive(Debug, Clone, Args)]
pub(crate) struct Ask {
    /// http://HOST:PORT/PATH
    pub(crate) url: String,
    /// The method; POST if there is a body.
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// A header, as `name: value`; may be given several times.
    #[arg(long = "header")]
    pub(crate) headers: Vec<String>,
    /// The body.
    #[arg(long)]
    pub(crate) body: Option<String>,
    /// The longest silence, in seconds.
    #[arg(long, default_value_t = 30)]
    pub(crate) silence_s: u64,
}

/// How a request went.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// 0 if no response came.
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Without the framing of chunks.
    pub(crate) body: Vec<u8>,
    /// All that was announced has come.
    pub(crate) complete: bool,
    /// The longest time in which nothing came, after the first byte.
    pub(crate) longest_gap: Duration,
    /// What kept it from coming whole.
    pub(crate) problem: Option<String>,
}

/// Sends a request and returns how it went, as JSON.
///
/// # Errors
/// When the URL is none.
pub(crate) fn document(ask: &Ask) -> Result<Value, String> {
    let started = Instant::now();
    let reply = send(ask)?;
    let headers: serde_json::Map<_, _> =
        reply.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    Ok(json!({
        "status": reply.status,
        "headers": headers,
        "body": String::from_utf8_lossy(&reply.body),
        "complete": reply.complete,
        "longest_gap_ms": reply.longest_gap.as_millis() as u64,
        "took_ms": started.elapsed().as_millis() as u64,
        "problem": reply.problem,
    }))
}

/// Sends a request to the first address of its host that takes the connection.
///
/// # Errors
/// When the URL is none. What goes wrong on the way is in the reply.
pub(crate) fn send(ask: &Ask) -> Result<Reply, String> {
    let rest = ask.url.strip_prefix("http://").ok_or_else(|| format!("{}: no URL", ask.url))?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut reply = Reply::default();
    match connect(authority, Duration::from_secs(ask.silence_s)) {
        Ok(mut stream) => {
            if let Err(error) = stream.write_all(request(ask, authority, path).as_bytes()) {
                reply.problem = Some(format!("sending: {error}"));
            }
            let (received, gap, problem) = receive(&mut stream);
            reply.longest_gap = gap;
            reply.problem = problem.or(reply.problem);
            reply.read(&received);
        }
        Err(problem) => reply.problem = Some(problem),
    }
    if !reply.complete && reply.problem.is_none() {
        reply.problem = Some("ended early".to_owned());
    }
    Ok(reply)
}

fn connect(authority: &str, silence: Duration) -> Result<TcpStream, String> {
    let addresses = authority.to_socket_addrs().map_err(|error| format!("resolving: {error}"))?;
    let mut problem = "resolving: no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
            Ok(stream) => {
                let set = stream.set_read_timeout(Some(silence));
                return set.map(|()| stream).map_err(|error| error.to_string());
            }
            Err(error) => problem = format!("connecting: {error}"),
        }
    }
    Err(problem)
}

fn request(ask: &Ask, authority: &str, path: &str) -> String {
    let body = ask.body.as_deref().unwrap_or_default();
    let method = ask.method.as_deref().unwrap_or(if ask.body.is_some() { "POST" } else { "GET" });
    let mut text = format!("{method} /{path} HTTP/1.1\r\nhost: {authority}\r\n");
    for header in &ask.headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    if ask.body.is_some() {
        text.push_str("content-type: application/json\r\n");
    }
    let length = body.len();
    text + &format!("content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// Everything until the other side closes, the longest silence in it, and what ended it otherwise.
fn receive(stream: &mut TcpStream) -> (Vec<u8>, Duration, Option<String>) {
    let (mut received, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    let (mut last, mut longest) = (None::<Instant>, Duration::ZERO);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return (received, longest, None),
            Ok(bytes) => {
                let now = Instant::now();
                longest = longest.max(last.map_or(Duration::ZERO, |last| now - last));
                last = Some(now);
                received.extend_from_slice(piece.get(..bytes).unwrap_or_default());
            }
            Err(error) => return (received, longest, Some(format!("receiving: {error}"))),
        }
    }
}

impl Reply {
    fn read(&mut self, received: &[u8]) {
        let Some(end) = received.windows(4).position(|end| end == b"\r\n\r\n") else { return };
        let (head, body) = received.split_at_checked(end).unwrap_or_default();
        let body = body.get(4..).unwrap_or_default();
        let head = String::from_utf8_lossy(head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        self.status = status.and_then(|status| status.parse().ok()).unwrap_or(0);
        let pairs = lines.filter_map(|line| line.split_once(':'));
        self.headers = pairs
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        if self.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            (self.body, self.complete) = without_chunks(body);
        } else {
            let length = self.header("content-length").and_then(|value| value.parse().ok());
            self.complete = length.is_none_or(|length: usize| length == body.len());
            self.body = body.to_vec();
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The body in chunks, and whether the last one, which is empty, has come.
fn without_chunks(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|end| end == b"\r\n") else {
            return (body, false);
        };
        let (line, after) = rest.split_at_checked(end).unwrap_or_default();
        let size = std::str::from_utf8(line).ok().and_then(|line| line.split(';').next());
        let Some(size) = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok()) else {
            return (body, false);
        };
        if size == 0 {
            return (body, true);
        }
        let after = after.get(2..).unwrap_or_default();
        let chunk = after.get(..size).unwrap_or(after);
        body.extend_from_slice(chunk);
        rest = after.get(chunk.len().saturating_add(2)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reply {
        let mut reply = Reply::default();
        reply.read(text.as_bytes());
        reply
    }

    #[test]
    fn a_response_is_complete_when_what_it_announces_has_come() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let cases = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_owned(), 200, "hi", true),
            ("HTTP/1.1 503 No\r\ncontent-length: 3\r\n\r\nhi".to_owned(), 503, "hi", false),
            ("HTTP/1.1 200 OK\r\n\r\nhi".to_owned(), 200, "hi", true),
            (format!("{chunked}2\r\nhi\r\n1;x=y\r\n!\r\n0\r\n\r\n"), 200, "hi!", true),
            (format!("{chunked}2\r\nhi\r\n"), 200, "hi", false),
            (format!("{chunked}9\r\nhi"), 200, "hi", false),
            ("HTTP/1.1 200 OK\r\n".to_owned(), 0, "", false),
        ];
        for (text, status, body, complete) in cases {
            let reply = read(&text);
            let seen = (reply.status, String::from_utf8(reply.body).unwrap(), reply.complete);
            assert_eq!(seen, (status, body.to_owned(), complete), "{text}");
        }
    }

    #[test]
    fn a_request_says_its_length_and_that_no_other_follows() {
        let ask = Ask {
            url: "http://a:1/x".into(),
            method: None,
            headers: vec!["x-a: 1".into()],
            body: Some("{}".into()),
            silence_s: 1,
        };
        let text = request(&ask, "a:1", "x");
        assert!(text.starts_with("POST /x HTTP/1.1\r\nhost: a:1\r\nx-a: 1\r\n"), "{text}");
        assert!(text.ends_with("content-length: 2\r\nconnection: close\r\n\r\n{}"), "{text}");
    }
}
