//! A request on its way to a replica and back.

use std::mem::take;
use std::rc::Rc;

use weir_placement::{Dispatch, Expectation, MAX_ORDER, PickRequest};
use weir_request::Meter;
use weir_wire::facts::Facts;
use weir_wire::path::Dialect;
use weir_wire::response::{ResponseMeter, ResponseReader, Usage};

use crate::pools::PoolId;
use crate::report_metrics::ReportFor;
use crate::shadow::Shadow;
use crate::verdict::Verdict;

/// A request that was placed; kept until its response has ended.
pub(crate) struct Placed {
    pub(crate) pool: PoolId,
    pub(crate) listed: Listed,
    pub(crate) dispatch: Dispatch,
    pub(crate) expectation: Option<Expectation>,
    pub(crate) prompt: Prompt,
    /// Whether the client asked for a stream.
    pub(crate) streamed: bool,
    pub(crate) at_ns: u64,
    /// Who counts what the response uses, until its headers have come.
    pub(crate) meter: Option<Rc<Meter>>,
    /// Whether the other workers are told that it is served.
    pub(crate) told: bool,
    /// What was decided, where that is only counted.
    pub(crate) shadow: Option<Box<Shadow>>,
    /// The dialect to answer in where Envoy does because no replica has; `None` where Envoy's own words go out.
    pub(crate) failover: Option<Dialect>,
    /// Whether it was answered so.
    pub(crate) answered: bool,
    /// The answer, once its headers have come.
    pub(crate) response: Option<Response>,
    /// Who reads the load that the replica reports, if it was asked for.
    pub(crate) report: Option<ReportFor>,
}

impl Placed {
    /// What the response says of the replica, as far as is known.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        self.response.as_ref().and_then(|response| response.verdict)
    }
}

/// What is kept of the facts, for when a retry takes the request elsewhere.
pub(crate) struct Prompt {
    fingerprints: Vec<u64>,
    preamble_bytes: u64,
    prompt_bytes: u64,
    prompt_tokens: u32,
    adapter: Option<String>,
}

impl Prompt {
    /// Takes what is needed out of the facts.
    pub(crate) fn take(facts: &mut Facts) -> Self {
        Self {
            fingerprints: take(&mut facts.fingerprints),
            preamble_bytes: facts.preamble_bytes,
            prompt_bytes: facts.prompt_bytes,
            prompt_tokens: facts.prompt_tokens,
            adapter: facts.adapter.take(),
        }
    }

    /// What a policy may know of the request.
    pub(crate) fn request(&self) -> PickRequest<'_> {
        PickRequest {
            fingerprints: &self.fingerprints,
            preamble_bytes: self.preamble_bytes,
            prompt_bytes: self.prompt_bytes,
            prompt_tokens: self.prompt_tokens,
            adapter: self.adapter.as_deref().map(str::as_bytes),
            ..PickRequest::default()
        }
    }
}

/// The keys of the replicas in the header, in order.
#[derive(Clone, Copy, Default)]
pub(crate) struct Listed {
    keys: [u64; MAX_ORDER],
    len: usize,
}

impl Listed {
    /// The first [`MAX_ORDER`] of `keys`.
    pub(crate) fn new(keys: impl IntoIterator<Item = u64>) -> Self {
        let mut listed = Self::default();
        for (slot, key) in listed.keys.iter_mut().zip(keys) {
            *slot = key;
            listed.len = listed.len.saturating_add(1);
        }
        listed
    }

    /// The keys, best first.
    pub(crate) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.keys.iter().take(self.len).copied()
    }

    /// Where a replica is on the list.
    pub(crate) fn place(&self, replica: u64) -> Option<usize> {
        self.keys().position(|key| key == replica)
    }
}

/// A response on its way.
pub(crate) struct Response {
    /// What it says of the replica, as soon as that is known.
    pub(crate) verdict: Option<Verdict>,
    /// Whether its end has come.
    pub(crate) complete: bool,
    pub(crate) reader: Reader,
    pub(crate) begun: bool,
}

/// Who reads the usage.
pub(crate) enum Reader {
    /// This filter alone.
    Own(ResponseReader),
    /// This filter, for another that counts what is used.
    Metered(Rc<Meter>),
}

impl Response {
    pub(crate) fn new(meter: Option<Rc<Meter>>) -> Self {
        let own = || Reader::Own(ResponseReader::default());
        let reader = meter.map_or_else(own, Reader::Metered);
        Self { verdict: None, complete: false, reader, begun: false }
    }
}

impl Reader {
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        match self {
            Self::Own(reader) => reader.feed(chunk),
            Self::Metered(meter) => meter.feed(chunk),
        }
    }

    pub(crate) fn usage(&self) -> Option<Usage> {
        match self {
            Self::Own(reader) => reader.usage(),
            Self::Metered(meter) => meter.look(ResponseMeter::usage),
        }
    }
}
