//! One request and its response.

use std::rc::Rc;

use weir_host::{Action, Host, HostError, HttpContext};
use weir_request::{Applicant, BodyReader, RequestHead, Route, edit_body, facts_before};
use weir_wire::edit::{self, Edit};
use weir_wire::error::ErrorReply;
use weir_wire::facts::{Destination, Facts};
use weir_wire::path::{Dialect, Endpoint, Operation};
use weir_wire::request::RequestFacts;

use crate::admit::{Decided, decide};
use crate::reply::Refusal;
use crate::response::Exchange;
use crate::settle::Outcome;
use crate::shared::{ROOT_ID, Shared};

/// How far a request has come.
enum Phase {
    /// Not for this filter.
    Passing,
    /// Its body is being read.
    Reading(Box<Reading>),
    /// Let go.
    LetGo(Box<Exchange>),
    /// Answered from here.
    Refused,
}

/// A request whose body this filter reads itself.
struct Reading {
    reader: BodyReader,
    endpoint: Endpoint,
    head: RequestHead,
    route: Route,
    /// What a filter before has found; the body is read for an edit only then.
    facts: Option<Facts>,
}

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    /// `None` when the configuration was refused: every request then fails.
    shared: Option<Rc<Shared>>,
    phase: Phase,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self { host, context_id, shared, phase: Phase::Passing }
    }

    fn start(&mut self, shared: &Shared, end_of_stream: bool) -> Action {
        if shared.handover.is_some() {
            // The router has asked already.
            if let Some(admission) = shared.take_let_go(&self.host, self.context_id) {
                self.phase = Phase::LetGo(Box::new(Exchange::new(*admission)));
            }
            return Action::Continue;
        }
        let head = RequestHead::read(&self.host);
        let Some(endpoint) = head.endpoint().cloned() else { return Action::Continue };
        if !endpoint.operation.has_body() {
            return Action::Continue;
        }
        let route = Route::read(&self.host, shared.asks_route);
        let facts = facts_before(&self.host, &shared.odd_facts);
        match facts {
            Some(facts) if end_of_stream || !may_ask_usage(&facts) => {
                self.decide(shared, &Known { facts: &facts, head: &head, route: &route }, None)
            }
            // Nothing is asked of a model.
            None if end_of_stream => Action::Continue,
            facts => self.read(shared, (endpoint, head, route), facts),
        }
    }

    fn read(
        &mut self,
        shared: &Shared,
        (endpoint, head, route): (Endpoint, RequestHead, Route),
        facts: Option<Facts>,
    ) -> Action {
        let dialect = endpoint.dialect;
        let model = facts.as_ref().and_then(|facts| facts.policy_of(ROOT_ID));
        let limit = match route.policy(&self.host, &shared.settings.policies, model) {
            Ok(policy) => policy.max_body_bytes,
            Err(unknown) => return self.failed(shared, dialect, &unknown),
        };
        if shared.probe.is_missing(&self.host) {
            return self.refuse(dialect, &Refusal::misconfigured());
        }
        match BodyReader::new(&self.host, &head, &endpoint, limit, false) {
            Err(error) => self.refuse_with(dialect, error),
            Ok(reader) => {
                shared.probe.paused(&self.host, self.context_id);
                let reading = Reading { reader, endpoint, head, route, facts };
                self.phase = Phase::Reading(Box::new(reading));
                Action::Pause
            }
        }
    }

    fn advance(&mut self, shared: &Shared, size: usize, end_of_stream: bool) -> Action {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Reading(mut reading) => {
                if let Err(error) = reading.reader.advance(&self.host, size, end_of_stream) {
                    return self.refuse_with(reading.endpoint.dialect, error);
                }
                if !end_of_stream {
                    self.phase = Phase::Reading(reading);
                    return Action::Pause;
                }
                self.finish(shared, *reading, size)
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

    /// The body has been read.
    fn finish(&mut self, shared: &Shared, reading: Reading, size: usize) -> Action {
        let Reading { reader, endpoint, head, route, facts } = reading;
        let body = match reader.finish() {
            Ok(body) => body,
            Err(error) => return self.refuse_with(endpoint.dialect, error),
        };
        let facts = match facts.map_or_else(|| facts_of(&endpoint, head.path(), &body), Ok) {
            Ok(facts) => facts,
            Err(error) => return self.refuse_with(endpoint.dialect, error),
        };
        let usage = edit::request_usage(&body).map(|edit| (edit, size));
        self.decide(shared, &Known { facts: &facts, head: &head, route: &route }, usage)
    }

    /// Decides about a request; `usage` is the edit that asks for its usage, and the body's length.
    fn decide(
        &mut self,
        shared: &Shared,
        known: &Known<'_>,
        usage: Option<(Edit, usize)>,
    ) -> Action {
        let dialect = known.facts.dialect;
        let applicant = Applicant {
            context_id: self.context_id,
            facts: known.facts,
            head: known.head,
            route: known.route,
            can_ask_usage: usage.is_some(),
            downgraded: false,
        };
        match decide(&self.host, shared, &applicant) {
            Decided::Go(None) => Action::Continue,
            Decided::Go(Some(admission)) => {
                let usage = usage.filter(|_| admission.hides_usage);
                self.phase = Phase::LetGo(Box::new(Exchange::new(*admission)));
                match self.ask_usage(known.head, usage) {
                    Ok(()) => Action::Continue,
                    Err(error) => {
                        self.give_back(shared);
                        self.failed(shared, dialect, &error)
                    }
                }
            }
            // Settings refuse that where this filter stands alone.
            Decided::Downgrade(_) => self.refuse(dialect, &Refusal::misconfigured()),
            Decided::Refused(refusal) => self.refuse(dialect, &refusal),
        }
    }

    fn ask_usage(&self, head: &RequestHead, usage: Option<(Edit, usize)>) -> Result<(), HostError> {
        let Some((edit, body_len)) = usage else { return Ok(()) };
        edit_body(&self.host, head, &[edit], body_len)
    }

    fn give_back(&mut self, shared: &Shared) {
        if let Phase::LetGo(exchange) = std::mem::replace(&mut self.phase, Phase::Passing) {
            shared.give_back(&self.host, exchange.admission);
        }
    }

    /// Settles what was let go, if it is not settled.
    fn settle(&mut self, shared: &Shared) {
        if let Phase::LetGo(exchange) = std::mem::replace(&mut self.phase, Phase::Passing) {
            shared.settle(&self.host, exchange.admission, exchange.outcome);
        }
    }

    /// The response has ended.
    fn complete(&mut self, shared: &Shared) {
        if let Phase::LetGo(exchange) = &mut self.phase {
            exchange.complete();
        }
        self.settle(shared);
    }

    /// What went wrong is no business of the client's.
    fn failed(
        &mut self,
        shared: &Shared,
        dialect: Dialect,
        error: &dyn std::error::Error,
    ) -> Action {
        shared.metrics.misconfigured.increment(&self.host);
        shared.trouble(&self.host, &error);
        self.refuse(dialect, &Refusal::misconfigured())
    }

    fn refuse_with(&mut self, dialect: Dialect, error: ErrorReply) -> Action {
        self.refuse(dialect, &Refusal::new(error, Vec::new()))
    }

    fn refuse(&mut self, dialect: Dialect, refusal: &Refusal) -> Action {
        refusal.send(&self.host, dialect);
        self.phase = Phase::Refused;
        Action::Pause
    }
}

/// What is known of a request.
struct Known<'a> {
    facts: &'a Facts,
    head: &'a RequestHead,
    route: &'a Route,
}

