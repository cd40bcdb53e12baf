//! One attempt.

use std::rc::Rc;

use weir_host::{Action, HeaderMap, Host, HttpContext, upstream};
use weir_wire::path::Dialect;
use weir_wire::response::StreamFailure;

use crate::attempts::{AttemptEnd, AttemptEvent, AttemptOutcome};
use crate::beginning::{self, Beginning};
use crate::failover;
use crate::log_state::{self, ATTEMPTS};
use crate::renaming::{self, Begun, Renaming};
use crate::shared::Shared;

/// What is done with the body of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    /// It passes.
    Passes,
    /// Headers and body are held until the first token; the status that came.
    Held(u16),
    /// An error has taken its place.
    Replaced,
}

/// What is known of an attempt.
pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    shared: Option<Rc<Shared>>,
    address: Rc<[u8]>,
    number: u32,
    /// The dialect of a request whose stream may be begun anew.
    failover: Option<Dialect>,
    /// While its request is read for another model.
    renaming: Option<Box<Renaming>>,
    status: Option<u16>,
    body: Body,
    /// Bytes that were read of it while it was held.
    read: usize,
    /// Whether some of the response's body has come.
    first_byte: bool,
    /// Whether the response has come to its end.
    complete: bool,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Option<Rc<Shared>>) -> Self {
        Self {
            host,
            context_id,
            shared,
            address: Rc::from(&b""[..]),
            number: 0,
            failover: None,
            renaming: None,
            status: None,
            body: Body::Passes,
            read: 0,
            first_byte: false,
            complete: false,
        }
    }

    fn leaves_state(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.settings.leave_state)
    }

    /// Changes the text for access logs by `edit`.
    fn edit_state(&self, edit: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
        let before = self.host.state(ATTEMPTS).ok().flatten().unwrap_or_default();
        if let Some(after) = edit(&before) {
            // Only a log misses it.
            let _ = self.host.set_state(ATTEMPTS, &after);
        }
    }

    fn outcome(&self, event: AttemptEvent) -> AttemptOutcome {
        AttemptOutcome { address: self.address.clone(), number: self.number, event }
    }

    /// The response goes on with this status.
    fn let_go(&mut self, status: Option<u16>) -> Action {
        self.status = status;
        if let (Some(status), Some(shared)) = (status, &self.shared) {
            shared.attempts.note(self.outcome(AttemptEvent::Headers(status)));
            if self.leaves_state() {
                self.edit_state(|before| log_state::answered(before, &self.address, status));
            }
        }
        Action::Continue
    }

    /// Whether a response with this status is to be held.
    fn holds(&self, status: Option<u16>) -> Option<u16> {
        let shared = self.shared.as_ref()?;
        self.failover?;
        status.filter(|status| (200..300).contains(status) && shared.can_hold())
    }

    /// More of a held stream has come, `size` bytes so far.
    fn look(&mut self, status: u16, size: usize, ended: bool) -> Action {
        match beginning::look(&self.host, size, ended, &mut self.read) {
            Beginning::Waiting => Action::Pause,
            begun @ (Beginning::Begun | Beginning::TooLong) => {
                if let (Beginning::TooLong, Some(shared)) = (begun, &self.shared) {
                    shared.unseen(&self.host, &self.address);
                }
                self.body = Body::Passes;
                self.let_go(Some(status))
            }
            Beginning::Failed(failure) => self.fail(status, &failure),
        }
    }

    #[cold]
    fn fail(&mut self, status: u16, failure: &StreamFailure) -> Action {
        let dialect = self.failover.unwrap_or(Dialect::OpenAi);
        let replaced = beginning::replace(&self.host, dialect, failure);
        if let Some(shared) = &self.shared {
            shared.failed(&self.host, &self.address, failure, replaced);
        }
        if replaced.is_err() {
            self.body = Body::Passes;
            return self.let_go(Some(status));
        }
        self.body = Body::Replaced;
        self.let_go(Some(failure.status))
    }

    /// Asks for the model that the endpoint serves.
    fn rename(&mut self, shared: &Shared, ended: bool) -> Action {
        match renaming::begin(&self.host, ended) {
            Begun::Nothing => {}
            Begun::Done => shared.renamed(&self.host, true),
            Begun::Unread => shared.renamed(&self.host, false),
            Begun::Holds(renaming) => {
                shared.requests.paused(&self.host, self.context_id);
                self.renaming = Some(renaming);
                return Action::Pause;
            }
        }
        Action::Continue
    }

    /// More of a request has come that is read: `size` bytes so far, all of it if it has `ended`.
    fn read(
        &mut self,
        shared: &Shared,
        mut renaming: Box<Renaming>,
        (size, ended): (usize, bool),
    ) -> Action {
        shared.requests.body_arrived(&self.host);
        let readable = renaming.advance(&self.host, size, ended);
        if readable && !ended {
            self.renaming = Some(renaming);
            return Action::Pause;
        }
        shared.renamed(&self.host, readable && renaming.finish(&self.host));
        Action::Continue
    }

    /// How the attempt ended. Only one that did not end well costs a question.
    fn end(&self) -> AttemptEnd {
        match self.status {
            Some(status) if self.complete || !(200..300).contains(&status) => {
                AttemptEnd::Answered(status)
            }
            _ if upstream::client_stream_ended(&self.host) => AttemptEnd::Abandoned,
            Some(_) => AttemptEnd::Cut { first_byte: self.first_byte },
            None => AttemptEnd::NoAnswer,
        }
    }
}

