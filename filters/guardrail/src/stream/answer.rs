//! The response of an exchange.

use weir_detect::Direction;
use weir_guard::{Report, StreamGuard, Trouble};
use weir_host::{Action, Body, Host, HostError, LogLevel};
use weir_wire::error::ErrorReply;

use super::{Phase, Stream};
use crate::request::Exchange;
use crate::response::{self, Form, Opened, Response};
use crate::shared::Shared;
use crate::timing::Stopwatch;

impl<H: Host> Stream<H> {
    pub(super) fn open_response(&mut self, shared: &Shared, exchange: Box<Exchange>) -> Action {
        let dialect = exchange.dialect();
        let [_, found] = &mut self.found;
        match response::open(&self.host, shared, &exchange, found) {
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
                if held && shared.probe.is_missing(&self.host) {
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
        let refused = found.trouble(Trouble::Internal, &exchange.policy.policy);
        self.close(shared);
        if !refused {
            return Action::Continue;
        }
        self.refuse(exchange.dialect(), &ErrorReply::misconfigured())
    }

    pub(super) fn answer(&mut self, shared: &Shared, size: usize, end_of_stream: bool) -> Action {
        match std::mem::replace(&mut self.phase, Phase::Passing) {
            Phase::Answering(exchange, Response::Whole(form)) => {
                self.hold_answer(shared, exchange, form, (size, end_of_stream))
            }
            Phase::Answering(exchange, Response::Replaced) => {
                self.phase = Phase::Answering(exchange, Response::Replaced);
                // If the host fails, nothing is left that could be done about it.
                if size > 0 {
                    let _ = self.host.replace_body_front(Body::Response, usize::MAX, &[]);
                }
                Action::Continue
            }
            Phase::Answering(exchange, Response::Stream { guard, stopwatch }) => {
                self.pass_events(shared, exchange, (guard, stopwatch), (size, end_of_stream))
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

    /// More of a response has come that is held until it is complete.
    fn hold_answer(
        &mut self,
        shared: &Shared,
        mut exchange: Box<Exchange>,
        mut form: Form,
        (size, end_of_stream): (usize, bool),
    ) -> Action {
        if !shared.probe.seems_missing() {
            shared.probe.body_arrived(&self.host);
        }
        if form.is_events(&self.host, size) {
            exchange.let_go();
            return match response::stream(&self.host, shared, &exchange, form) {
                Ok(stream) => {
                    self.phase = Phase::Answering(exchange, stream);
                    self.answer(shared, size, end_of_stream)
                }
                Err(error) => self.response_failed(shared, &exchange, error),
            };
        }
        let decided = exchange.is_too_large(size as u64) || form.is_unreadable() && size > 0;
        if !end_of_stream && !decided {
            if let Err(full) = exchange.hold(&self.host, size) {
                self.close(shared);
                return self.refuse(exchange.dialect(), &full);
            }
            self.phase = Phase::Answering(exchange, Response::Whole(form));
            return Action::Pause;
        }
        let body = self.body(shared, size);
        match form.is_failure() {
            true => self.answer_failure(shared, exchange, (form, body)),
            false => self.answer_whole(shared, exchange, (form, body)),
        }
    }

    /// The next chunk of a stream.
    fn pass_events(
        &mut self,
        shared: &Shared,
        exchange: Box<Exchange>,
        (mut guard, mut stopwatch): (Box<StreamGuard>, Stopwatch),
        (size, end_of_stream): (usize, bool),
    ) -> Action {
        let host = &self.host;
        let passed = self.body(shared, size).and_then(|chunk| {
            let guard = &mut guard;
            response::inspect_chunk(host, guard, &mut stopwatch, &chunk, end_of_stream)
        });
        if let Err(error) = passed {
            // What was not inspected does not pass.
            let _ = self.host.replace_body_front(Body::Response, usize::MAX, &[]);
            return self.response_failed(shared, &exchange, error);
        }
        self.tell_so_far(guard.report());
        let response = Response::Stream { guard, stopwatch };
        self.phase = Phase::Answering(exchange, response);
        if end_of_stream {
            self.end_stream(shared);
        }
        Action::Continue
    }

    /// What is there of the body: all of it where it is held, else the current chunk.
    fn body(&self, shared: &Shared, size: usize) -> Result<Vec<u8>, HostError> {
        match shared.handover.take_body(self.context_id, size) {
            _ if size == 0 => Ok(Vec::new()),
            Some(body) => Ok(body),
            None => self.host.body(Body::Response, 0, size),
        }
    }

    fn answer_whole(
        &mut self,
        shared: &Shared,
        exchange: Box<Exchange>,
        (form, body): (Form, Result<Vec<u8>, HostError>),
    ) -> Action {
        let [_, found] = &mut self.found;
        let inspected = body.and_then(|body| {
            response::inspect_whole(&self.host, shared, &exchange, (form, &body), found)
        });
        match inspected {
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

    /// An upstream's own error, which stays one.
    fn answer_failure(
        &mut self,
        shared: &Shared,
        exchange: Box<Exchange>,
        (form, body): (Form, Result<Vec<u8>, HostError>),
    ) -> Action {
        let [_, found] = &mut self.found;
        let replaced = body.and_then(|body| {
            response::inspect_failure(&self.host, shared, &exchange, (form, &body), found)
        });
        match replaced {
            Ok(replaced) => {
                self.close(shared);
                if replaced {
                    self.phase = Phase::Answering(exchange, Response::Replaced);
                }
                Action::Continue
            }
            Err(error) => self.response_failed(shared, &exchange, error),
        }
    }

    /// Leaves what was found in a stream so far: if it is cut, nobody asks before it is logged.
    fn tell_so_far(&mut self, report: &Report) {
        let [_, found] = &mut self.found;
        if report.total() > found.total() {
            found.clone_from(report);
            self.leave();
        }
    }

    /// A stream of events has ended, complete or cut; all that was found in it was told.
    pub(super) fn end_stream(&mut self, shared: &Shared) {
        let phase = std::mem::replace(&mut self.phase, Phase::Passing);
        if let Phase::Answering(_, Response::Stream { stopwatch, .. }) = phase {
            shared.metrics.scanned(&self.host, Direction::Response, &stopwatch);
            self.count(shared);
        }
    }
}
