//! A replica and a gateway as cheap as can be: one listener, which answers pushes as Envoy's intake does.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use weir_snapshot::limits::MAX_KEY_REPORTS;
use weir_snapshot::{Accepted, FleetNews, Grant, KeyName, KeyReport, SnapshotMessage};

/// The limit's id, which begins the name of each of its keys.
const LIMIT: u32 = 3;

/// The limit: tokens a minute, in thousandths, so many that they never run out.
const UNITS: u64 = 1_000_000_000_000;

/// What a key uses between two pushes, in thousandths of a token.
const USES: u64 = 100_000;

/// The series of a replica that are read.
const PAGE: &str = "vllm:num_requests_waiting{engine=\"0\"} 0.0\nvllm:num_requests_running{engine=\"0\"} 1.0\n\
                    vllm:kv_cache_usage_perc{engine=\"0\"} 0.4\n";

/// The server; dropping it ends it.
pub(super) struct Gateway {
    address: SocketAddr,
    keys: Arc<Mutex<Keys>>,
    server: JoinHandle<()>,
}

/// How the gateway's keys stand.
struct Keys {
    /// Which gateway it is.
    name: String,
    all: Vec<KeyReport>,
    /// The key that is told of next.
    turn: usize,
    pushes: u64,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Gateway {
    /// The gateway of that number, with so many keys, which are the same for every gateway.
    pub(super) async fn start(number: usize, keys: usize) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let key = |number: usize| {
            let digest = (number as u128).to_be_bytes();
            KeyReport { key: KeyName { limit: LIMIT, digest }, born: 1, ..KeyReport::default() }
        };
        let name = format!("{number:016x}");
        let keys = Keys { name, all: (0..keys).map(key).collect(), turn: 0, pushes: 0 };
        let keys = Arc::new(Mutex::new(keys));
        let server = tokio::spawn(serve(listener, Arc::clone(&keys)));
        Ok(Self { address, keys, server })
    }

    /// Where replica and gateway listen.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Pushes so far.
    pub(super) fn pushes(&self) -> u64 {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).pushes
    }
}

impl Keys {
    /// The answer to a push.
    fn take(&mut self, body: &[u8]) -> Vec<u8> {
        let Ok(message) = SnapshotMessage::parse(body) else { return Vec::new() };
        self.pushes += 1;
        let news = FleetNews::parse(&message.fleet);
        for grant in news.iter().flat_map(|news| &news.grants) {
            let place = self.all.iter_mut().find(|key| key.key == grant.key);
            place.into_iter().for_each(|key| apply(key, grant));
        }
        for key in &mut self.all {
            let room = key.granted.saturating_sub(key.used);
            (key.used, key.wanted) = (key.used + room.min(USES), USES.saturating_sub(room));
        }
        let mut reply = Accepted::new(&message, Vec::new());
        reply.fleet.push(format!("gateway {}", self.name));
        reply.fleet.push(format!("limit {LIMIT:08x} tokens {UNITS} {UNITS} 60000 1000 bench"));
        if news.is_some() {
            let told = self.all.len().min(MAX_KEY_REPORTS);
            let keys = self.all.iter().cycle().skip(self.turn).take(told);
            reply.fleet.extend(keys.map(ToString::to_string));
            self.turn = (self.turn + told) % self.all.len().max(1);
        }
        reply.to_json()
    }
}

/// Takes over a grant as a slot does.
fn apply(key: &mut KeyReport, grant: &Grant) {
    if grant.sequence > key.sequence {
        key.granted = grant.total.max(key.used);
        key.sequence = grant.sequence;
    }
}

async fn serve(listener: TcpListener, keys: Arc<Mutex<Keys>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let keys = Arc::clone(&keys);
        tokio::spawn(async move {
            // A sidecar that leaves is no fault.
            let _ = connection(stream, &keys).await;
        });
    }
}

async fn connection(mut stream: TcpStream, keys: &Mutex<Keys>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut pending = Vec::new();
    loop {
        let head = loop {
            let end = pending.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(pending.get(..head).unwrap_or_default()).to_lowercase();
        let length = text.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.split('\r').next()?.parse::<usize>().ok());
        let end = head + length.unwrap_or(0);
        while pending.len() < end {
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        }
        let body = pending.get(head..end).unwrap_or_default();
        let answer = match text.starts_with("post") {
            true => keys.lock().unwrap_or_else(PoisonError::into_inner).take(body),
            false => PAGE.as_bytes().to_vec(),
        };
        pending.drain(..end);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(&[head.as_bytes(), &answer].concat()).await?;
    }
}
