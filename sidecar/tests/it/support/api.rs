//! A Kubernetes API server as far as a list and watch of it goes: resource versions, selectors, pages, bookmarks,
//! `410 Gone`, bearer tokens, over TLS.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use super::query::Query;
use super::tls::{Certified, acceptor, certified, write};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A running server; dropping it closes all its connections.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    certified: Certified,
    shared: Arc<Mutex<Shared>>,
    _server: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    token: String,
    version: u64,
    /// What is older is forgotten.
    oldest: u64,
    page: usize,
    /// By path of the collection and name.
    objects: BTreeMap<(String, String), Value>,
    /// Version, collection, object before and after.
    history: Vec<(u64, String, Option<Value>, Option<Value>)>,
    watches: Vec<Watch>,
    lists: usize,
    watched: usize,
    refused: usize,
}

struct Watch {
    path: String,
    selectors: Vec<(String, String)>,
    sender: UnboundedSender<Bytes>,
}

impl Api {
    pub(crate) async fn start(token: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let certified = certified("localhost");
        let tls = acceptor(&certified, None, false);
        let shared =
            Shared { token: token.to_owned(), version: 1000, page: 500, ..Shared::default() };
        let shared = Arc::new(Mutex::new(shared));
        let mut server = JoinSet::new();
        let state = shared.clone();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, shared) = (tls.clone(), state.clone());
                connections.spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(request, shared.clone()));
                    let builder = hyper::server::conn::http1::Builder::new();
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, certified, shared, _server: server }
    }

    /// The `kubernetes` field of a configuration, with authority and token below `folder`.
    pub(crate) fn yaml(&self, folder: &std::path::Path) -> String {
        let (ca, _) = write(folder, "api", &self.certified);
        let token = folder.join("token");
        std::fs::write(&token, &self.shared.lock().unwrap().token).unwrap();
        format!(
            "kubernetes: {{url: 'https://localhost:{}', ca_file: '{ca}', token_file: '{}', namespace: ns}}\n",
            self.address.port(),
            token.display()
        )
    }

    /// Creates or replaces an object.
    pub(crate) fn put(&self, path: &str, name: &str, mut object: Value) {
        let mut shared = self.shared.lock().unwrap();
        shared.version += 1;
        object["metadata"]["name"] = name.into();
        object["metadata"]["resourceVersion"] = shared.version.to_string().into();
        let key = (path.to_owned(), name.to_owned());
        let before = shared.objects.insert(key, object.clone());
        shared.happened(path, before, Some(object));
    }

    pub(crate) fn delete(&self, path: &str, name: &str) {
        let mut shared = self.shared.lock().unwrap();
        shared.version += 1;
        let before = shared.objects.remove(&(path.to_owned(), name.to_owned()));
        assert!(before.is_some(), "{name}");
        shared.happened(path, before, None);
    }

    /// From now on another token is wanted.
    pub(crate) fn require(&self, token: &str) {
        self.shared.lock().unwrap().token = token.to_owned();
    }

    /// At most so many objects in one answer.
    pub(crate) fn page(&self, objects: usize) {
        self.shared.lock().unwrap().page = objects;
    }

    /// Forgets what has happened so far, and ends all watches.
    pub(crate) fn compact(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.version += 1;
        shared.oldest = shared.version;
        shared.history.clear();
        shared.watches.clear();
    }

    /// Ends all watches.
    pub(crate) fn cut(&self) {
        self.shared.lock().unwrap().watches.clear();
    }

    /// Tells all watches up to where they are.
    pub(crate) fn bookmark(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.version += 1;
        let version = shared.version.to_string();
        let event =
            json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}});
        for watch in &shared.watches {
            let _ = watch.sender.send(line(&event));
        }
    }

    /// Sends bytes that are no event to all watches.
    pub(crate) fn babble(&self, bytes: &'static [u8]) {
        for watch in &self.shared.lock().unwrap().watches {
            let _ = watch.sender.send(Bytes::from_static(bytes));
        }
    }

    /// Lists, watches and refusals so far.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let shared = self.shared.lock().unwrap();
        (shared.lists, shared.watched, shared.refused)
    }

    /// Watches that are open.
    pub(crate) fn open(&self) -> usize {
        let shared = self.shared.lock().unwrap();
        shared.watches.iter().filter(|watch| !watch.sender.is_closed()).count()
    }
}

