//! A server that stands for something else: a vector store, a place with secrets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// The most of a request that is read.
const MOST: usize = 64 * 1024;

/// Answers every request with `{"name": NAME}`, one after the other. Returns only with an error.
///
/// # Errors
/// When it can't listen.
pub(crate) fn run(listen: SocketAddr, name: &str) -> Result<Value, String> {
    let listener = TcpListener::bind(listen).map_err(|error| format!("{listen}: {error}"))?;
    let body = json!({"name": name}).to_string();
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    for stream in listener.incoming().flatten() {
        // A client that goes early is no concern of the next one.
        let _ = answer(stream, reply.as_bytes());
    }
    Ok(Value::Null)
}

fn answer(mut stream: TcpStream, reply: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let (mut received, mut piece) = (Vec::new(), [0; 4096]);
    while received.len() < MOST && !received.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            bytes => received.extend_from_slice(piece.get(..bytes).unwrap_or_default()),
        }
    }
    stream.write_all(reply)
}
