//! What a filter answers when Envoy calls: the shape of the SDK's traits, without its calling side.

use crate::CallAnswer;

/// What becomes of what a callback was shown. The numbers are those of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// It goes on to the next filter.
    Continue = 0,
    /// It is held, with all that was held before.
    Pause = 1,
}

/// One plugin of a VM; its configuration, its tick and its streams.
pub trait RootContext {
    /// The plugin's configuration has come, of `size` bytes; false refuses it.
    fn on_configure(&mut self, size: usize) -> bool;

    /// The tick that was asked for.
    fn on_tick(&mut self) {}

    /// The answer to a call that was made while calls acted on this context.
    fn on_http_call_response(&mut self, _answer: &CallAnswer) {}

    /// The plugin is being removed, and its streams have ended: no tick comes any more.
    fn on_end(&mut self) {}

    /// A stream begins. A filter that cannot serve it answers it with an error.
    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext>;
}

/// One request and its response.
///
/// Bodies are told by the bytes that are there to see: all that is held, or else this piece.
pub trait HttpContext {
    /// The request's headers, of which there are `count`.
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        Action::Continue
    }

    /// A piece of the request's body.
    fn on_http_request_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        Action::Continue
    }

    /// The request's trailers; no body callback has told its end then.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        Action::Continue
    }

    /// The response's headers.
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        Action::Continue
    }

    /// A piece of the response's body.
    fn on_http_response_body(&mut self, _size: usize, _end_of_stream: bool) -> Action {
        Action::Continue
    }

    /// The response's trailers; no body callback has told its end then.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        Action::Continue
    }

    /// The answer to a call that was made while calls acted on this stream. What the stream holds stays held.
    fn on_http_call_response(&mut self, _answer: &CallAnswer) {}

    /// The stream has ended, complete or not, and was logged; nothing more is said of it. Its headers,
    /// bodies and filter state can no longer be asked for or set.
    fn on_end(&mut self) {}
}
