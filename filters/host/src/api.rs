//! The calls a filter can make.

use crate::turn::{Switch, Turn};
use crate::{Call, CallToken, HeaderBlock, Headers, HostError};

/// Which header map of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum HeaderMap {
    /// Request headers, with the pseudo headers `:path`, `:method`, `:authority`.
    Request = 0,
    /// Request trailers.
    RequestTrailers = 1,
    /// Response headers, with `:status`.
    Response = 2,
    /// Response trailers.
    ResponseTrailers = 3,
    /// Headers of the answer to a [`Host::call`], while its callback runs.
    CallAnswer = 6,
}

/// Which body buffer of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Body {
    /// The request body: all that is buffered while the filter pauses, else the current chunk.
    Request = 0,
    /// The response body, likewise.
    Response = 1,
    /// The body of the answer to a [`Host::call`], while its callback runs.
    CallAnswer = 4,
}

/// Which half of a stream that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// From the client to the replica.
    Request = 0,
    /// From the replica to the client.
    Response = 1,
}

/// Which configuration of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Config {
    /// `vm_config.configuration`.
    Vm = 6,
    /// `configuration` of the plugin.
    Plugin = 7,
}

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum LogLevel {
    /// For developers.
    Debug = 1,
    /// Worth knowing once.
    Info = 2,
    /// Something is not as it should be; traffic goes on.
    Warn = 3,
    /// Requests fail because of it.
    Error = 4,
}

/// Kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricKind {
    /// Goes up.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
    /// Distribution of integers.
    Histogram = 2,
}

/// Everything Weir asks of Envoy. Cheap to clone: a handle, not the state.
///
/// Names of headers are lower case. Values are bytes and need not be UTF-8.
pub trait Host: Clone + 'static {
    /// Writes a log line. Never a prompt, a response, a key or a token.
    fn log(&self, level: LogLevel, message: &str);

    /// Wall-clock time in nanoseconds since 1970; 0 if the host does not say.
    fn now_ns(&self) -> u64;

    /// Calls `on_tick` of the root context every `millis` ms; 0 stops it.
    fn set_tick_ms(&self, millis: u32) -> Result<(), HostError>;

    /// The configuration of the VM or the plugin; empty if there is none.
    fn configuration(&self, which: Config) -> Vec<u8>;

    /// The value of a header, several values joined by Envoy with a comma.
    fn header(&self, map: HeaderMap, name: &str) -> Result<Option<Vec<u8>>, HostError>;

    /// All headers in order.
    fn headers(&self, map: HeaderMap) -> Result<Headers, HostError>;

    /// All headers in one piece: cheaper than two calls of [`Host::header`]. Empty if the host has
    /// none to show.
    fn header_block(&self, map: HeaderMap) -> HeaderBlock;

    /// Replaces a header, or adds it.
    fn set_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// Adds one more value of a header.
    fn add_header(&self, map: HeaderMap, name: &str, value: &[u8]) -> Result<(), HostError>;

    /// Removes a header; none of that name is fine.
    fn remove_header(&self, map: HeaderMap, name: &str) -> Result<(), HostError>;

    /// Up to `len` bytes of a body from `start`; shorter, or empty, when the buffer is.
    fn body(&self, which: Body, start: usize, len: usize) -> Result<Vec<u8>, HostError>;

    /// Replaces the first `len` bytes of a body (0 prepends, `usize::MAX` replaces all).
    ///
    /// Envoy edits at the front and at the end only, so a span in the middle is edited by
    /// replacing everything up to its end.
    fn replace_body_front(&self, which: Body, len: usize, bytes: &[u8]) -> Result<(), HostError>;

    /// Adds bytes at the end of a body.
    fn append_body(&self, which: Body, bytes: &[u8]) -> Result<(), HostError>;

    /// An attribute of the stream, such as `["xds", "route_name"]`.
    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError>;

    /// Stores filter state `wasm.KEY`; later filters of the stream read it with [`Host::state`].
    fn set_state(&self, key: &str, value: &[u8]) -> Result<(), HostError>;

    /// Reads filter state that a Wasm filter stored.
    fn state(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.property(&[key])
    }

    /// A value shared by all workers, with the number to give to [`Host::set_shared`].
    fn shared(&self, key: &str) -> Result<Option<(Vec<u8>, u32)>, HostError>;

    /// Writes a shared value; with `cas`, only if nobody wrote it since.
    ///
    /// There is no delete and no size limit: the key must not be chosen by a client.
    fn set_shared(&self, key: &str, value: &[u8], cas: Option<u32>) -> Result<(), HostError>;

    /// Defines a metric and returns its id; the same name gives the same id.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<u32, HostError>;

    /// Adds to a counter or a gauge.
    fn increment_metric(&self, id: u32, by: i64) -> Result<(), HostError>;

    /// Sets a gauge, or records a value in a histogram.
    fn record_metric(&self, id: u32, value: u64) -> Result<(), HostError>;

    /// Answers the request from here; `details` becomes `%RESPONSE_CODE_DETAILS%`.
    fn reply(
        &self,
        status: u16,
        headers: &[(&str, &[u8])],
        body: &[u8],
        details: &str,
    ) -> Result<(), HostError>;

    /// Makes Envoy choose the route again.
    fn clear_route_cache(&self) -> Result<(), HostError>;

    /// Lets a held request or response go on, once the callback has returned. Resuming twice is harmless. Of another
    /// stream than the callback's own: within `Streams::act_on_stream`.
    fn resume(&self, direction: Direction) -> Result<(), HostError>;

    /// Sends an HTTP request to a cluster; the answer comes to the context that calls act on, as
    /// `on_http_call_response`. That of a stream which has ended by then is dropped.
    ///
    /// # Errors
    /// `BadArgument` for a cluster that Envoy does not know, `Failed` for one without a host or at the limit of its
    /// circuit breakers.
    fn call(&self, call: &Call<'_>) -> Result<CallToken, HostError>;

    /// Bytes of the VM's memory that are in use.
    fn memory_in_use(&self) -> usize;

    /// Switches the context that calls act on; for `Streams` alone, hence the [`Switch`].
    fn effective_context(&self, context_id: u32, _: Switch) -> Result<(), HostError>;

    /// The state of the current callback.
    fn turn<R>(&self, look: impl FnOnce(&Turn) -> R) -> R;
}
