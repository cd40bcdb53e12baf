//! What one filter of a stream leaves to the next in the same VM, without Envoy in between.
//!
//! Filter state is the way between filters of a chain: the facts are encoded, stored, read and
//! decoded again, and the route is asked for its policy once per filter. Filters that run as one
//! (`root_id: gateway`) share a [`Handover`] instead.

use std::cell::Cell;
use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::tick::Tick;
use weir_wire::content::LongStrings;
use weir_wire::facts::Facts;

use crate::limits::{Limits, Meter};
use crate::{RequestHead, Route, StateKeys};

/// What is known of a request that a filter before has read.
pub struct HandedRequest {
    /// The stream's context.
    pub context_id: u32,
    /// What the body says, and where it goes.
    pub facts: Facts,
    /// The request's headers as they came.
    pub head: RequestHead,
    /// What the route said when they came.
    pub route: Route,
    /// The body, if all of it was read.
    pub body: Option<BodyRead>,
    /// Who counts what the response uses; `None` where nobody does.
    pub meter: Option<Rc<Meter>>,
}

/// What is left of a body in which nothing was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyRead {
    /// Its bytes, where they were read at once and not edited.
    pub bytes: Option<Vec<u8>>,
    /// Its long strings, where they were noted and nothing was edited.
    pub strings: LongStrings,
}

/// The place where it is left; clones are the same place.
#[derive(Clone, Default)]
pub struct Handover(Rc<Place>);

#[derive(Default)]
struct Place {
    /// Whether some filter here has a use for bodies that another has read.
    takes_bodies: bool,
    /// The same of responses.
    takes_responses: bool,
    known: Cell<Option<Box<HandedRequest>>>,
    /// What a filter has read of the response in this callback, and the stream's context.
    body: Cell<Option<(u32, Vec<u8>)>>,
}

impl Handover {
    /// A place where nothing was left yet; bodies are left only if a filter takes them.
    pub fn new(takes_bodies: bool) -> Self {
        Self::for_filters(takes_bodies, takes_bodies)
    }

    /// The same where filters may have a use for one of the two: request bodies and responses.
    pub fn for_filters(takes_bodies: bool, takes_responses: bool) -> Self {
        Self(Rc::new(Place { takes_bodies, takes_responses, ..Place::default() }))
    }

    /// Whether some filter here has a use for bodies that another has read.
    pub fn takes_bodies(&self) -> bool {
        self.0.takes_bodies
    }

    /// Leaves what is known of a stream to the next filter, which is called next.
    pub fn leave(&self, mut known: HandedRequest) {
        known.body = known.body.filter(|_| self.0.takes_bodies);
        self.0.known.set(Some(Box::new(known)));
    }

    /// Takes what was left for the stream `context_id`. What was left for another is dropped: that
    /// stream ended in between.
    pub fn take(&self, context_id: u32) -> Option<Box<HandedRequest>> {
        self.0.known.take().filter(|known| known.context_id == context_id)
    }

    /// Leaves what was read of a response to the next filter of this callback; `None` if reading
    /// failed, so that it does not take what was left before.
    pub fn leave_body(&self, context_id: u32, body: Option<Vec<u8>>) {
        let body = body.filter(|_| self.0.takes_responses);
        self.0.body.set(body.map(|body| (context_id, body)));
    }

    /// Takes it, if it is of that stream and of the `size` that the host tells.
    pub fn take_body(&self, context_id: u32, size: usize) -> Option<Vec<u8>> {
        let (of, body) = self.0.body.take()?;
        (of == context_id && body.len() == size).then_some(body)
    }
}

/// What filters that run as one share.
#[derive(Clone)]
pub struct FilterGroup {
    /// Takes what one learns to the next.
    pub handover: Handover,
    /// What any of them finds out about their plugin.
    pub probe: HoldProbe,
    /// The tick that the picker stops when nothing is under way any more, as the last of them to be
    /// told of it.
    pub busy: Tick,
    /// What they leave in filter state.
    pub state_keys: StateKeys,
    /// Whether routes have policies of their own, so that Envoy is asked for the route's.
    pub asks_route: bool,
    /// Whoever limits what is spent.
    pub limits: Option<Rc<dyn Limits>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::{FakeHost, HeaderMap, Host};
    use weir_wire::facts::Destination;
    use weir_wire::request::{RequestScanner, ScanLimits};

    fn known(context_id: u32) -> HandedRequest {
        let host = FakeHost::new();
        host.set_header(HeaderMap::Request, ":method", b"POST").unwrap();
        host.set_header(HeaderMap::Request, ":path", b"/v1/chat/completions").unwrap();
        let head = RequestHead::read(&host);
        let endpoint = head.endpoint().cloned().unwrap();
        let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
        scanner.feed(b"{}").unwrap();
        let to = Destination { model: "m", upstream_model: "m", pool: "p", adapter: None };
        let facts = Facts::new(&endpoint, &scanner.finish().unwrap(), to);
        HandedRequest {
            context_id,
            facts,
            head,
            route: Route::read(&host, true),
            body: None,
            meter: None,
        }
    }

    #[test]
    fn a_stream_takes_what_was_left_for_it_once() {
        let here = Handover::default();
        here.clone().leave(known(3));
        assert_eq!(here.take(3).unwrap().facts.pool, "p");
        assert!(here.take(3).is_none());
    }

    #[test]
    fn a_body_is_taken_once_by_the_stream_whose_it_is() {
        let here = Handover::new(true);
        let leave = || here.leave_body(3, Some(b"body".to_vec()));
        leave();
        assert_eq!(here.take_body(3, 4).as_deref(), Some(&b"body"[..]));
        assert_eq!(here.take_body(3, 4), None);
        leave();
        assert_eq!(here.take_body(4, 4), None);
        leave();
        assert_eq!(here.take_body(3, 5), None);
        leave();
        here.leave_body(3, None);
        assert_eq!(here.take_body(3, 4), None);
    }

    #[test]
    fn bodies_are_not_kept_where_no_filter_takes_them() {
        let here = Handover::new(false);
        here.leave_body(3, Some(b"body".to_vec()));
        assert_eq!(here.take_body(3, 4), None);
        here.leave(HandedRequest { body: Some(BodyRead::default()), ..known(3) });
        assert_eq!(here.take(3).unwrap().body, None);
    }

    #[test]
    fn what_was_left_for_another_stream_is_nobodys() {
        let here = Handover::default();
        here.leave(known(3));
        assert!(here.take(4).is_none());
        assert!(here.take(3).is_none());
    }
}
