//! One attempt.

use std::rc::Rc;

use weir_host::{Action, HeaderMap, Host, HttpContext, upstream};

use crate::attempts::{AttemptEnd, AttemptEvent, AttemptOutcome};
use crate::log_state::{self, ATTEMPTS};
use crate::shared::Shared;

/// What is known of an attempt.
pub(crate) struct Stream<H: Host> {
    host: H,
    shared: Option<Rc<Shared>>,
    address: Rc<[u8]>,
    number: u32,
    status: Option<u16>,
    /// Whether some of the response's body has come.
    first_byte: bool,
    /// Whether the response has come to its end.
    complete: bool,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, shared: Option<Rc<Shared>>) -> Self {
        let address = Rc::from(&b""[..]);
        Self { host, shared, address, number: 0, status: None, first_byte: false, complete: false }
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
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.address = Rc::from(upstream::address(&self.host).unwrap_or_default());
        self.number = upstream::attempt_number(&self.host).unwrap_or(0);
        if self.leaves_state() {
            self.edit_state(|before| log_state::begun(before, &self.address));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        self.complete = end_of_stream;
        self.status = status(&self.host);
        if let (Some(status), Some(shared)) = (self.status, &self.shared) {
            shared.attempts.note(self.outcome(AttemptEvent::Headers(status)));
            if self.leaves_state() {
                self.edit_state(|before| log_state::answered(before, &self.address, status));
            }
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.first_byte |= size > 0;
        self.complete |= end_of_stream;
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        self.complete = true;
        Action::Continue
    }

    fn on_end(&mut self) {
        if let Some(shared) = &self.shared {
            let end = self.end();
            shared.ended(&self.host, self.outcome(AttemptEvent::Ended(end)), end);
        }
    }
}
