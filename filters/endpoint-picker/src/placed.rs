//! A request on its way to a replica and back.

use std::mem::take;
use std::rc::Rc;

use weir_placement::{Dispatch, Expectation, LoadView, PickRequest};
use weir_request::Meter;
use weir_wire::facts::Facts;
use weir_wire::response::{ResponseMeter, ResponseReader, Usage};

use crate::pool::PoolId;

/// A request that was placed; kept until its response has ended.
pub(crate) struct Placed {
    pub(crate) pool: PoolId,
    pub(crate) view: Rc<LoadView>,
    pub(crate) dispatch: Dispatch,
    pub(crate) expectation: Option<Expectation>,
    pub(crate) prompt: Prompt,
    /// Whether the client asked for a stream.
    pub(crate) streamed: bool,
    pub(crate) at_ns: u64,
    /// Who counts what the response uses, until its headers have come.
    pub(crate) meter: Option<Rc<Meter>>,
    /// The answer, once its headers have come.
    pub(crate) response: Option<Response>,
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

/// A response on its way.
pub(crate) struct Response {
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
        Self { reader: meter.map_or_else(own, Reader::Metered), begun: false }
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
