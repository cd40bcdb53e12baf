//! The response of an exchange.

use weir_detect::Direction;
use weir_guard::Trouble;
use weir_host::{Action, Body, Host, HostError, LogLevel};
use weir_wire::error::ErrorReply;

use super::{Phase, Stream};
use crate::request::Exchange;
use crate::response::{self, Form, Opened, Response};
use crate::root::Shared;

impl<H: Host> Stream<H> {
    pub(super) fn open_response(&mut self, shared: &Shared, exchange: Box<Exchange>) -> Action {
        let dialect = exchange.dialect();
        let [_, found] = &mut self.found;
        match response::open(&self.host, &exchange, found) {
            Ok(Opened::Passes) => {
                self.close(shared);
                Action::Continue
            }
            Ok(Opened::Withheld(error)) => {
                self.close(shared);
                self.refuse(dialect, &error)
            }
            Ok(Opened::Inspected(response)) => {
                let held = matches!(response, Response::Whole(_));
                if held && shared.probe.is_missing() {
                    return self.refuse(dialect, &ErrorReply::misconfigured());
                }
                self.phase = Phase::Answering(exchange, response);
                if !held {
                    return Action::Continue;
                }
                shared.probe.response_paused(&self.host, self.context_id);
                Action::Pause
            }
            Err(error) => self.response_failed(shared, &exchange, error),
        }
    }

    /// The host did not do what inspecting a response needs.
    fn response_failed(
        &mut self,
        shared: &Shared,
        exchange: &Exchange,
        error: HostError,
    ) -> Action {
        self.host.log(LogLevel::Error, &format!("weir.guardrail: response: {error}"));
        let [_, found] = &mut self.found;
        let refused = found.trouble(Trouble::Internal, exchange.policy.policy.on_error);
        self.close(shared);
        if !refused {
            return Action::Continue;
        }
        self.refuse(exchange.dialect(), &ErrorReply::misconfigured())
    }

    pub(super) fn answer(&mut self, shared: &Shared, size: usize, end_of_stream: bool) -> Action {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Answering(exchange, Response::Whole(form)) => {
                if !shared.probe.is_missing() {
                    shared.probe.body_arrived(&self.host);
                }
                if !end_of_stream && !exchange.is_too_large(size as u64) {
                    self.phase = Phase::Answering(exchange, Response::Whole(form));
                    return Action::Pause;
                }
                self.answer_whole(shared, exchange, form)
            }
            Phase::Answering(exchange, Response::Stream { mut guard, mut took_ns }) => {
                let host = &self.host;
                let passed =
                    response::inspect_chunk(host, &mut guard, &mut took_ns, size, end_of_stream);
                if let Err(error) = passed {
                    // What was not inspected does not pass.
                    let _ = self.host.replace_body_front(Body::Response, usize::MAX, &[]);
                    return self.response_failed(shared, &exchange, error);
                }
                let response = Response::Stream { guard, took_ns };
                self.phase = Phase::Answering(exchange, response);
                if end_of_stream {
                    self.end_stream(shared);
                }
                Action::Continue
            }
            Phase::Refused => {
                self.phase = Phase::Refused;
                Action::Continue
            }
            other => {
                self.phase = other;
                Action::Continue
            }
        }
    }

    fn answer_whole(&mut self, shared: &Shared, exchange: Box<Exchange>, form: Form) -> Action {
        let [_, found] = &mut self.found;
        match response::inspect_whole(&self.host, shared, &exchange, form, found) {
            Ok(None) => {
                self.close(shared);
                Action::Continue
            }
            Ok(Some(error)) => {
                self.close(shared);
                self.refuse(exchange.dialect(), &error)
            }
            Err(error) => self.response_failed(shared, &exchange, error),
        }
    }

    /// A stream of events has ended, complete or cut.
    pub(super) fn end_stream(&mut self, shared: &Shared) {
        let phase = std::mem::replace(&mut self.phase, Phase::Passing);
        if let Phase::Answering(_, Response::Stream { guard, took_ns }) = phase {
            shared.metrics.scanned(&self.host, Direction::Response, took_ns);
            let [_, found] = &mut self.found;
            *found = guard.report().clone();
            self.close(shared);
        }
    }
}
