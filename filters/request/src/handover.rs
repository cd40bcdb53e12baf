//! What one filter of a stream leaves to the next in the same VM, without Envoy in between.
//!
//! Filter state is the way between filters of a chain: the facts are encoded, stored, read and
//! decoded again, and the route is asked for its policy once per filter. Filters that run as one
//! (`root_id: gateway`) share a [`Handover`] instead.

use std::cell::Cell;
use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::tick::Ticker;
use weir_wire::facts::Facts;

use crate::{Leaves, Opening, Route};

/// What is known of a request that a filter before has read.
pub struct Known {
    /// The stream's context.
    pub context_id: u32,
    /// What the body says, and where it goes.
    pub facts: Facts,
    /// The request's headers as they came.
    pub opening: Opening,
    /// What the route said when they came.
    pub route: Route,
}

/// The place where it is left; clones are the same place.
#[derive(Clone, Default)]
pub struct Handover(Rc<Cell<Option<Box<Known>>>>);

impl Handover {
    /// Leaves what is known of a stream to the next filter, which is called next.
    pub fn leave(&self, known: Known) {
        self.0.set(Some(Box::new(known)));
    }

    /// Takes what was left for the stream `context_id`. What was left for another is dropped: that
    /// stream ended in between.
    pub fn take(&self, context_id: u32) -> Option<Box<Known>> {
        self.0.take().filter(|known| known.context_id == context_id)
    }
}

/// What filters that run as one share.
#[derive(Clone)]
pub struct Together {
    /// Takes what one learns to the next.
    pub handover: Handover,
    /// What any of them finds out about their plugin.
    pub probe: HoldProbe,
    /// The tick of their root context.
    pub ticker: Ticker,
    /// What they leave in filter state.
    pub leaves: Leaves,
    /// Whether routes have policies of their own, so that Envoy is asked for the route's.
    pub asks_route: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::{FakeHost, HeaderMap, Host};
    use weir_wire::facts::Destination;
    use weir_wire::request::{RequestScanner, ScanLimits};

    fn known(context_id: u32) -> Known {
        let host = FakeHost::new();
        host.set_header(HeaderMap::Request, ":method", b"POST").unwrap();
        host.set_header(HeaderMap::Request, ":path", b"/v1/chat/completions").unwrap();
        let opening = Opening::read(&host);
        let endpoint = opening.endpoint().cloned().unwrap();
        let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
        scanner.feed(b"{}").unwrap();
        let to = Destination { model: "m", upstream_model: "m", pool: "p", adapter: None };
        let facts = Facts::new(&endpoint, &scanner.finish().unwrap(), to);
        Known { context_id, facts, opening, route: Route::read(&host, true) }
    }

    #[test]
    fn a_stream_takes_what_was_left_for_it_once() {
        let here = Handover::default();
        here.clone().leave(known(3));
        assert_eq!(here.take(3).unwrap().facts.pool, "p");
        assert!(here.take(3).is_none());
    }

    #[test]
    fn what_was_left_for_another_stream_is_nobodys() {
        let here = Handover::default();
        here.leave(known(3));
        assert!(here.take(4).is_none());
        assert!(here.take(3).is_none());
    }
}
