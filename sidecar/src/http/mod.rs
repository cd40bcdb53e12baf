//! The sidecar's own HTTP: health, metrics, the current state, what was spent, and commands for limits of the fleet.

mod gpus;
mod leases;
mod limits;
mod metrics;
mod page;
mod pools;
mod ready;
mod redis;
mod status;
mod status_page;
mod usage;
mod view;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ALLOW, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;
use weir_snapshot::limit_commands;

use page::Page;
pub(crate) use page::{PoolState, State};

/// Most connections at a time; more wait.
const MAX_CONNECTIONS: usize = 64;

/// How long a client may take for its request head, or keep a connection idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests under way may take when the sidecar ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long to wait after the system refused a connection (it is out of file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running server.
#[derive(Debug)]
pub(crate) struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves what `state` holds.
    pub(crate) fn start(listener: TcpListener, state: watch::Receiver<Arc<State>>) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self { stop, task: tokio::spawn(serve(listener, state, stopped)) }
    }

    /// Takes no more connections and waits for the requests under way.
    pub(crate) async fn stop(self) {
        // An error says that the server has ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn serve(
    listener: TcpListener,
    state: watch::Receiver<Arc<State>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepting = async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            _ = &mut stopped => break,
            accepted = accepting => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let connection = connection(stream, state.clone(), graceful.watcher());
                tokio::spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "own HTTP cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Requests that take longer are cut with the process.
    let _ = timeout(LAST_WORDS, graceful.shutdown()).await;
}

fn connection(
    stream: TcpStream,
    state: watch::Receiver<Arc<State>>,
    watcher: Watcher,
) -> impl Future<Output = ()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.borrow().clone();
        async move {
            Ok::<_, Infallible>(match request.uri().path() {
                limit_commands::PATH => limits::answer(request, &state).await.into(),
                _ => answer(&request, &state),
            })
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    async move {
        // A client that breaks off is its own business.
        let _ = watcher.watch(connection).await;
    }
}

fn answer<B>(request: &Request<B>, state: &State) -> Response<Full<Bytes>> {
    let now = Instant::now();
    let page: fn(&State, Instant) -> Page = match request.uri().path() {
        "/healthz" => |_, _| Page::json(StatusCode::OK, br#"{"status":"ok"}"#.to_vec()),
        "/readyz" => ready::page,
        "/metrics" if state.is_agent => gpus::agent_page,
        "/metrics" => metrics::page,
        "/snapshot" => view::page,
        "/usage" if usage::wants_csv(request.headers()) => usage::csv,
        "/usage" => usage::json,
        "/usage.csv" => usage::csv,
        "/status" if accepts_html(request) => status_page::page,
        "/status" => status::page,
        _ => |_, _| Page::error(StatusCode::NOT_FOUND, "not_found"),
    };
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return page(state, now).into();
    }
    let mut refused: Response<_> =
        Page::error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed").into();
    refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}

/// Whether a browser asks.
fn accepts_html<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get(ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}
