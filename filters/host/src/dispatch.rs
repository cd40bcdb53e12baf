//! From the number of a context to the filter or stream that it stands for.
//!
//! The SDK's dispatcher looks in up to three tables behind a lazily made thread local, has a copy of that
//! for every callback, and panics on numbers that it does not know. Envoy calls some ten times per
//! request and the code is cold each time: this one is a table and one function for all callbacks.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::{Action, CallAnswer, HttpContext, RootContext, Turn};

/// Makes the root context of a plugin.
pub(crate) type NewRoot = fn(context_id: u32) -> Box<dyn RootContext>;

/// What a stream is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Seen {
    RequestHeaders,
    RequestBody,
    RequestTrailers,
    ResponseHeaders,
    ResponseBody,
    ResponseTrailers,
}

/// A stream's filter.
struct Stream {
    filter: Box<dyn HttpContext>,
    /// Whether its request headers have gone on.
    headers_gone: bool,
}

/// All contexts of a VM.
pub(crate) struct Contexts {
    new_root: Option<NewRoot>,
    /// A few, one per plugin that shares the VM.
    roots: Vec<(u32, Box<dyn RootContext>)>,
    streams: HashMap<u32, Stream, BuildHasherDefault<Spread>>,
}

impl Contexts {
    /// No context, and none can be made yet.
    pub(crate) const fn new() -> Self {
        let streams = HashMap::with_hasher(BuildHasherDefault::new());
        Self { new_root: None, roots: Vec::new(), streams }
    }

    /// Says what plugins there are to be.
    pub(crate) fn begin(&mut self, new_root: NewRoot) {
        self.new_root = Some(new_root);
    }

    /// A context is created: that of a plugin if it has no root (0), else that of a stream.
    pub(crate) fn create(&mut self, context_id: u32, root_id: u32) {
        if root_id == 0 {
            let new = self.new_root.map(|new| (context_id, new(context_id)));
            self.roots.extend(new);
        } else if let Some(root) = self.root(root_id) {
            let filter = root.create_http_context(context_id);
            self.streams.insert(context_id, Stream { filter, headers_gone: false });
        }
    }

    /// The root context of a plugin.
    pub(crate) fn root(&mut self, context_id: u32) -> Option<&mut dyn RootContext> {
        let (_, root) = self.roots.iter_mut().find(|(id, _)| *id == context_id)?;
        Some(root.as_mut())
    }

    /// Tells a stream what has come: `size` bytes, or headers. What belongs to no stream is held: there
    /// is none who could have said that it may pass.
    pub(crate) fn tell(
        &mut self,
        turn: &Turn,
        context_id: u32,
        seen: Seen,
        size: usize,
        end: bool,
    ) -> Action {
        let Some(stream) = self.streams.get_mut(&context_id) else { return Action::Pause };
        let of_request = seen <= Seen::RequestTrailers;
        if stream.headers_gone || !of_request {
            turn.set_headers_gone();
        }
        let filter = &mut stream.filter;
        let action = match seen {
            Seen::RequestHeaders => filter.on_http_request_headers(size, end),
            Seen::RequestBody => filter.on_http_request_body(size, end),
            Seen::RequestTrailers => filter.on_http_request_trailers(size),
            Seen::ResponseHeaders => filter.on_http_response_headers(size, end),
            Seen::ResponseBody => filter.on_http_response_body(size, end),
            Seen::ResponseTrailers => filter.on_http_response_trailers(size),
        };
        stream.headers_gone |= of_request && action == Action::Continue;
        action
    }

    /// Tells the context that has asked what came of a call.
    pub(crate) fn answer(&mut self, turn: &Turn, context_id: u32, answer: &CallAnswer) {
        match self.streams.get_mut(&context_id) {
            Some(stream) => {
                if stream.headers_gone {
                    turn.set_headers_gone();
                }
                stream.filter.on_http_call_response(answer);
            }
            None => self.root(context_id).map_or((), |root| root.on_http_call_response(answer)),
        }
    }

    /// The requests of these streams were resumed.
    pub(crate) fn let_go(&mut self, context_ids: &[u32]) {
        for context_id in context_ids {
            if let Some(stream) = self.streams.get_mut(context_id) {
                stream.headers_gone = true;
            }
        }
    }

    /// A context will not be called any more; a stream has ended.
    pub(crate) fn delete(&mut self, context_id: u32) {
        match self.streams.remove(&context_id) {
            Some(mut stream) => stream.filter.on_end(),
            None => {
                if let Some(root) = self.root(context_id) {
                    root.on_end();
                }
                self.roots.retain(|(id, _)| *id != context_id);
            }
        }
    }
}

thread_local! {
    /// Those of this VM, which has one thread.
    static CONTEXTS: RefCell<Contexts> = const { RefCell::new(Contexts::new()) };
}

/// Works on the contexts; `otherwise` if a callback comes while another is under way, which Envoy's
/// host calls do not do.
pub(crate) fn with_contexts<R>(otherwise: R, work: impl FnOnce(&mut Contexts) -> R) -> R {
    CONTEXTS.with(|contexts| match contexts.try_borrow_mut() {
        Ok(mut contexts) => work(&mut contexts),
        Err(_) => otherwise,
    })
}

