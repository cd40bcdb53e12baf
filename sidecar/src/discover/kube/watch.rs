//! Lists objects of one kind and follows their changes.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::StatusCode;
use tokio::time::{sleep, timeout};

use super::api::{Api, AskError};
use super::objects::{Event, List, Object, OnlyMeta, Status, encoded, shown};
use crate::client::{Client, ClientError};
use crate::discover::pause::pause;

/// Objects per page of a list, as `kubectl` asks for.
const PAGE: usize = 500;

/// Largest page of a list in bytes: a slice has 1,000 endpoints at most, each of some 500 bytes; 500 pods are smaller.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// Largest event in bytes: etcd takes no larger objects.
const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

/// Most objects of one list.
const MAX_OBJECTS: usize = 20_000;

/// How long a list may take.
const LIST_LIMIT: Duration = Duration::from_secs(30);

/// How long the server may keep a watch open, in seconds. It ends it then, and the next goes on from there.
const WATCH_SECONDS: u64 = 300;

/// A watch that is silent for longer than it may last is dead. Bookmarks come once a minute.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS + 30);

/// Which objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Path of the collection: `/apis/discovery.k8s.io/v1/namespaces/NS/endpointslices`.
    pub(super) path: String,
    /// Selectors, percent-encoded: `labelSelector=…`.
    pub(super) selector: String,
}

/// Why a list or a watch has ended.
#[derive(Debug, thiserror::Error)]
enum WatchError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("no answer within {0:?}")]
    Silent(Duration),
    #[error("status {code}: {message}")]
    Status { code: u16, message: String },
    #[error("not what the API says: {0}")]
    Malformed(String),
    #[error("more than {MAX_OBJECTS} objects")]
    TooMany,
}

impl WatchError {
    /// Whether what is known is too old to go on from.
    fn is_gone(&self) -> bool {
        matches!(self, Self::Status { code: 410, .. })
    }
}

/// Follows all objects of `kind` for ever: `known` gets all of them after each change, and `failed` why there are none.
pub(super) async fn follow<T: Object>(
    api: &Api,
    kind: &Kind,
    mut known: impl FnMut(&BTreeMap<String, T>),
    failed: impl Fn(&dyn std::fmt::Display),
) {
    let mut failures = 0;
    loop {
        let mut watch = Watch { api, kind, objects: BTreeMap::new(), version: String::new() };
        let listed = timeout(LIST_LIMIT, watch.list()).await;
        match listed.unwrap_or(Err(WatchError::Silent(LIST_LIMIT))) {
            Err(error) => {
                failures += 1;
                failed(&error);
            }
            Ok(()) => {
                known(&watch.objects);
                failures = 0;
                watch.follow(&mut known, &failed).await;
            }
        }
        sleep(pause(failures.max(1))).await;
    }
}

/// The objects of one list and what has come after it.
struct Watch<'a, T> {
    api: &'a Api,
    kind: &'a Kind,
    objects: BTreeMap<String, T>,
    /// Up to where that is so.
    version: String,
}

