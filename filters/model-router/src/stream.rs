//! One request.

use std::rc::Rc;

use weir_host::{Action, Host, HostError, HttpContext};
use weir_request::{
    BodyRead, BodyReader, Consumer, FACTS, HandedRequest, Handover, RequestHead, Route, StateKey,
};
use weir_settings::model_router::{RouterPolicy, UnknownPath};
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Endpoint};

use crate::asking::{Asking, Decided, Request, consumer};
use crate::decision::{self, Decision, Refused};
use crate::shared::Shared;
use crate::split::Drawn;
use crate::{degradation, effects, models};

mod refusal;

/// How far a request has come.
enum Phase {
    /// Its body is being read.
    Reading(Box<Reading>),
    /// Answered from here.
    Refused,
    /// Not for this filter (any more).
    Passing,
}

/// What was read so far.
struct Reading {
    reader: BodyReader,
    request: Request,
}

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    /// `None` when the configuration was refused: every request then fails.
    shared: Option<Rc<Shared>>,
    phase: Phase,
    /// The share that the request gets of a model that is split.
    share: Option<Drawn>,
    /// What the response is to say of what serves it.
    degraded: Option<String>,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self { host, context_id, shared, phase: Phase::Passing, share: None, degraded: None }
    }

    fn start(&mut self, end_of_stream: bool) -> Action {
        let Some(shared) = self.shared.clone() else {
            return self.refuse(Dialect::OpenAi, &ErrorReply::misconfigured());
        };
        let head = RequestHead::read(&self.host);
        let dialect = head.dialect();
        let route = Route::read(&self.host, shared.asks_route);
        let policy = match route.policy(&self.host, &shared.policies, None) {
            Ok(policy) => policy,
            Err(unknown) => {
                shared.misconfigured.increment(&self.host);
                return self.failed(dialect, &unknown);
            }
        };
        match head.endpoint().cloned() {
            None => self.pass(shared.trust.objective, &policy, &head),
            Some(endpoint) if !endpoint.operation.has_body() => {
                let consumer = consumer(&self.host, &shared, &policy, &head);
                self.show_models(&policy, &endpoint, head.path(), consumer.as_ref())
            }
            Some(endpoint) => {
                let request = Request { endpoint, head, route, policy };
                self.read(&shared, request, end_of_stream)
            }
        }
    }

    fn pass(&mut self, objective: bool, policy: &RouterPolicy, head: &RequestHead) -> Action {
        if policy.unknown_path == UnknownPath::Reject {
            return self.refuse(Dialect::OpenAi, &ErrorReply::unsupported_path());
        }
        match effects::remove_owned_headers(&self.host)
            .and_then(|()| effects::remove_claims(&self.host, head, objective))
        {
            Ok(()) => Action::Continue,
            Err(error) => self.failed(Dialect::OpenAi, &error),
        }
    }

    /// `GET /v1/models`, or one of them.
    fn show_models(
        &mut self,
        policy: &RouterPolicy,
        endpoint: &Endpoint,
        path: &[u8],
        consumer: Option<&Consumer>,
    ) -> Action {
        let consumer = consumer.map(Consumer::name);
        let shown = match endpoint.model(path) {
            Ok(None) => models::list(policy, endpoint.dialect, consumer),
            Ok(Some(name)) => match models::one(policy, endpoint.dialect, &name, consumer) {
                Some(model) => model,
                None => return self.refuse(endpoint.dialect, &ErrorReply::model_not_found(&name)),
            },
            Err(error) => return self.refuse(endpoint.dialect, &decision::bad_path(error)),
        };
        let json: &[u8] = b"application/json";
        let _ = self.host.reply(200, &[("content-type", json)], &shown, "weir_models");
        self.phase = Phase::Refused;
        Action::Pause
    }

    fn read(&mut self, shared: &Shared, request: Request, end_of_stream: bool) -> Action {
        let dialect = request.endpoint.dialect;
        if shared.probe.is_missing(&self.host) {
            return self.refuse(dialect, &ErrorReply::misconfigured());
        }
        let limit = request.policy.max_body_bytes;
        let taken = shared.next.as_ref().is_some_and(Handover::takes_bodies);
        match BodyReader::new(&self.host, &request.head, &request.endpoint, limit, taken) {
            Err(error) => self.refuse(dialect, &error),
            // A request without a body would hang for ever if it were held.
            Ok(reader) if end_of_stream => self.route(reader, request, 0),
            Ok(reader) => {
                shared.probe.paused(&self.host, self.context_id);
                self.phase = Phase::Reading(Box::new(Reading { reader, request }));
                Action::Pause
            }
        }
    }

    /// Takes what is new of the body and, when that was all, routes.
    fn advance(&mut self, size: usize, end_of_stream: bool) -> Action {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Passing => Action::Continue,
            Phase::Refused => {
                self.phase = Phase::Refused;
                Action::Pause
            }
            Phase::Reading(mut reading) => {
                match reading.reader.advance(&self.host, size, end_of_stream) {
                    Err(error) => self.refuse(reading.request.endpoint.dialect, &error),
                    Ok(()) if end_of_stream => self.route(reading.reader, reading.request, size),
                    Ok(()) => {
                        self.phase = Phase::Reading(reading);
                        Action::Pause
                    }
                }
            }
        }
    }

    fn route(&mut self, mut reader: BodyReader, request: Request, size: usize) -> Action {
        let dialect = request.endpoint.dialect;
        let bytes = reader.take_body();
        let Some(shared) = self.shared.clone() else {
            return self.refuse(dialect, &ErrorReply::misconfigured());
        };
        let decided = reader.finish().map_err(Refused::from).and_then(|mut body| {
            let asking = Asking { host: &self.host, context_id: self.context_id, shared: &shared };
            let (decided, share) = asking.decide(&request, &body)?;
            self.share = share;
            Ok(decided.map(|decided| (decided, std::mem::take(&mut body.strings))))
        });
        match decided {
            Err(refused) => self.refuse_decided(&shared, &request, &refused),
            // A limit has answered.
            Ok(None) => self.refused(),
            Ok(Some((decided, strings))) => {
                let body = BodyRead { bytes, strings };
                if let Some(degraded) = &decided.0.degraded {
                    shared.degradation.note(&self.host, &shared.busy, degraded);
                    let shown = request.policy.show_degraded;
                    self.degraded = shown.then(|| degradation::told(&degraded.rule.instead));
                }
                match self.go_on(&shared, request, decided, body, size) {
                    Err(error) => self.failed(dialect, &error),
                    Ok(()) => {
                        shared.routed.add_by_tick(&self.host, &shared.busy, 1);
                        Action::Continue
                    }
                }
            }
        }
    }

    /// Edits the request, and leaves what was learned to the filters after this one.
    fn go_on(
        &self,
        shared: &Shared,
        request: Request,
        (decision, meter): Decided,
        body: BodyRead,
        size: usize,
    ) -> Result<(), HostError> {
        let Request { head, route, .. } = request;
        effects::apply(&self.host, &head, &decision, size)?;
        effects::remove_claims(&self.host, &head, shared.trust.objective)?;
        effects::leave(&self.host, &decision, shared.state_keys)?;
        if let Some(drawn) = &self.share {
            shared.splits.routed(&self.host, drawn);
        }
        let Decision { facts, edits, .. } = decision;
        if shared.state_keys.has(StateKey::Facts) {
            self.host.set_state(FACTS, &facts.encode())?;
        }
        if let Some(next) = &shared.next {
            // An edited body is valid still, but other bytes at other places.
            let body = Some(if edits.is_empty() { body } else { BodyRead::default() });
            let context_id = self.context_id;
            next.leave(HandedRequest { context_id, facts, head, route, body, meter });
        }
        Ok(())
    }
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.start(end_of_stream)
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if let (Phase::Reading(_), Some(shared)) = (&self.phase, &self.shared) {
            shared.probe.body_arrived(&self.host);
        }
        self.advance(size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        // The body has ended without saying so; nothing new can be in it.
        let size = match &self.phase {
            Phase::Reading(reading) => reading.reader.buffered(),
            _ => 0,
        };
        self.advance(size, true)
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if let (Some(drawn), Some(shared)) = (&self.share, &self.shared) {
            shared.splits.answered(&self.host, drawn);
        }
        if let Some(what) = self.degraded.take() {
            effects::tell_degraded(&self.host, &what);
        }
        Action::Continue
    }

    fn on_end(&mut self) {
        if let Some(shared) = &self.shared {
            shared.probe.ended(self.context_id);
            if let Some(drawn) = &self.share {
                shared.splits.ended(&self.host, drawn);
            }
        }
    }
}