/// Whether the replica may have to be asked for the usage of its stream.
fn may_ask_usage(facts: &Facts) -> bool {
    let streams = matches!(facts.operation, Operation::ChatCompletions | Operation::Completions);
    facts.stream && streams
}

/// The facts of a request that no router has named a destination for.
fn facts_of(endpoint: &Endpoint, path: &[u8], body: &RequestFacts) -> Result<Facts, ErrorReply> {
    let in_path = endpoint.model(path).ok().flatten();
    let in_body = body.model.as_ref().map(|field| field.name.as_str());
    let model = in_path.as_deref().or(in_body).ok_or_else(ErrorReply::missing_model)?;
    let to = Destination { model, upstream_model: model, pool: "", adapter: None };
    Ok(Facts::new(endpoint, body, to))
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        match self.shared.clone() {
            Some(shared) => self.start(&shared, end_of_stream),
            None => self.refuse(Dialect::OpenAi, &Refusal::misconfigured()),
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
        let Some(shared) = self.shared.clone() else { return Action::Continue };
        if let Phase::LetGo(exchange) = &mut self.phase {
            exchange.open(&self.host);
            if exchange.outcome == Outcome::Failure {
                self.settle(&shared);
            } else if end_of_stream {
                self.complete(&shared);
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        let (Phase::LetGo(exchange), Some(shared)) = (&mut self.phase, self.shared.clone()) else {
            return Action::Continue;
        };
        exchange.chunk(&self.host, &shared, (self.context_id, size), end_of_stream);
        if end_of_stream {
            self.complete(&shared);
        } else {
            exchange.extend(&self.host, &shared);
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        if let Some(shared) = self.shared.clone() {
            // The body has ended without saying so.
            self.complete(&shared);
        }
        Action::Continue
    }

    fn on_end(&mut self) {
        let Some(shared) = self.shared.clone() else { return };
        shared.probe.ended(self.context_id);
        self.settle(&shared);
    }
}