/// The response's status.
fn status<H: Host>(host: &H) -> Option<u16> {
    let digits = host.header(HeaderMap::Response, ":status").ok().flatten()?;
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.address = Rc::from(upstream::address(&self.host).unwrap_or_default());
        self.number = upstream::attempt_number(&self.host).unwrap_or(0);
        if self.shared.as_ref().is_some_and(|shared| shared.attempts.fails_over()) {
            self.failover = failover::marked(&self.host);
        }
        if self.leaves_state() {
            self.edit_state(|before| log_state::begun(before, &self.address));
        }
        match &self.shared {
            Some(shared) if shared.settings.rename => {
                self.rename(&Rc::clone(shared), end_of_stream)
            }
            _ => Action::Continue,
        }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        match (self.renaming.take(), &self.shared) {
            (Some(renaming), Some(shared)) => {
                let shared = Rc::clone(shared);
                self.read(&shared, renaming, (size, end_of_stream))
            }
            _ => Action::Continue,
        }
    }

    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        // No body callback has told that the body has ended.
        if let (Some(renaming), Some(shared)) = (self.renaming.take(), &self.shared) {
            let (shared, size) = (Rc::clone(shared), renaming.buffered());
            return self.read(&shared, renaming, (size, true));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.complete = end_of_stream;
        let status = status(&self.host);
        let Some(held) = self.holds(status).filter(|_| !end_of_stream) else {
            return self.let_go(status);
        };
        self.body = Body::Held(held);
        if let Some(shared) = &self.shared {
            shared.probe.response_paused(&self.host, self.context_id);
        }
        Action::Pause
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.first_byte |= size > 0;
        self.complete |= end_of_stream;
        match self.body {
            Body::Passes => Action::Continue,
            Body::Held(status) => {
                if let Some(shared) = &self.shared {
                    shared.probe.body_arrived(&self.host);
                }
                self.look(status, size, end_of_stream)
            }
            Body::Replaced => {
                beginning::swallow(&self.host);
                Action::Continue
            }
        }
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.complete = true;
        match self.body {
            // No body callback has told that the body has ended.
            Body::Held(status) => self.look(status, usize::MAX, true),
            Body::Passes | Body::Replaced => Action::Continue,
        }
    }

    fn on_end(&mut self) {
        let Some(shared) = &self.shared else { return };
        if self.renaming.is_some() {
            shared.requests.ended(self.context_id);
        }
        let end = self.end();
        if let Body::Held(_) = self.body {
            shared.probe.ended(self.context_id);
            if end == AttemptEnd::NoAnswer {
                shared.silent(&self.host);
            }
        }
        shared.ended(&self.host, self.outcome(AttemptEvent::Ended(end)), end);
    }
}