impl Shared {
    fn happened(&mut self, path: &str, before: Option<Value>, after: Option<Value>) {
        let version = self.version;
        for watch in self.watches.iter().filter(|watch| watch.path == path) {
            if let Some(event) = event(version, &watch.selectors, before.as_ref(), after.as_ref()) {
                let _ = watch.sender.send(line(&event));
            }
        }
        self.history.push((version, path.to_owned(), before, after));
    }

    fn list(&mut self, path: &str, query: &Query) -> Value {
        self.lists += 1;
        let start: usize = query.get("continue").map_or(0, |token| token.parse().unwrap());
        let page =
            self.page.min(query.get("limit").map_or(usize::MAX, |text| text.parse().unwrap()));
        let selectors = query.selectors();
        let all: Vec<&Value> = self
            .objects
            .iter()
            .filter(|((of, _), object)| of == path && fits(object, &selectors))
            .map(|(_, object)| object)
            .collect();
        let items: Vec<&Value> = all.iter().skip(start).take(page).copied().collect();
        let mut metadata = json!({"resourceVersion": self.version.to_string()});
        if start + items.len() < all.len() {
            metadata["continue"] = (start + items.len()).to_string().into();
        }
        json!({"kind": "List", "metadata": metadata, "items": items})
    }

    fn watch(&mut self, path: &str, query: &Query) -> UnboundedReceiver<Bytes> {
        self.watched += 1;
        assert_eq!(query.get("allowWatchBookmarks").as_deref(), Some("true"));
        let from: u64 = query.get("resourceVersion").unwrap().parse().unwrap();
        let (sender, receiver) = unbounded_channel();
        if from < self.oldest {
            let status = json!({"kind": "Status", "code": 410, "reason": "Expired",
                "message": format!("too old resource version: {from} ({})", self.oldest)});
            let _ = sender.send(line(&json!({"type": "ERROR", "object": status})));
            return receiver;
        }
        let selectors = query.selectors();
        for (version, of, before, after) in &self.history {
            if *version > from
                && of == path
                && let Some(event) = event(*version, &selectors, before.as_ref(), after.as_ref())
            {
                let _ = sender.send(line(&event));
            }
        }
        self.watches.push(Watch { path: path.to_owned(), selectors, sender });
        receiver
    }
}

/// The event for whoever selects by `selectors`.
fn event(
    version: u64,
    selectors: &[(String, String)],
    before: Option<&Value>,
    after: Option<&Value>,
) -> Option<Value> {
    let selected = |object: Option<&Value>| object.is_some_and(|object| fits(object, selectors));
    let (kind, object) = match (selected(before), selected(after)) {
        (false, true) => ("ADDED", after?.clone()),
        (true, true) => ("MODIFIED", after?.clone()),
        (true, false) => {
            let mut object = before?.clone();
            object["metadata"]["resourceVersion"] = version.to_string().into();
            ("DELETED", object)
        }
        (false, false) => return None,
    };
    Some(json!({"type": kind, "object": object}))
}

fn fits(object: &Value, selectors: &[(String, String)]) -> bool {
    selectors.iter().all(|(key, wanted)| match key.as_str() {
        "metadata.name" => object["metadata"]["name"] == *wanted,
        label => object["metadata"]["labels"][label] == *wanted,
    })
}

fn line(event: &Value) -> Bytes {
    format!("{event}\n").into()
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Mutex<Shared>>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let query = Query::of(request.uri().query().unwrap_or_default());
    let mut shared = shared.lock().unwrap();
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if token != Some(&format!("Bearer {}", shared.token)) {
        shared.refused += 1;
        let status = json!({"kind": "Status", "code": 401, "message": "Unauthorized"});
        return Ok(Response::builder().status(401).body(full(&status)).unwrap());
    }
    if query.get("watch").is_some() {
        let events = shared.watch(&path, &query);
        return Ok(Response::new(Events(events).boxed_unsync()));
    }
    Ok(Response::new(full(&shared.list(&path, &query))))
}

fn full(value: &Value) -> Body {
    Full::new(Bytes::from(value.to_string())).boxed_unsync()
}

/// Events as a body that goes on until its sender is gone.
struct Events(UnboundedReceiver<Bytes>);

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
