//! Other streams than the callback's own, and calls to clusters.

use super::{FakeHost, LocalReply, SentCall};
use crate::{Body, CallAnswer, CallToken, Direction, HeaderMap, HostError};

impl FakeHost {
    /// A callback of a context begins: calls act on that one.
    pub fn begin_callback(&self, context_id: u32) {
        self.0.borrow_mut().effective = context_id;
        self.1.begin(context_id);
    }

    /// The same for a tick of a root context.
    pub fn begin_tick(&self, context_id: u32) {
        self.begin_callback(context_id);
        self.1.tick();
    }

    /// The stream has ended: calls cannot act on it any more. All others are there.
    pub fn end_stream(&self, context_id: u32) {
        self.0.borrow_mut().ended.push(context_id);
    }

    /// What was resumed, in order, by context.
    pub fn resumed(&self) -> Vec<(u32, Direction)> {
        self.0.borrow().resumed.clone()
    }

    /// Every local reply in order, by the context that it went to.
    pub fn replies(&self) -> Vec<(u32, LocalReply)> {
        self.0.borrow().replies.clone()
    }

    /// The calls that were made.
    pub fn calls(&self) -> Vec<SentCall> {
        self.0.borrow().calls.clone()
    }

    /// Lets every call from now on fail with `error`.
    pub fn refuse_calls(&self, error: HostError) {
        self.0.borrow_mut().refuses_calls = Some(error);
    }

    /// What the callback of an answered call is given; headers and body are there to read. 504 and 503 are also what
    /// Envoy itself answers.
    pub fn answer(&self, token: CallToken, status: u16, body: &[u8]) -> CallAnswer {
        let headers = vec![(":status".to_owned(), status.to_string().into_bytes())];
        let mut state = self.0.borrow_mut();
        state.headers.insert(HeaderMap::CallAnswer, headers);
        state.bodies.insert(Body::CallAnswer, body.to_vec());
        CallAnswer::of(token, 1, body.len())
    }

    /// The same for a call whose answer broke off: no headers, and asking for them is a bad argument.
    pub fn lose_call(&self, token: CallToken) -> CallAnswer {
        let mut state = self.0.borrow_mut();
        state.headers.remove(&HeaderMap::CallAnswer);
        state.bodies.remove(&Body::CallAnswer);
        CallAnswer::of(token, 0, 0)
    }
}
