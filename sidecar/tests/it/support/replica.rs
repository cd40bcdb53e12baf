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
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::page::{Drip, filtered, page};
use super::tls::{Certified, acceptor};

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
    /// A page that comes a byte at a time.
    Drip,
    /// 100 MB.
    Huge,
    /// To another place.
    Redirect(String),
    /// 401 unless this is sent as `Authorization`, then good metrics.
    Authorized(&'static str),
    /// A long page, of which `name[]=` gets a part: all that is named, or nothing.
    Filtering { well: bool },
}

/// What the last request was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) http2: bool,
    pub(crate) query: Option<String>,
}

/// A good page.
pub(crate) fn vllm(waiting: u32, running: u32) -> Behaviour {
    Behaviour::Page(page(waiting, running))
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
    asked: Mutex<Asked>,
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
        Self::start_with(acceptor(certified, None, false), behaviour).await
    }

    /// With TLS as `tls` says.
    pub(crate) async fn start_with(tls: TlsAcceptor, behaviour: Behaviour) -> Self {
        Self::serving("127.0.0.1:0".parse().unwrap(), Some(tls), behaviour).await
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
            asked: Mutex::default(),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, tls, shared.clone()));
        Self { address, shared, _server: server }
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    /// The last request.
    pub(crate) fn asked(&self) -> Asked {
        self.shared.asked.lock().unwrap().clone()
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
            None => connections.spawn(connection(stream, false, shared.clone())),
            Some(tls) => {
                let shared = shared.clone();
                connections.spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        connection(stream, http2, shared).await;
                    }
                })
            }
        };
    }
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    http2: bool,
    shared: Arc<Shared>,
) {
    let service = service_fn(move |request| answer(request, shared.clone()));
    if http2 {
        let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    } else {
        let builder = hyper::server::conn::http1::Builder::new();
        let _ = builder.serve_connection(TokioIo::new(stream), service).await;
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<Body>, Infallible> {
    assert_eq!(request.uri().path(), "/metrics");
    let http2 = request.version() == Version::HTTP_2;
    assert!(http2 || request.headers().contains_key("host"));
    let query = request.uri().query().map(str::to_owned);
    *shared.asked.lock().unwrap() = Asked { http2, query: query.clone() };
    let authorization = request.headers().get("authorization").cloned();
    shared.polls.fetch_add(1, Ordering::SeqCst);
    let in_flight = InFlight::enter(shared.clone());
    let behaviour = shared.behaviour.lock().unwrap().clone();
    let response = match behaviour {
        Behaviour::Authorized(wanted) => {
            let fits = authorization.is_some_and(|found| found == wanted);
            let status = if fits { 200 } else { 401 };
            behave(Behaviour::Status(status)).await
        }
        Behaviour::Filtering { well } => Response::new(full(filtered(query.as_deref(), well))),
        behaviour => behave(behaviour).await,
    };
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
        Behaviour::Drip => Response::new(
            Drip(good, tokio::time::interval(Duration::from_millis(50))).boxed_unsync(),
        ),
        Behaviour::Huge => {
            let chunk = Bytes::from(vec![b'#'; 1024 * 1024]);
            Response::new(stream(std::iter::repeat_n(chunk, 100).map(Ok)))
        }
        Behaviour::Redirect(to) => {
            Response::builder().status(302).header("location", to).body(full(good)).unwrap()
        }
        Behaviour::Authorized(_) | Behaviour::Filtering { .. } => panic!("answered before"),
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
