//! A gateway: checks pushes as the intake filter does, and remembers them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;
use weir_snapshot::{
    Accepted, EndpointFeedback, LearnedPrefixes, Order, Refusal, RefusalCode, SnapshotMessage,
    VersionStamp, keys, signature,
};

use super::eventually;
use super::listener::Listener;

/// What it does with pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As the filter does.
    Take,
    /// Never answers.
    Hang,
    /// Answers 200 with something else.
    Babble,
    /// Refuses with this status and body.
    Refuse(u16, &'static str),
}

/// A running gateway; dropping it closes all its connections.
pub(crate) struct Intake {
    /// As written in a configuration.
    pub(crate) target: String,
    shared: Arc<Mutex<Shared>>,
    _server: JoinSet<()>,
}

struct Shared {
    mode: Mode,
    /// Which Envoy it is.
    identity: String,
    key: Option<Vec<u8>>,
    challenge: String,
    stored: VersionStamp,
    /// What policies are said to name, and what of it nobody pushes.
    named: Option<(Vec<String>, Vec<String>)>,
    taken: Vec<SnapshotMessage>,
    refused: Vec<RefusalCode>,
    connections: usize,
    /// Requests that it says to have under way at each replica.
    in_flight: u32,
    forgets: bool,
    /// What it says to have learned of prefix caches, by a sidecar that asks from which cursor on.
    learned: Vec<String>,
}

impl Intake {
    pub(crate) async fn tcp() -> Self {
        Self::tcp_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn tcp_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let target = format!("http://{}", listener.local_addr().unwrap());
        Self::serving(target, Listener::Tcp(listener))
    }

    pub(crate) fn unix(path: &Path) -> Self {
        let target = format!("unix:{}", path.display());
        Self::serving(target, Listener::Unix(UnixListener::bind(path).unwrap()))
    }

    fn serving(target: String, listener: Listener) -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            mode: Mode::Take,
            identity: format!("{:016x}", fastrand::u64(..)),
            key: None,
            challenge: signature::challenge(1),
            stored: VersionStamp::default(),
            named: None,
            taken: Vec::new(),
            refused: Vec::new(),
            connections: 0,
            in_flight: 5,
            forgets: false,
            learned: Vec::new(),
        }));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, shared.clone()));
        Self { target, shared, _server: server }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.shared.lock().unwrap().mode = mode;
    }

    /// Keeps the newest snapshot only: a long test would fill the memory.
    pub(crate) fn forget(&self) {
        self.shared.lock().unwrap().forgets = true;
    }

    /// Says to have so many requests under way at each replica.
    pub(crate) fn busy(&self, in_flight: u32) {
        self.shared.lock().unwrap().in_flight = in_flight;
    }

    /// Says to have learned this of prefix caches, after what it said before.
    pub(crate) fn learn(&self, digits: &str) {
        self.shared.lock().unwrap().learned.push(digits.to_owned());
    }

    /// Takes only what is signed with `key`.
    pub(crate) fn require(&self, key: &[u8]) {
        self.shared.lock().unwrap().key = Some(key.to_vec());
    }

    /// As if Envoy had been restarted: nothing is known, and pushes need another signature.
    pub(crate) fn restart(&self, random: u128) {
        let mut shared = self.shared.lock().unwrap();
        (shared.stored, shared.challenge) = (VersionStamp::default(), signature::challenge(random));
    }

    /// As if another sidecar had pushed.
    pub(crate) fn store(&self, epoch: u64, sequence: u64) {
        let pool = keys::pool_key("llama");
        let (sender, received_at_ns) = (1, 0);
        self.shared.lock().unwrap().stored =
            VersionStamp { epoch, sequence, sender, received_at_ns, pool };
    }

    /// Says these pools to be named by policies, and these not to be pushed.
    pub(crate) fn name(&self, pools: &[&str], unpushed: &[&str]) {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.shared.lock().unwrap().named = Some((owned(pools), owned(unpushed)));
    }

    pub(crate) fn taken(&self) -> Vec<SnapshotMessage> {
        self.shared.lock().unwrap().taken.clone()
    }

    pub(crate) fn refused(&self) -> Vec<RefusalCode> {
        self.shared.lock().unwrap().refused.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.lock().unwrap().connections
    }

    /// Waits for `more` snapshots from now on, and returns the newest.
    pub(crate) async fn next(&self, more: usize) -> SnapshotMessage {
        let enough = self.taken().len() + more;
        eventually("a snapshot", async || {
            let taken = self.taken();
            (taken.len() >= enough).then(|| taken.last().cloned()).flatten()
        })
        .await
    }
}

