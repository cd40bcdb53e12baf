//! One request and its response.

mod answer;

use std::rc::Rc;

use weir_detect::Direction;
use weir_guard::Report;
use weir_host::{Action, Host, HostError, HttpContext, LogLevel};
use weir_request::{ROUTE_WAS_LEFT, RequestHead, respond};
use weir_wire::error::ErrorReply;
use weir_wire::path::Dialect;

use crate::audit;
use crate::request::{Exchange, Next, Request};
use crate::response::Response;
use crate::shared::Shared;

/// How far an exchange has come.
enum Phase {
    /// Not for this filter.
    Passing,
    /// The request's body is being read.
    Reading(Box<Exchange>),
    /// The request is on its way, or its response passes uninspected.
    Sent(Box<Exchange>),
    /// The response is being inspected.
    Answering(Box<Exchange>, Response),
    /// Answered from here, or the rest of the response withheld.
    Refused,
}

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    /// `None` when the configuration was refused: every request then fails.
    shared: Option<Rc<Shared>>,
    phase: Phase,
    /// What was found in the request, and in the response.
    found: [Report; 2],
    reported: bool,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        let found = Default::default();
        Self { host, context_id, shared, phase: Phase::Passing, found, reported: false }
    }

    fn start(&mut self, shared: &Shared, end_of_stream: bool) -> Action {
        let request = match shared.handover.take(self.context_id) {
            Some(known) => Request::Handed(known),
            None => Request::read(&self.host, shared),
        };
        let policy = request.policy(&self.host, &shared.policies);
        let dialect = request.head().map_or(Dialect::OpenAi, RequestHead::dialect);
        let policy = match policy {
            Ok(policy) => policy,
            Err(unknown) => {
                shared.metrics.misconfigured.increment(&self.host);
                self.host.log(LogLevel::Error, &format!("weir.guardrail: {unknown}"));
                return self.refuse(dialect, &ErrorReply::misconfigured());
            }
        };
        let mut exchange = Box::new(Exchange::new(policy, request));
        if exchange.is_foreign() {
            exchange.hand_on(&shared.handover);
            return Action::Continue;
        }
        match exchange.open(&self.host, !end_of_stream) {
            Ok(Next::Read) if shared.probe.is_missing(&self.host) => {
                self.refuse(dialect, &ErrorReply::misconfigured())
            }
            Ok(Next::Read) => {
                shared.probe.paused(&self.host, self.context_id);
                self.phase = Phase::Reading(exchange);
                Action::Pause
            }
            other => self.go_on(shared, exchange, other),
        }
    }

    /// What became of a request that was looked at.
    fn go_on(
        &mut self,
        shared: &Shared,
        mut exchange: Box<Exchange>,
        next: Result<Next, HostError>,
    ) -> Action {
        let dialect = exchange.dialect();
        let next = next.unwrap_or_else(|error| {
            self.host.log(LogLevel::Error, &format!("weir.guardrail: request: {error}"));
            match exchange.survives_failure() {
                true => Next::Pass,
                false => Next::Refuse(ErrorReply::misconfigured()),
            }
        });
        let [request, _] = &mut self.found;
        *request = std::mem::take(&mut exchange.found);
        shared.metrics.count(&self.host, Direction::Request, request);
        if !request.is_empty() {
            self.leave();
        }
        match next {
            Next::Refuse(error) => self.refuse(dialect, &error),
            Next::Pass | Next::Read => {
                exchange.hand_on(&shared.handover);
                self.phase = Phase::Sent(exchange);
                Action::Continue
            }
        }
    }

    fn advance(&mut self, shared: &Shared, size: usize, end_of_stream: bool) -> Action {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Reading(mut exchange) => {
                if let Some(next) = exchange.settle_doubt(&self.host, size) {
                    return self.go_on(shared, exchange, Ok(next));
                }
                if exchange.is_too_large(size as u64) {
                    let next = exchange.trouble(weir_guard::Trouble::TooLarge);
                    return self.go_on(shared, exchange, Ok(next));
                }
                if !end_of_stream {
                    if let Err(full) = exchange.hold(&self.host, size) {
                        return self.go_on(shared, exchange, Ok(Next::Refuse(full)));
                    }
                    self.phase = Phase::Reading(exchange);
                    return Action::Pause;
                }
                exchange.let_go();
                let next = exchange.inspect(&self.host, shared);
                self.go_on(shared, exchange, next)
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

    /// Notices a policy that was chosen by a route that the request has not gone by.
    fn check_route(&self, shared: &Shared, exchange: &Exchange) {
        if shared.route_check.is_due() && exchange.left_its_route(&self.host) {
            shared.metrics.left_route.increment(&self.host);
            let line = || format!("weir.guardrail: {ROUTE_WAS_LEFT}");
            shared.left_routes.say(&self.host, LogLevel::Error, line);
        }
    }

    fn refuse(&mut self, dialect: Dialect, error: &ErrorReply) -> Action {
        respond(&self.host, dialect, error, "weir_guardrail");
        self.phase = Phase::Refused;
        Action::Pause
    }

    /// Everything about the response is known.
    fn close(&mut self, shared: &Shared) {
        let [_, response] = &self.found;
        if !self.reported && !response.is_empty() {
            self.leave();
        }
        self.count(shared);
    }

    /// Counts what was found in the response, once.
    fn count(&mut self, shared: &Shared) {
        if !std::mem::replace(&mut self.reported, true) {
            let [_, response] = &self.found;
            shared.metrics.count(&self.host, Direction::Response, response);
        }
    }

    fn leave(&self) {
        let [request, response] = &self.found;
        audit::leave(&self.host, request, response);
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
        // The body has ended without saying so; all of it is held.
        self.advance(&shared, 0, true)
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(shared) = self.shared.clone() else { return Action::Continue };
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Sent(exchange) => {
                self.check_route(&shared, &exchange);
                if exchange.policy.inspects.responses && !end_of_stream {
                    return self.open_response(&shared, exchange);
                }
                self.phase = Phase::Sent(exchange);
                Action::Continue
            }
            other => {
                self.phase = other;
                Action::Continue
            }
        }
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match self.shared.clone() {
            Some(shared) => self.answer(&shared, size, end_of_stream),
            None => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        match self.shared.clone() {
            // The body has ended without saying so; where it is held, all of it is there.
            Some(shared) => {
                let held = matches!(self.phase, Phase::Answering(_, Response::Whole(_)));
                self.answer(&shared, if held { usize::MAX } else { 0 }, true)
            }
            None => Action::Continue,
        }
    }

    fn on_end(&mut self) {
        let Some(shared) = self.shared.clone() else { return };
        shared.probe.ended(self.context_id);
        self.end_stream(&shared);
    }
}
