//! The filter against a fake host.

mod fates;
mod fleet;
mod refusals;
mod spending;
mod streams;

use weir_host::{Action, Body, Config, FakeHost, HeaderMap, Host, HttpContext, RootContext};
use weir_tokens::limits::{DIRECTORY_KEY, Measure, PAGES, Page, Place, Slot, read_directory};

use crate::Root;

pub(super) const MS: u64 = 1_000_000;
/// The time at which tests begin, in ms.
pub(super) const START_MS: u64 = 1_700_000_000_000;

/// One limit of a thousand tokens a minute, of which all of `max_tokens` is reserved.
pub(super) const TOKENS: &str =
    r#"{"name":"minute","tokens":1000,"window":"1m","reserve":"full","guess":100}"#;

/// A configuration with one policy of these limits.
pub(super) fn config(limits: &str) -> String {
    format!(
        r#"{{"trust":{{"consumer":[{{"header":"x-consumer"}}],"objective":true}},
            "policies":{{"default":{{"limits":[{limits}]}}}}}}"#
    )
}

/// A worker with a filter of its own.
pub(super) struct Worker {
    pub(super) host: FakeHost,
    root: Root<FakeHost>,
    next: u32,
}

impl Worker {
    pub(super) fn new(config: &str) -> Self {
        let host = FakeHost::new();
        host.set_now_ns(START_MS * MS);
        Self::beside(&host, config)
    }

    /// Another one that shares data.
    pub(super) fn beside(host: &FakeHost, config: &str) -> Self {
        host.set_configuration(Config::Plugin, config.as_bytes());
        let mut root = Root::new(host.clone());
        assert!(root.on_configure(config.len()), "{:?}", host.logs());
        Self { host: host.clone(), root, next: 1 }
    }

    pub(super) fn tick(&mut self) {
        self.root.on_tick();
    }

    pub(super) fn now(&self, ms: u64) {
        self.host.set_now_ns((START_MS + ms) * MS);
    }

    /// Sends a request; `None` if it was answered.
    pub(super) fn send(&mut self, request: &Request<'_>) -> Option<Box<dyn HttpContext>> {
        let mut stream = self.root.create_http_context(self.next);
        self.next += 1;
        let body = request.body.as_bytes();
        let length = body.len().to_string();
        for (name, value) in [
            (":method", "POST"),
            (":path", request.path),
            ("content-length", &length),
            ("accept-encoding", "gzip"),
            ("x-consumer", request.consumer),
        ] {
            self.host.set_header(HeaderMap::Request, name, value.as_bytes()).unwrap();
        }
        self.host.set_body(Body::Request, body);
        let mut action = stream.on_http_request_headers(4, false);
        if action == Action::Pause {
            action = stream.on_http_request_body(body.len(), true);
        }
        (action == Action::Continue).then_some(stream)
    }

    /// The headers of its response.
    pub(super) fn open(&self, stream: &mut dyn HttpContext, status: &str, kind: &str) {
        for (name, value) in [(":status", status), ("content-type", kind)] {
            self.host.set_header(HeaderMap::Response, name, value.as_bytes()).unwrap();
        }
        stream.on_http_response_headers(2, false);
    }

    /// A piece of its response; what the client gets of it.
    pub(super) fn piece(&self, stream: &mut dyn HttpContext, piece: &[u8], end: bool) -> Vec<u8> {
        self.host.set_body(Body::Response, piece);
        stream.on_http_response_body(piece.len(), end);
        self.host.body_now(Body::Response)
    }

    /// A whole response.
    pub(super) fn answer(&self, mut stream: Box<dyn HttpContext>, status: &str, body: &str) {
        self.open(stream.as_mut(), status, "application/json");
        self.piece(stream.as_mut(), body.as_bytes(), true);
        stream.on_end();
    }

    pub(super) fn header(&self, name: &str) -> Option<String> {
        let value = self.host.header_now(HeaderMap::Response, name)?;
        Some(String::from_utf8(value).unwrap())
    }

    /// Every slot as of now, with the limit's name.
    pub(super) fn slots(&self) -> Vec<(String, Slot)> {
        let listed = self.host.shared(weir_tokens::limits::DIRECTORY_KEY).unwrap().unwrap().0;
        let listed = read_directory(&listed);
        let now_ms = self.host.now_ns() / MS;
        let pages =
            (0..PAGES).filter_map(|page| self.host.shared(&Place::Page(page).to_string()).unwrap());
        let slots =
            pages.flat_map(|(bytes, _)| Page::read(bytes).unwrap().slots().collect::<Vec<_>>());
        let named = slots.filter_map(|slot| {
            let limit = listed.iter().find(|listed| listed.limit.id() == slot.limit())?;
            Some((limit.name.clone(), slot.as_of(&limit.limit, now_ms)))
        });
        named.collect()
    }

    /// What the only key of a limit on tokens owes and has reserved, in tokens.
    pub(super) fn owed(&self) -> (u64, u64) {
        let slots = self.slots();
        assert_eq!(slots.len(), 1, "{slots:?}");
        let unit = Measure::Tokens.units();
        (slots[0].1.debt() / unit, slots[0].1.reserved() / unit)
    }

    /// The last answer of the filter: status, code, and its headers.
    pub(super) fn refusal(&self) -> (u16, String, Vec<(String, String)>) {
        let reply = self.host.local_reply().unwrap();
        let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let code = body["error"]["code"].as_str().unwrap_or_default().to_owned();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let headers = reply.headers.into_iter().map(|(name, value)| (name, text(value)));
        (reply.status, code, headers.collect())
    }
}

/// A request to be sent.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) path: &'a str,
    pub(super) consumer: &'a str,
    pub(super) body: &'a str,
}

/// A prompt of 11 tokens as estimated, with 50 tokens to come at most.
pub(super) const CHAT: Request<'static> = Request {
    path: "/v1/chat/completions",
    consumer: "ann",
    body: r#"{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"How are you today?"}]}"#,
};

/// The same as a stream.
pub(super) const STREAM: Request<'static> = Request {
    path: "/v1/chat/completions",
    consumer: "ann",
    body: r#"{"stream":true,"model":"m","max_tokens":50,"messages":[{"role":"user","content":"How are you today?"}]}"#,
};

pub(super) const USAGE: &str = r#"{"choices":[{"message":{"content":"Fine"}}],"usage":{"prompt_tokens":20,"completion_tokens":7}}"#;

/// What is estimated of the prompt of [`CHAT`].
pub(super) fn estimated() -> u64 {
    let mut worker = Worker::new(&config(TOKENS));
    let _stream = worker.send(&CHAT).unwrap();
    let (_, reserved) = worker.owed();
    reserved - 50
}
