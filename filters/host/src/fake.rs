//! Envoy for native tests: keeps what a filter reads and records what it does.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::turn::Turn;
use crate::{Body, CallToken, Config, Direction, HeaderMap, HostError, LogLevel};

mod calls;
mod streams;

/// What a filter answered in Envoy's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body as sent.
    pub body: Vec<u8>,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
}

/// A call that a filter made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCall {
    /// Which it is.
    pub token: CallToken,
    /// The context that the answer comes to.
    pub context_id: u32,
    /// The cluster's name.
    pub cluster: String,
    /// Headers in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Body as sent.
    pub body: Vec<u8>,
    /// How long Envoy would wait for the answer, in ms.
    pub timeout_ms: u32,
}

#[derive(Default)]
struct State {
    now_ns: u64,
    tick_ms: u32,
    config: HashMap<u32, Vec<u8>>,
    headers: HashMap<HeaderMap, Vec<(String, Vec<u8>)>>,
    headers_closed: bool,
    bodies: HashMap<Body, Vec<u8>>,
    properties: HashMap<Vec<String>, Vec<u8>>,
    shared: HashMap<String, (Vec<u8>, u32)>,
    next_cas: u32,
    /// How many of the next compare-and-swaps another worker is faster than.
    lost_swaps: usize,
    metrics: Vec<(String, i64)>,
    logs: Vec<(LogLevel, String)>,
    replies: Vec<(u32, LocalReply)>,
    /// The context that calls act on.
    effective: u32,
    ended: Vec<u32>,
    resumed: Vec<(u32, Direction)>,
    calls: Vec<SentCall>,
    refuses_calls: Option<HostError>,
    route_cache_clears: usize,
    memory_in_use: usize,
}

/// A host that lives in memory. Clones share their state.
///
/// Headers, bodies and properties are the same for all streams; replies and resumes are kept by stream.
#[derive(Clone)]
pub struct FakeHost(Rc<RefCell<State>>, Rc<Turn>);

impl Default for FakeHost {
    fn default() -> Self {
        Self(Rc::default(), Rc::new(Turn::new()))
    }
}

impl FakeHost {
    /// An empty host at time 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock to `now_ns`.
    pub fn set_now_ns(&self, now_ns: u64) {
        self.0.borrow_mut().now_ns = now_ns;
    }

    /// Sets what [`Host::configuration`] returns.
    pub fn set_configuration(&self, which: Config, bytes: &[u8]) {
        self.0.borrow_mut().config.insert(which as u32, bytes.to_vec());
    }

    /// Sets an attribute.
    pub fn set_property(&self, path: &[&str], value: &[u8]) {
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        self.0.borrow_mut().properties.insert(path, value.to_vec());
    }

    /// Sets the whole body buffer, as Envoy shows it in the next body callback.
    pub fn set_body(&self, which: Body, bytes: &[u8]) {
        self.0.borrow_mut().bodies.insert(which, bytes.to_vec());
    }

    /// The body buffer as it is now.
    pub fn body_now(&self, which: Body) -> Vec<u8> {
        self.0.borrow().bodies.get(&which).cloned().unwrap_or_default()
    }

    /// Makes every header call answer `BadArgument`, as Envoy does in the wrong phase.
    pub fn close_headers(&self) {
        self.0.borrow_mut().headers_closed = true;
    }

    /// A header's value, for asserting.
    pub fn header_now(&self, map: HeaderMap, name: &str) -> Option<Vec<u8>> {
        let state = self.0.borrow();
        let pairs = state.headers.get(&map)?;
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// A counter's or gauge's value, or a histogram's last value, by full name.
    pub fn metric(&self, name: &str) -> Option<i64> {
        self.0.borrow().metrics.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// All log lines so far.
    pub fn logs(&self) -> Vec<(LogLevel, String)> {
        self.0.borrow().logs.clone()
    }

    /// The last local reply, if the filter sent one.
    pub fn local_reply(&self) -> Option<LocalReply> {
        self.0.borrow().replies.last().map(|(_, reply)| reply.clone())
    }

    /// The tick period that is set.
    pub fn tick_ms(&self) -> u32 {
        self.0.borrow().tick_ms
    }

    /// Lets another worker be faster than the next `count` compare-and-swaps.
    pub fn lose_swaps(&self, count: usize) {
        self.0.borrow_mut().lost_swaps = count;
    }

    /// Sets what [`Host::memory_in_use`] tells.
    pub fn set_memory_in_use(&self, bytes: usize) {
        self.0.borrow_mut().memory_in_use = bytes;
    }

    /// How often the route cache was cleared by request-header changes or by name.
    pub fn route_cache_clears(&self) -> usize {
        self.0.borrow().route_cache_clears
    }

    fn with_headers<T>(
        &self,
        map: HeaderMap,
        edit: impl FnOnce(&mut Vec<(String, Vec<u8>)>) -> T,
    ) -> Result<T, HostError> {
        let mut state = self.0.borrow_mut();
        if state.headers_closed || map == HeaderMap::CallAnswer && !state.headers.contains_key(&map)
        {
            return Err(HostError::BadArgument);
        }
        Ok(edit(state.headers.entry(map).or_default()))
    }

    fn note_mutation(&self, map: HeaderMap) {
        if map == HeaderMap::Request {
            self.0.borrow_mut().route_cache_clears += 1;
        }
    }
}