/// Contexts are numbered one after the other, and by Envoy alone: one multiplication spreads them.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        // 2^64 over the golden ratio, as in Fibonacci hashing.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CallToken;
    use std::cell::Cell;
    use std::rc::Rc;

    thread_local! {
        static ENDED: Rc<Cell<u32>> = Rc::default();
        static ANSWERED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }

    struct Plugin(u32);

    impl RootContext for Plugin {
        fn on_configure(&mut self, size: usize) -> bool {
            size as u32 == self.0
        }
        fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
            Box::new(Stream(self.0, context_id))
        }
        fn on_http_call_response(&mut self, _: &CallAnswer) {
            ANSWERED.with(|answered| answered.borrow_mut().push(self.0));
        }
    }

    struct Stream(u32, u32);

    impl HttpContext for Stream {
        fn on_http_request_headers(&mut self, count: usize, end: bool) -> Action {
            if end && count as u32 == self.1 { Action::Pause } else { Action::Continue }
        }
        fn on_http_call_response(&mut self, _: &CallAnswer) {
            ANSWERED.with(|answered| answered.borrow_mut().push(self.1));
        }
        fn on_end(&mut self) {
            ENDED.with(|ended| ended.set(ended.get() + self.0));
        }
    }

    fn contexts() -> Contexts {
        let mut contexts = Contexts::new();
        contexts.begin(|context_id| Box::new(Plugin(context_id)));
        for (context_id, root_id) in [(1, 0), (2, 0), (3, 2), (4, 1)] {
            contexts.create(context_id, root_id);
        }
        contexts
    }

    #[test]
    fn each_stream_belongs_to_the_plugin_that_it_was_created_under() {
        let (turn, mut contexts) = (Turn::new(), contexts());
        assert!(contexts.root(2).is_some_and(|root| root.on_configure(2)));
        assert_eq!(contexts.tell(&turn, 3, Seen::RequestHeaders, 3, true), Action::Pause);
        assert_eq!(contexts.tell(&turn, 3, Seen::RequestHeaders, 3, false), Action::Continue);
        assert_eq!(contexts.tell(&turn, 4, Seen::ResponseBody, 3, true), Action::Continue);
        contexts.delete(3);
        assert_eq!(ENDED.with(|ended| ended.get()), 2);
        contexts.delete(4);
        contexts.delete(4);
        assert_eq!(ENDED.with(|ended| ended.get()), 3, "each ends once");
    }

    #[test]
    fn what_belongs_to_no_stream_is_held_and_kills_nothing() {
        let (turn, mut contexts) = (Turn::new(), contexts());
        contexts.delete(3);
        contexts.delete(99);
        contexts.create(5, 99);
        for unknown in [1, 3, 5, 99] {
            assert_eq!(contexts.tell(&turn, unknown, Seen::RequestBody, 0, true), Action::Pause);
        }
        assert_eq!(contexts.tell(&turn, 4, Seen::RequestBody, 0, true), Action::Continue);
    }

    #[test]
    fn an_answer_comes_to_the_context_that_asked_and_to_no_other() {
        let (turn, mut contexts) = (Turn::new(), contexts());
        contexts.delete(4);
        let answer = CallAnswer::of(CallToken::new(1), 0, 0);
        for asked in [3, 2, 4, 99] {
            contexts.answer(&turn, asked, &answer);
        }
        assert_eq!(ANSWERED.with(|answered| answered.take()), [3, 2]);
    }

    /// Whether request headers may be written now.
    fn writable(turn: &Turn, contexts: &mut Contexts, seen: Seen, size: usize) -> bool {
        turn.begin(3);
        contexts.tell(turn, 3, seen, size, true);
        turn.check_request_headers().is_ok()
    }

    #[test]
    fn request_headers_that_have_gone_on_are_not_written_any_more() {
        let (turn, mut contexts) = (Turn::new(), contexts());
        // The filter holds the headers (3 of them), then lets them go with the first piece of the body.
        assert!(writable(&turn, &mut contexts, Seen::RequestHeaders, 3));
        assert!(writable(&turn, &mut contexts, Seen::RequestBody, 9));
        assert!(!writable(&turn, &mut contexts, Seen::RequestBody, 9));
        assert!(!writable(&turn, &mut contexts, Seen::RequestTrailers, 1));
    }

    #[test]
    fn those_of_a_request_that_was_resumed_are_not_written_either() {
        let (turn, mut contexts) = (Turn::new(), contexts());
        assert!(writable(&turn, &mut contexts, Seen::RequestHeaders, 3));
        contexts.let_go(&[3, 99]);
        assert!(!writable(&turn, &mut contexts, Seen::RequestBody, 9));
        assert!(!writable(&turn, &mut contexts, Seen::ResponseHeaders, 9));
    }

    #[test]
    fn a_plugin_that_was_deleted_is_gone() {
        let mut contexts = contexts();
        contexts.delete(1);
        assert!(contexts.root(1).is_none() && contexts.root(2).is_some());
    }

    #[test]
    fn a_callback_within_a_callback_is_refused() {
        let inner = with_contexts(Action::Continue, |_| {
            with_contexts(Action::Pause, |contexts| {
                contexts.tell(&Turn::new(), 1, Seen::RequestBody, 0, true)
            })
        });
        assert_eq!(inner, Action::Pause);
    }
}
