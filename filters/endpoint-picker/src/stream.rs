//! One request and its response.

use std::rc::Rc;

use weir_host::{Action, Host, HttpContext, LogLevel};
use weir_request::{BodyReader, HandedRequest, RequestHead, Route, facts_before, respond};
use weir_settings::UnknownPolicy;
use weir_settings::endpoint_picker::PickerPolicy;
use weir_wire::error::ErrorReply;
use weir_wire::facts::Facts;
use weir_wire::path::{Dialect, Endpoint};

use crate::placed::Placed;
use crate::shared::Shared;
use crate::{request, response};

/// A request whose body is being read.
struct Reading {
    reader: BodyReader,
    endpoint: Endpoint,
    head: RequestHead,
    policy: Rc<PickerPolicy>,
}

/// What is said of a request that no filter before has read.
const NO_FACTS: &str = "weir.endpoint-picker: Envoy's fallback policy chooses: no filter before this one has read the \
    request; put it after model-router, or name the `pool` in its policy";

/// How far a request has come.
enum Phase {
    /// Not placed by this filter.
    Passing,
    /// No filter before this one has read the body, so it is read here.
    Reading(Box<Reading>),
    /// On its way to a replica, or answered by it.
    Placed(Box<Placed>),
    /// Answered from here.
    Refused,
}

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    /// `None` when the configuration was refused: every request then fails.
    shared: Option<Rc<Shared>>,
    phase: Phase,
    /// The route that chose the policy, if one did.
    route: Option<Route>,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self { host, context_id, shared, phase: Phase::Passing, route: None }
    }

    fn start(&mut self, shared: &Shared, end_of_stream: bool) -> Action {
        if let Some(known) = shared.before.as_ref().and_then(|before| before.take(self.context_id))
        {
            let HandedRequest { facts, head, route, meter, .. } = *known;
            let action = self.place_known(shared, facts, route, Some(&head));
            if let Phase::Placed(placed) = &mut self.phase {
                placed.meter = meter;
            }
            return action;
        }
        let route = Route::read(&self.host, shared.asks_route);
        match facts_before(&self.host, &shared.odd_facts) {
            Some(facts) => self.place_known(shared, facts, route, None),
            None => match route.policy(&self.host, &shared.policies, None) {
                Ok(policy) => self.start_alone(shared, policy, end_of_stream),
                Err(unknown) => {
                    let dialect = RequestHead::read(&self.host).dialect();
                    self.unknown_policy(shared, dialect, &unknown)
                }
            },
        }
    }

    /// Places a request whose body a filter before has read.
    fn place_known(
        &mut self,
        shared: &Shared,
        mut facts: Facts,
        route: Route,
        head: Option<&RequestHead>,
    ) -> Action {
        let model = facts.policy_of(crate::shared::ROOT_ID);
        let by_route = model.is_none();
        match route.policy(&self.host, &shared.policies, model) {
            Ok(policy) => {
                self.route = Some(route).filter(|_| by_route);
                self.place(shared, &policy, &mut facts, head)
            }
            Err(unknown) => self.unknown_policy(shared, facts.dialect, &unknown),
        }
    }

    fn unknown_policy(
        &mut self,
        shared: &Shared,
        dialect: Dialect,
        unknown: &UnknownPolicy,
    ) -> Action {
        shared.metrics.misconfigured.increment(&self.host);
        self.failed(dialect, unknown)
    }

    /// No facts: reads the body itself, if it is one of an inference API.
    fn start_alone(
        &mut self,
        shared: &Shared,
        policy: Rc<PickerPolicy>,
        end_of_stream: bool,
    ) -> Action {
        let head = RequestHead::read(&self.host);
        let Some(endpoint) = head.endpoint().cloned() else { return self.pass() };
        if !endpoint.operation.has_body() {
            return self.pass();
        }
        if policy.pool.is_none() {
            shared.metrics.no_facts.increment(&self.host);
            shared.no_facts.say(&self.host, LogLevel::Error, || NO_FACTS.to_owned());
            return self.pass();
        }
        if end_of_stream {
            return self.pass();
        }
        if shared.probe.is_missing(&self.host) {
            return self.refuse(endpoint.dialect, &ErrorReply::misconfigured());
        }
        match BodyReader::new(&self.host, &head, &endpoint, policy.max_body_bytes, false) {
            Err(error) => self.refuse(endpoint.dialect, &error),
            Ok(reader) => {
                shared.probe.paused(&self.host, self.context_id);
                let reading = Reading { reader, endpoint, head, policy };
                self.phase = Phase::Reading(Box::new(reading));
                Action::Pause
            }
        }
    }

    fn advance(&mut self, shared: &Shared, size: usize, end_of_stream: bool) -> Action {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Reading(mut reading) => {
                if let Err(error) = reading.reader.advance(&self.host, size, end_of_stream) {
                    return self.refuse(reading.endpoint.dialect, &error);
                }
                if !end_of_stream {
                    self.phase = Phase::Reading(reading);
                    return Action::Pause;
                }
                self.place_alone(shared, *reading)
            }
            Phase::Refused => {
                self.phase = Phase::Refused;
                Action::Pause
            }
            other => {
                self.phase = other;
                Action::Continue
            }
        }
    }

    fn place_alone(&mut self, shared: &Shared, reading: Reading) -> Action {
        let Reading { reader, endpoint, head, policy } = reading;
        match reader.finish() {
            Err(error) => self.refuse(endpoint.dialect, &error),
            Ok(facts) => {
                let mut facts = request::facts_of(&endpoint, head.path(), &facts, &policy);
                self.place(shared, &policy, &mut facts, Some(&head))
            }
        }
    }

    fn place(
        &mut self,
        shared: &Shared,
        policy: &PickerPolicy,
        facts: &mut Facts,
        head: Option<&RequestHead>,
    ) -> Action {
        match request::place(&self.host, shared, policy, facts, head) {
            Ok(Some(placed)) => {
                self.phase = Phase::Placed(placed);
                Action::Continue
            }
            Ok(None) => Action::Continue,
            Err(error) => self.failed(facts.dialect, &error),
        }
    }

    fn pass(&mut self) -> Action {
        match request::leave_to_envoy(&self.host) {
            Ok(()) => Action::Continue,
            Err(error) => self.failed(Dialect::OpenAi, &error),
        }
    }

    /// What went wrong is no business of the client's.
    fn failed(&mut self, dialect: Dialect, error: &dyn std::error::Error) -> Action {
        self.host.log(LogLevel::Error, &format!("weir.endpoint-picker: {error}"));
        self.refuse(dialect, &ErrorReply::misconfigured())
    }

    fn refuse(&mut self, dialect: Dialect, error: &ErrorReply) -> Action {
        respond(&self.host, dialect, error, "weir_endpoint_picker");
        self.phase = Phase::Refused;
        Action::Pause
    }
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.shared.clone() {
            Some(shared) => self.start(&shared, end_of_stream),
            None => self.refuse(Dialect::OpenAi, &ErrorReply::misconfigured()),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let Some(shared) = self.shared.clone() else { return Action::Pause };
        if matches!(self.phase, Phase::Reading(_)) {
            shared.probe.body_arrived(&self.host);
        }
        self.advance(&shared, size, end_of_stream)
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let Some(shared) = self.shared.clone() else { return Action::Pause };
        // The body has ended without saying so; nothing new can be in it.
        let size = match &self.phase {
            Phase::Reading(reading) => reading.reader.buffered(),
            _ => 0,
        };
        self.advance(&shared, size, true)
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(shared) = &self.shared else { return Action::Continue };
        if let Some(route) = self.route.take() {
            response::check_route(&self.host, shared, &route);
        }
        match &mut self.phase {
            Phase::Placed(placed) => response::open(&self.host, shared, placed, end_of_stream),
            _ => Action::Continue,
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if let (Phase::Placed(placed), Some(shared)) = (&mut self.phase, &self.shared) {
            if placed.answered {
                return Action::Pause;
            }
            response::note_end(placed, end_of_stream);
            response::chunk(&self.host, shared, placed, (self.context_id, size));
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if let Phase::Placed(placed) = &mut self.phase {
            response::note_end(placed, true);
        }
        Action::Continue
    }

    fn on_end(&mut self) {
        let Some(shared) = &self.shared else { return };
        shared.probe.ended(self.context_id);
        if let Phase::Placed(mut placed) = std::mem::replace(&mut self.phase, Phase::Passing) {
            response::close(&self.host, shared, &mut placed);
        }
    }
}
