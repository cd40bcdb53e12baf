//! A name server that knows one address for every name, and that can fall silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// The name server; dropping it ends it.
pub(crate) struct Names {
    address: SocketAddr,
    answers: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Drop for Names {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Names {
    /// A name server that says 127.0.0.1.
    ///
    /// # Errors
    /// When there is no port for it.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let socket = UdpSocket::bind("127.0.0.1:0").await;
        let socket = socket.map_err(Failure::with("a port for the name server"))?;
        let address = socket.local_addr().map_err(Failure::with("the name server"))?;
        let answers = Arc::new(AtomicBool::new(true));
        let server = tokio::spawn(serve(socket, Arc::clone(&answers)));
        Ok(Self { address, answers, server })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it answers from now on.
    pub(crate) fn answer(&self, answers: bool) {
        self.answers.store(answers, Ordering::Relaxed);
    }
}

async fn serve(socket: UdpSocket, answers: Arc<AtomicBool>) {
    let mut buffer = [0; 1024];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let reply = buffer.get(..length).and_then(answer);
        if let Some(reply) = reply.filter(|_| answers.load(Ordering::Relaxed)) {
            // Whoever has left asks again.
            let _ = socket.send_to(&reply, from).await;
        }
    }
}

/// The answer to the query in `bytes`: its head and question, and an address where one is asked for.
fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    const HEAD: usize = 12;
    /// Type A, class IN.
    const ADDRESS: [u8; 4] = [0, 1, 0, 1];
    let name = bytes.get(HEAD..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = bytes.get(HEAD..HEAD + name + 4)?;
    let found = question.ends_with(&ADDRESS);
    let mut reply = bytes.get(..2)?.to_vec();
    // A reply without an error; one question, no other records.
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(found), 0, 0, 0, 0]);
    reply.extend(question);
    if found {
        // The name of the question, for a second.
        reply.extend([0xc0, 12]);
        reply.extend(ADDRESS);
        reply.extend([0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
    }
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_where_one_is_asked_for() {
        let query = |kind| {
            [&[7, 8, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 0, 0][..], &[kind, 0, 1]].concat()
        };
        let reply = answer(&query(1)).unwrap();
        assert_eq!((&reply[..2], reply[7]), (&[7, 8][..], 1));
        assert!(reply.ends_with(&[0, 4, 127, 0, 0, 1]), "{reply:?}");
        let reply = answer(&query(28)).unwrap();
        assert_eq!((reply[7], reply.len()), (0, 19));
        assert_eq!(answer(&[1, 2, 3]), None);
    }
}
