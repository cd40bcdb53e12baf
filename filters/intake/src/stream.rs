//! One request to the intake listener.

use std::rc::Rc;

use weir_host::{Action, Body, HeaderMap, Host, HttpContext};
use weir_settings::intake::Trust;
use weir_snapshot::{Accepted, Refusal, RefusalCode, SnapshotMessage, signature, view_json};

use crate::shared::Shared;
use crate::store;

/// The only path there is.
const PATH: &[u8] = b"/weir/v1/snapshot";

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    /// `None` when the configuration was refused: every request then fails.
    shared: Option<Rc<Shared>>,
    answered: bool,
}

/// What the headers ask for.
enum Wanted {
    Views,
    Push,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self { host, context_id, shared, answered: false }
    }

    fn wanted(&self) -> Result<Wanted, Refusal> {
        let header = |name| self.host.header(HeaderMap::Request, name).ok().flatten();
        let path = header(":path").unwrap_or_default();
        if path.split(|&byte| byte == b'?').next() != Some(PATH) {
            return Err(Refusal::new(RefusalCode::NotFound, "path: must be /weir/v1/snapshot"));
        }
        match header(":method").unwrap_or_default().as_slice() {
            b"GET" => Ok(Wanted::Views),
            b"POST" => Ok(Wanted::Push),
            _ => Err(Refusal::new(RefusalCode::MethodNotAllowed, "method: must be GET or POST")),
        }
    }

    fn limit(&self) -> usize {
        let limit = self.shared.as_ref().map_or(0, |shared| shared.settings.max_body_bytes);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    fn check_size(&self, size: usize) -> Result<(), Refusal> {
        let limit = self.limit();
        if size <= limit {
            return Ok(());
        }
        Err(Refusal::new(RefusalCode::TooLarge, format!("body: more than {limit} bytes")))
    }

    /// Checks and stores a whole push.
    fn push(&self, body: &[u8]) -> Result<Accepted, Refusal> {
        self.check_size(body.len())?;
        match self.shared.as_ref().map(|shared| &shared.settings.trust) {
            Some(Trust::Anyone) => {}
            Some(Trust::Signed(key)) => {
                let header = self.host.header(HeaderMap::Request, signature::HEADER);
                signature::verify(key, body, header.ok().flatten().as_deref())?;
            }
            None => return Err(Refusal::new(RefusalCode::Unavailable, "not configured")),
        }
        let message = SnapshotMessage::parse(body).map_err(|error| Refusal::from(&error))?;
        store::put(&self.host, &message)?;
        let feedback = store::feedback(&self.host, &message);
        Ok(Accepted::new(&message, feedback))
    }

    fn answer(&mut self, result: Result<Vec<u8>, Refusal>) -> Action {
        match result {
            Ok(body) => reply(&self.host, 200, &body),
            Err(refusal) => refuse(&self.host, &refusal),
        }
        self.answered = true;
        Action::Pause
    }

    fn finish_push(&mut self, size: usize) -> Action {
        let body = self.host.body(Body::Request, 0, size).unwrap_or_default();
        let result = self.push(&body);
        if let Some(shared) = &self.shared {
            let counter = if result.is_ok() { &shared.accepted } else { &shared.refused };
            counter.increment(&self.host);
        }
        self.answer(result.map(|accepted| accepted.to_json()))
    }
}

/// Answers with a refusal.
pub(crate) fn refuse<H: Host>(host: &H, refusal: &Refusal) {
    reply(host, refusal.status(), &refusal.to_json());
}

fn reply<H: Host>(host: &H, status: u16, body: &[u8]) {
    let json: &[u8] = b"application/json";
    // Nothing better can be done when even the reply fails.
    let _ = host.reply(status, &[("content-type", json)], body, "weir_intake");
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.wanted() {
            Err(refusal) => self.answer(Err(refusal)),
            Ok(Wanted::Views) => {
                let json = view_json(&store::views(&self.host), self.host.now_ns());
                self.answer(Ok(json))
            }
            Ok(Wanted::Push) if end_of_stream => self.finish_push(0),
            Ok(Wanted::Push) => {
                if let Some(shared) = &self.shared {
                    shared.probe.paused(&self.host, self.context_id);
                }
                Action::Pause
            }
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if self.answered {
            return Action::Pause;
        }
        if let Some(shared) = &self.shared {
            shared.probe.body_arrived(&self.host);
        }
        match self.check_size(size) {
            Err(refusal) => self.answer(Err(refusal)),
            Ok(()) if end_of_stream => self.finish_push(size),
            Ok(()) => Action::Pause,
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.answered { Action::Pause } else { self.finish_push(self.limit()) }
    }
    fn on_end(&mut self) {
        if let Some(shared) = &self.shared {
            shared.probe.ended(self.context_id);
        }
    }
}
