//! One request, and what its `x-probe` asks for.

use std::rc::Rc;

use weir_host::{Action, CallAnswer, Direction, HeaderMap, Host, HttpContext};

use crate::shared::Shared;

pub(crate) struct Stream<H: Host> {
    host: H,
    context_id: u32,
    shared: Rc<Shared>,
    /// The first word of `x-probe`.
    wanted: String,
}

impl<H: Host> Stream<H> {
    pub(crate) fn new(host: H, context_id: u32, shared: Rc<Shared>) -> Self {
        Self { host, context_id, shared, wanted: String::new() }
    }

    fn reply(&self, text: &str) -> Action {
        let _ = self.host.reply(200, &[], text.as_bytes(), "probe");
        Action::Pause
    }
}

impl<H: Host> HttpContext for Stream<H> {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let header = self.host.header(HeaderMap::Request, "x-probe").ok().flatten();
        let header = String::from_utf8_lossy(&header.unwrap_or_default()).into_owned();
        let mut words = header.split(' ');
        words.next().unwrap_or_default().clone_into(&mut self.wanted);
        let (cluster, mode) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match self.wanted.as_str() {
            "hold" => self.shared.held.borrow_mut().push(self.context_id, ()),
            "storm" => self.shared.storm.borrow_mut().push(self.context_id, ()),
            "call" | "go" | "leave" => {
                if let Err(error) = self.shared.ask(&self.host, self.context_id, cluster, mode) {
                    return self.reply(&format!("refused: {error:?}"));
                }
            }
            "report" => return self.reply(&self.shared.notes.borrow().join("\n")),
            _ => return Action::Continue,
        }
        Action::Pause
    }

    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        // What is held stays held.
        if self.wanted.is_empty() { Action::Continue } else { Action::Pause }
    }

    fn on_http_call_response(&mut self, answer: &CallAnswer) {
        let outcome = self.shared.calls.answered(&self.host, answer);
        if self.wanted == "go" {
            let _ = self.host.set_header(HeaderMap::Request, "x-probed", b"call");
            let _ = self.host.resume(Direction::Request);
            return;
        }
        let some = !answer.body(&self.host, usize::MAX).is_empty();
        self.reply(&format!("{outcome:?}, body {some}"));
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        if self.wanted.is_empty() {
            let late = self.host.set_header(HeaderMap::Request, "x-late", b"1");
            self.shared.note(format!("late: {late:?}"));
        }
        Action::Continue
    }

    fn on_end(&mut self) {
        self.shared.calls.ended(self.context_id);
        if self.wanted == "leave" {
            self.shared.note(format!("abandoned: {}", self.shared.calls.counts().abandoned));
            self.shared.left.borrow_mut().push(self.context_id);
        }
    }
}
