//! What the streams share.

use std::cell::{Cell, RefCell};

use weir_host::pending::Pending;
use weir_host::tick::{Tick, Ticker};
use weir_host::{Call, CallToken, Calls, Host, HostError};

/// So many streams are answered in one go: more than the ticks that they take may do.
pub const STORM: usize = 200;
/// Longer than a busy machine takes between a call and the test's next look at it.
const TIMEOUT_MS: u32 = 4000;

pub(crate) struct Shared {
    pub(crate) held: RefCell<Pending<()>>,
    pub(crate) storm: RefCell<Pending<()>>,
    pub(crate) storm_began: Cell<bool>,
    pub(crate) calls: Calls,
    /// Streams whose clients have left.
    pub(crate) left: RefCell<Vec<u32>>,
    pub(crate) notes: RefCell<Vec<String>>,
    pub(crate) tick: Tick,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let ticker = Ticker::new();
        Self {
            held: RefCell::new(Pending::new(ticker.part())),
            storm: RefCell::new(Pending::new(ticker.part())),
            storm_began: Cell::new(false),
            calls: Calls::new(100),
            left: RefCell::default(),
            notes: RefCell::default(),
            tick: ticker.part(),
        }
    }

    pub(crate) fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }

    /// Asks a replica of `cluster` that is to fail as `mode` says.
    pub(crate) fn ask<H: Host>(
        &self,
        host: &H,
        context_id: u32,
        cluster: &str,
        mode: &str,
    ) -> Result<CallToken, HostError> {
        let headers: [(&str, &[u8]); 5] = [
            (":method", b"POST"),
            (":path", b"/v1/chat/completions"),
            (":authority", b"probe"),
            ("content-type", b"application/json"),
            ("x-weir-fail", mode.as_bytes()),
        ];
        let body = br#"{"model":"llama-3.1-8b-instruct","messages":[]}"#;
        self.calls.ask(
            host,
            context_id,
            &Call { cluster, headers: &headers, body, timeout_ms: TIMEOUT_MS },
        )
    }
}
