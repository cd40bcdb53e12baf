//! A replica whose metrics page does as it is told.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

type Certified = rcgen::CertifiedKey<rcgen::KeyPair>;

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What the page answers.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// 200 with these bytes.
    Page(Vec<u8>),
    /// This status, with good metrics.
    Status(u16),
    /// Nothing.
    Hang,
    /// The page, after a pause.
    Slow(Duration),
    /// A page that never ends.
    Endless,
    /// A good page, then the connection is closed.
    Close,
    /// Half a page, then the connection breaks.
    Cut,
}

/// A good page.
pub(crate) fn vllm(waiting: u32, running: u32) -> Behaviour {
    Behaviour::Page(page(waiting, running))
}

fn page(waiting: u32, running: u32) -> Vec<u8> {
    let page = format!(
        "# TYPE vllm:num_requests_waiting gauge\n\
         vllm:num_requests_waiting{{engine=\"0\"}} {waiting}.0\n\
         vllm:num_requests_running{{engine=\"0\"}} {running}.0\n\
         vllm:kv_cache_usage_perc{{engine=\"0\"}} 0.25\n"
    );
    page.into_bytes()
}

/// A running replica; dropping it closes all its connections.
pub(crate) struct Replica {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    polls: AtomicUsize,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Replica {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behaviour).await
    }

    pub(crate) async fn start_at(address: SocketAddr, behaviour: Behaviour) -> Self {
        Self::serving(address, None, behaviour).await
    }

    /// With TLS and this certificate.
    pub(crate) async fn start_tls(certified: &Certified, behaviour: Behaviour) -> Self {
        let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        Self::serving(address, Some(TlsAcceptor::from(Arc::new(config))), behaviour).await
    }

    async fn serving(address: SocketAddr, tls: Option<TlsAcceptor>, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            polls: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, tls, shared.clone()));
        Self { address, shared, _server: server }
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// Requests so far.
    pub(crate) fn polls(&self) -> usize {
        self.shared.polls.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Most requests that were under way together.
    pub(crate) fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        match tls.clone() {
            None => connections.spawn(connection(stream, shared.clone())),
            Some(tls) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, shared).await;
                    }
                })
            }
        };
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send, shared: Arc<Shared>) {
    let service = service_fn(move |request| answer(request, shared.clone()));
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    assert_eq!(request.uri().path(), "/metrics");
    assert!(request.headers().contains_key("host"));
    shared.polls.fetch_add(1, Ordering::SeqCst);
    let in_flight = InFlight::enter(shared.clone());
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let response = behave(behaviour).await;
    drop(in_flight);
    Ok(response)
}

/// Counts a request as under way, also when it is given up.
struct InFlight(Arc<Shared>);

impl InFlight {
    fn enter(shared: Arc<Shared>) -> Self {
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn behave(behaviour: Behaviour) -> Response<Body> {
    let good = page(1, 2);
    match behaviour {
        Behaviour::Page(page) => Response::new(full(page)),
        Behaviour::Status(status) => Response::builder().status(status).body(full(good)).unwrap(),
        Behaviour::Close => {
            Response::builder().header("connection", "close").body(full(good)).unwrap()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Slow(pause) => {
            tokio::time::sleep(pause).await;
            Response::new(full(good))
        }
        Behaviour::Endless => {
            let chunk = Bytes::from(vec![b'#'; 64 * 1024]);
            Response::new(stream(std::iter::repeat_with(move || Ok(chunk.clone()))))
        }
        Behaviour::Cut => {
            let broken = Err(std::io::ErrorKind::ConnectionReset.into());
            Response::new(stream([Ok(good.into()), broken]))
        }
    }
}

fn full(page: Vec<u8>) -> Body {
    Full::new(Bytes::from(page)).map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn stream<I>(chunks: I) -> Body
where
    I: IntoIterator<Item = std::io::Result<Bytes>>,
    I::IntoIter: Send + Unpin + 'static,
{
    Chunks(chunks.into_iter()).boxed_unsync()
}

/// An iterator as a body.
struct Chunks<I>(I);

impl<I: Iterator<Item = std::io::Result<Bytes>> + Unpin> hyper::body::Body for Chunks<I> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Poll::Ready(self.0.next().map(|chunk| chunk.map(Frame::data)))
    }
}