impl<T: Object> Watch<'_, T> {
    async fn list(&mut self) -> Result<(), WatchError> {
        let (mut client, mut body, mut more) = (self.api.client()?, Vec::new(), String::new());
        loop {
            let Kind { path, selector } = self.kind;
            let request = self.api.request(&format!("{path}?{selector}&limit={PAGE}{more}"))?;
            let status = client.exchange(&request, MAX_LIST_BYTES, &mut body).await?;
            self.check(status, &body)?;
            let list: List<T> = serde_json::from_slice(&body)
                .map_err(|error| WatchError::Malformed(error.to_string()))?;
            for object in list.items {
                self.objects.insert(object.meta().name.clone(), object);
            }
            if self.objects.len() > MAX_OBJECTS {
                return Err(WatchError::TooMany);
            }
            self.version = list.metadata.version;
            match list.metadata.more.filter(|token| !token.is_empty()) {
                None => return Ok(()),
                Some(token) => more = format!("&continue={}", encoded(&token)),
            }
        }
    }

    /// Watches, again and again from where it was, until the server has forgotten that place.
    async fn follow(
        &mut self,
        known: &mut impl FnMut(&BTreeMap<String, T>),
        failed: &impl Fn(&dyn std::fmt::Display),
    ) {
        let mut failures = 0;
        loop {
            let before = self.version.clone();
            match self.watch_once(known, failures > 0).await {
                // Only its time is over.
                Ok(()) if self.version != before => failures = 0,
                Ok(()) => failures += 1,
                Err(error) if error.is_gone() => return,
                Err(error) => {
                    failures = if self.version == before { failures + 1 } else { 1 };
                    failed(&error);
                }
            }
            sleep(pause(failures.max(1))).await;
        }
    }

    /// One watch; where it is one `after_failure`, what is known is told again, so that the reader sees that it holds.
    async fn watch_once(
        &mut self,
        known: &mut impl FnMut(&BTreeMap<String, T>),
        after_failure: bool,
    ) -> Result<(), WatchError> {
        let Kind { path, selector } = self.kind;
        let request = self.api.request(&format!(
            "{path}?{selector}&watch=true&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}\
             &resourceVersion={}",
            encoded(&self.version)
        ))?;
        let mut client: Client = self.api.client()?;
        let opening = timeout(LIST_LIMIT, client.stream(&request)).await;
        let mut stream = opening.map_err(|_| WatchError::Silent(LIST_LIMIT))??;
        if after_failure && stream.status == StatusCode::OK {
            known(&self.objects);
        }
        let mut pending = Vec::new();
        loop {
            let next = timeout(SILENCE, stream.next()).await;
            let Some(bytes) = next.map_err(|_| WatchError::Silent(SILENCE))?? else { break };
            if stream.status != StatusCode::OK {
                pending.extend_from_slice(&bytes);
                break;
            }
            self.take(&bytes, &mut pending, known)?;
        }
        self.check(stream.status, &pending)
    }

    /// Takes some bytes of a watch: each event is a line.
    fn take(
        &mut self,
        bytes: &[u8],
        pending: &mut Vec<u8>,
        known: &mut impl FnMut(&BTreeMap<String, T>),
    ) -> Result<(), WatchError> {
        let (taken, changed) = self.events(bytes, pending);
        if changed {
            known(&self.objects);
        }
        taken
    }

    /// Takes whole events, and whether one of them says something of an object, also where a later one cannot be read.
    fn events(&mut self, bytes: &[u8], pending: &mut Vec<u8>) -> (Result<(), WatchError>, bool) {
        let mut changed = false;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            pending.extend_from_slice(piece);
            if pending.len() > MAX_EVENT_BYTES {
                let problem = format!("an event of more than {MAX_EVENT_BYTES} bytes");
                return (Err(WatchError::Malformed(problem)), changed);
            }
            if piece.ends_with(b"\n") {
                match self.event(pending) {
                    Ok(news) => changed |= news,
                    Err(error) => return (Err(error), changed),
                }
                pending.clear();
            }
        }
        (Ok(()), changed)
    }

    /// Takes an event; true if it says something of an object.
    fn event(&mut self, line: &[u8]) -> Result<bool, WatchError> {
        let malformed = |error: serde_json::Error| WatchError::Malformed(error.to_string());
        let event: Event<'_> = serde_json::from_slice(line).map_err(malformed)?;
        let text = event.object.get();
        match event.kind.as_str() {
            "ADDED" | "MODIFIED" => {
                let object: T = serde_json::from_str(text).map_err(malformed)?;
                self.version.clone_from(&object.meta().version);
                self.objects.insert(object.meta().name.clone(), object);
                if self.objects.len() > MAX_OBJECTS {
                    return Err(WatchError::TooMany);
                }
                Ok(true)
            }
            "DELETED" => {
                let object: T = serde_json::from_str(text).map_err(malformed)?;
                self.version.clone_from(&object.meta().version);
                Ok(self.objects.remove(&object.meta().name).is_some())
            }
            "BOOKMARK" => {
                let bookmark: OnlyMeta = serde_json::from_str(text).map_err(malformed)?;
                self.version = bookmark.metadata.version;
                Ok(false)
            }
            "ERROR" => {
                let Status { code, message } = serde_json::from_str(text).map_err(malformed)?;
                Err(WatchError::Status { code, message: shown(&message) })
            }
            // Of a later API; the object comes again with the next list.
            _ => Ok(false),
        }
    }

    fn check(&self, status: StatusCode, body: &[u8]) -> Result<(), WatchError> {
        if status == StatusCode::OK {
            return Ok(());
        }
        if status == StatusCode::UNAUTHORIZED {
            self.api.forget_token();
        }
        let said = serde_json::from_slice::<Status>(body);
        let message = said.map_or("no reason given".to_owned(), |said| shown(&said.message));
        Err(WatchError::Status { code: status.as_u16(), message })
    }
}