async fn serve(listener: Listener, shared: Arc<Mutex<Shared>>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = TokioIo::new(listener.accept().await);
        shared.lock().unwrap().connections += 1;
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, shared.clone()));
            let builder = hyper::server::conn::http1::Builder::new();
            let _ = builder.serve_connection(stream, service).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Mutex<Shared>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.uri().path(), "/weir/v1/snapshot");
    let header = |name| request.headers().get(name).map(|value| value.as_bytes().to_vec());
    let signed = header(signature::HEADER);
    if request.method() == Method::GET {
        let time = header(signature::TIME_HEADER);
        return Ok(shared.lock().unwrap().show(time.as_deref(), signed.as_deref()));
    }
    assert_eq!(request.method(), Method::POST);
    assert_eq!(request.headers()["content-type"], "application/json");
    let challenge = header(signature::CHALLENGE_HEADER);
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mode = shared.lock().unwrap().mode.clone();
    match mode {
        Mode::Hang => std::future::pending().await,
        Mode::Babble => Ok(Response::new(Full::new("hello".into()))),
        Mode::Refuse(status, body) => {
            Ok(Response::builder().status(status).body(Full::new(body.into())).unwrap())
        }
        Mode::Take => {
            let mut shared = shared.lock().unwrap();
            Ok(reply(shared.take(&body, challenge.as_deref(), signed.as_deref())))
        }
    }
}

fn reply(result: Result<Accepted, Refusal>) -> Response<Full<Bytes>> {
    let (status, body) = match result {
        Ok(accepted) => (200, accepted.to_json()),
        Err(refusal) => (refusal.status(), refusal.to_json()),
    };
    Response::builder().status(status).body(Full::new(body.into())).unwrap()
}

impl Shared {
    fn take(
        &mut self,
        body: &[u8],
        challenge: Option<&[u8]>,
        signed: Option<&[u8]>,
    ) -> Result<Accepted, Refusal> {
        let result = self.check(body, challenge, signed);
        match &result {
            Ok(message) => {
                if self.forgets {
                    self.taken.clear();
                }
                self.taken.push(message.clone());
            }
            Err(refusal) => self.refused.push(refusal.code),
        }
        result.map(|message| {
            let feedback = |endpoint: &weir_snapshot::EndpointReport| EndpointFeedback {
                address: endpoint.address.clone(),
                in_flight: self.in_flight,
                dispatched: 8,
                prefill_tokens: 0,
                decode_tokens: 0,
            };
            let endpoints = message.endpoints.iter().map(feedback).collect();
            let mut reply = Accepted::new(&message, endpoints);
            if let Some((pools, unpushed)) = self.named.clone() {
                (reply.pools, reply.unpushed) = (Some(pools), unpushed);
            }
            if message.prefixes.is_some() {
                reply.fleet.push(format!("gateway {}", self.identity));
            }
            reply.prefixes = message.prefixes.as_ref().map(|brought| self.tell(&brought.cursor));
            reply
        })
    }

    /// What was learned after `cursor`.
    fn tell(&self, cursor: &str) -> LearnedPrefixes {
        let told: usize = cursor.rsplit('-').next().unwrap().parse().unwrap();
        let (cursor, events) = (format!("0-{}", self.learned.len()), self.learned[told..].concat());
        LearnedPrefixes { cursor, events }
    }

    fn check(
        &mut self,
        body: &[u8],
        challenge: Option<&[u8]>,
        signed: Option<&[u8]>,
    ) -> Result<SnapshotMessage, Refusal> {
        if let Some(key) = &self.key {
            let challenge = challenge.unwrap_or_default();
            signature::verify_push(key, challenge, body, signed)?;
            if challenge != self.challenge.as_bytes() {
                return Err(Refusal::challenge(self.challenge.clone()));
            }
        }
        let message = SnapshotMessage::parse(body).map_err(|error| Refusal::from(&error))?;
        let stamp = VersionStamp::of(&message, 0);
        if stamp.order(&self.stored) != Order::Newer {
            return Err(Refusal::out_of_order(&message, &self.stored));
        }
        self.stored = stamp;
        Ok(message)
    }

    fn show(&self, time: Option<&[u8]>, signed: Option<&[u8]>) -> Response<Full<Bytes>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let allowed = self.key.as_ref().map_or(Ok(()), |key| {
            signature::verify_look(key, signature::PATH, (time, signed), now)
        });
        let (status, body) = match allowed.map_err(Refusal::from) {
            Ok(()) => (200, br#"{"pools":[]}"#.to_vec()),
            Err(refusal) => (refusal.status(), refusal.to_json()),
        };
        Response::builder().status(status).body(Full::new(body.into())).unwrap()
    }
}
