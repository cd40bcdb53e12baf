//! Ticks, and answers to the root context.

use std::rc::Rc;

use weir_host::{CallAnswer, Direction, HeaderMap, Host, HttpContext, RootContext, Streams};

use crate::shared::{STORM, Shared};
use crate::stream::Stream;

/// How often something is done, in ms.
const TICK_MS: u32 = 20;

/// The root context.
pub struct Root<H: Host> {
    host: H,
    shared: Rc<Shared>,
    /// Streams that had ended at the last tick.
    ended: Vec<u32>,
}

impl<H: Host> Root<H> {
    /// A root context in which nothing is held.
    pub fn new(host: H) -> Self {
        Self { host, shared: Rc::new(Shared::new()), ended: Vec::new() }
    }

    fn answer_storm(&self) {
        let mut storm = self.shared.storm.borrow_mut();
        if storm.len() >= STORM {
            self.shared.storm_began.set(true);
        }
        if self.shared.storm_began.get() && !storm.is_empty() {
            let answered = storm.run(&self.host, |host, ()| {
                let _ = host.reply(299, &[], b"", "probe");
            });
            self.shared.note(format!("storm: {answered}"));
        }
    }

    /// Acts on a stream that has ended, then asks for the root context itself.
    fn act_on_ended(&self, context_id: u32) {
        let acted = self.host.act_on_stream(context_id, |host| host.reply(418, &[], b"", "probe"));
        self.shared.note(format!("ended: {acted:?}"));
        if let Err(error) = self.shared.ask(&self.host, 0, "up", "none") {
            self.shared.note(format!("root call: {error}"));
        }
    }
}

impl<H: Host> RootContext for Root<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.shared.tick.every(&self.host, TICK_MS);
        true
    }

    fn on_tick(&mut self) {
        self.shared.held.borrow_mut().run(&self.host, |host, ()| {
            let _ = host.set_header(HeaderMap::Request, "x-probed", b"tick");
            let _ = host.resume(Direction::Request);
        });
        self.answer_storm();
        // Envoy deletes a stream a turn of its loop after it has ended, and takes a reply until then.
        let ended = std::mem::replace(&mut self.ended, self.shared.left.take());
        ended.into_iter().for_each(|context_id| self.act_on_ended(context_id));
    }

    fn on_http_call_response(&mut self, answer: &CallAnswer) {
        let outcome = self.shared.calls.answered(&self.host, answer);
        self.shared.note(format!("root: {outcome:?}"));
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}
