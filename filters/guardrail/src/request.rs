//! The request's way.

use std::rc::Rc;

use weir_detect::{Direction, OnTrouble};
use weir_guard::{
    BodyInspection, Refusal, Report, RequestBody, RequestInspection, Trouble, Watch,
    inspect_request_again,
};
use weir_host::{Body, HeaderMap, Host, HostError};
use weir_request::{
    BodyRead, HandedRequest, Handover, Held, RequestHead, Route, check_memory, edit_body,
    facts_before,
};
use weir_settings::guardrail::{GuardrailPolicy, UnknownPaths};
use weir_settings::{Policies, UnknownPolicy};
use weir_wire::beginning::{self, Beginning};
use weir_wire::content::LongStrings;
use weir_wire::error::ErrorReply;
use weir_wire::facts::Facts;
use weir_wire::path::{Dialect, Endpoint, Operation};

use crate::shared::Shared;

/// What a refusal adds on a path that is no inference API, whose clients know nothing of such rules.
const UNKNOWN_PATH: &str = " A guardrail inspects what is sent to this path, too, unless its policy says `unknown_paths: pass`.";

/// What the request's headers said, and what was found so far.
pub(crate) struct Exchange {
    pub(crate) policy: Rc<GuardrailPolicy>,
    pub(crate) watch: Watch,
    pub(crate) found: Report,
    endpoint: Option<Endpoint>,
    request: Request,
    /// Why the body cannot be read, by its headers; how it begins tells whether they are right.
    doubt: Option<Trouble>,
    /// What is held of the body at hand.
    held: Held,
    /// The route that chose the policy, once the request has gone on; `None` if the model did, or where the
    /// picker of the same Envoy filter looks for all of them.
    route: Option<Route>,
}

/// The request's headers.
pub(crate) enum Request {
    /// Read here, with what a filter before has left in filter state.
    Own { head: RequestHead, facts: Option<Box<Facts>>, route: Route },
    /// Handed over by the filter before, for this one and the next.
    Handed(Box<HandedRequest>),
    /// Handed on.
    Gone,
}

/// How a request goes on.
pub(crate) enum Next {
    /// Its body has to be read.
    Read,
    /// It passes.
    Pass,
    /// It is refused.
    Refuse(ErrorReply),
}

impl Request {
    pub(crate) fn head(&self) -> Option<&RequestHead> {
        match self {
            Self::Own { head, .. } => Some(head),
            Self::Handed(known) => Some(&known.head),
            Self::Gone => None,
        }
    }

    /// Reads the headers, and what filters before have left.
    pub(crate) fn read<H: Host>(host: &H, shared: &Shared) -> Self {
        let facts = facts_before(host, &shared.odd_facts).map(Box::new);
        let route = Route::read(host, shared.asks_route);
        Self::Own { head: RequestHead::read(host), facts, route }
    }

    /// What the body says, as a filter before has read it.
    fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Own { facts, .. } => facts.as_deref(),
            Self::Handed(known) => Some(&known.facts),
            Self::Gone => None,
        }
    }

    /// The policy that applies.
    ///
    /// # Errors
    /// A place asks for one that does not exist.
    pub(crate) fn policy<H: Host>(
        &self,
        host: &H,
        policies: &Policies<GuardrailPolicy>,
    ) -> Result<Rc<GuardrailPolicy>, UnknownPolicy> {
        let route = match self {
            Self::Own { route, .. } => route,
            Self::Handed(known) => &known.route,
            Self::Gone => return policies.fallback().map(Rc::clone),
        };
        let model = self.facts().and_then(|facts| facts.policy_of(crate::shared::ROOT_ID));
        route.policy(host, policies, model)
    }

    /// What the filter before has left of the body, if it has read all of it.
    fn take_body(&mut self) -> Option<BodyRead> {
        match self {
            Self::Handed(known) => known.body.take(),
            _ => None,
        }
    }
}

impl Exchange {
    pub(crate) fn new(policy: Rc<GuardrailPolicy>, request: Request) -> Self {
        let watch = Watch::new(policy.policy.clone());
        let endpoint = request.head().and_then(RequestHead::endpoint).cloned();
        Self {
            policy,
            watch,
            found: Report::default(),
            endpoint,
            request,
            doubt: None,
            held: Held::default(),
            route: None,
        }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.endpoint.as_ref().map_or(Dialect::OpenAi, |endpoint| endpoint.dialect)
    }

    pub(crate) fn operation(&self) -> Option<Operation> {
        self.endpoint.as_ref().map(|endpoint| endpoint.operation)
    }

    /// Whether neither the request nor its response is for this filter.
    pub(crate) fn is_foreign(&self) -> bool {
        self.endpoint.is_none() && self.policy.unknown_paths == UnknownPaths::Pass
    }

    /// Lets the next filter have what was handed over to this one.
    pub(crate) fn hand_on(&mut self, handover: &Handover) {
        let by_model =
            self.request.facts().and_then(|facts| facts.policy_of(crate::shared::ROOT_ID));
        let by_route = by_model.is_none();
        match std::mem::replace(&mut self.request, Request::Gone) {
            Request::Handed(known) => handover.leave(*known),
            Request::Own { route, .. } => self.route = Some(route).filter(|_| by_route),
            Request::Gone => {}
        }
    }

    /// Whether the path alone asks for a stream.
    pub(crate) fn asks_stream(&self) -> bool {
        self.endpoint.as_ref().is_some_and(|endpoint| endpoint.stream_by_path)
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.request.head()?.header(name)
    }

    /// Looks at the headers. A response that is to be read must not come compressed.
    ///
    /// # Errors
    /// What the host says to the removal of a header.
    pub(crate) fn open<H: Host>(&mut self, host: &H, has_body: bool) -> Result<Next, HostError> {
        let inspects = self.policy.inspects;
        if inspects.responses && self.header("accept-encoding").is_some() {
            host.remove_header(HeaderMap::Request, "accept-encoding")?;
        }
        if !inspects.requests || !has_body {
            return Ok(Next::Pass);
        }
        self.doubt = self.unreadable();
        let policy = &self.policy.policy;
        let certain = |trouble: &Trouble| {
            *trouble == Trouble::TooLarge || trouble.treatment(policy) == OnTrouble::Block
        };
        Ok(match self.doubt.take_if(|trouble| certain(trouble)) {
            Some(trouble) => self.trouble(trouble),
            None => check_memory(host).map_or_else(Next::Refuse, |()| Next::Read),
        })
    }

    /// Lets a body pass that is what its headers say. One that begins like JSON is read all the same: servers look neither
    /// at a form's type nor at a coding that they do not know.
    pub(crate) fn settle_doubt<H: Host>(&mut self, host: &H, size: usize) -> Option<Next> {
        let trouble = self.doubt?;
        let begin = host.body(Body::Request, 0, size.min(beginning::MOST_BYTES)).ok()?;
        let begins = Beginning::of(&begin)?;
        self.doubt = None;
        (begins != Beginning::Document).then(|| self.trouble(trouble))
    }

    /// Why the body cannot be inspected, as far as the headers tell.
    fn unreadable(&self) -> Option<Trouble> {
        let encoding = self.header("content-encoding").unwrap_or(b"identity");
        if !encoding.eq_ignore_ascii_case(b"identity") {
            return Some(Trouble::Compressed);
        }
        // Anything else is tried as JSON: servers read JSON whatever the client calls it.
        let kind = self.header("content-type").unwrap_or_default();
        let form = b"multipart/form-data";
        if kind.get(..form.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(form)) {
            return Some(Trouble::ContentType);
        }
        let announced = self.header("content-length");
        let announced = announced.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
        announced.is_some_and(|length: u64| self.is_too_large(length)).then_some(Trouble::TooLarge)
    }

    /// Notes how much of a body is held.
    ///
    /// # Errors
    /// The reply where other streams hold too much.
    pub(crate) fn hold<H: Host>(&mut self, host: &H, size: usize) -> Result<(), ErrorReply> {
        self.held.grow(host, size)
    }

    /// The body at hand has gone on.
    pub(crate) fn let_go(&mut self) {
        self.held = Held::default();
    }

    pub(crate) fn is_too_large(&self, length: u64) -> bool {
        length > self.policy.max_body_bytes
    }

    /// What the policy does about something that cannot be inspected.
    pub(crate) fn trouble(&mut self, trouble: Trouble) -> Next {
        let refused = self.found.trouble(trouble, &self.policy.policy);
        if !refused {
            return Next::Pass;
        }
        Next::Refuse(match trouble {
            Trouble::TooLarge => {
                let limit = usize::try_from(self.policy.max_body_bytes).unwrap_or(usize::MAX);
                ErrorReply::too_large(limit)
            }
            _ => ErrorReply::content_policy_violation(&self.found.blocking()),
        })
    }

    /// The whole body; with its long strings, if the filter before has read it.
    fn body<H: Host>(&mut self, host: &H) -> Result<(Vec<u8>, Option<LongStrings>), HostError> {
        let (bytes, strings) = match self.request.take_body() {
            Some(BodyRead { bytes, strings }) => (bytes, Some(strings)),
            None => (None, None),
        };
        let bytes = bytes.map_or_else(|| host.body(Body::Request, 0, usize::MAX), Ok)?;
        Ok((bytes, strings))
    }

    /// Inspects the whole body, which is held, and edits it.
    ///
    /// # Errors
    /// What the host says to the edits.
    pub(crate) fn inspect<H: Host>(
        &mut self,
        host: &H,
        shared: &Shared,
    ) -> Result<Next, HostError> {
        let (body, read) = self.body(host)?;
        if self.is_too_large(body.len() as u64) {
            return Ok(self.trouble(Trouble::TooLarge));
        }
        if body.is_empty() {
            return Ok(Next::Pass);
        }
        let policy = &self.policy.policy;
        let pool = self.request.facts().filter(|_| policy.has_optional_rules());
        let saturated =
            pool.is_some_and(|facts| shared.saturation.borrow_mut().of(host, &facts.pool));
        let known = self.endpoint.is_some();
        let mut stopwatch = shared.metrics.stopwatch(Direction::Request);
        let recall = shared.recall.as_ref().filter(|_| self.policy.recall);
        let RequestInspection { inspected, watch, texts } = stopwatch.time(host, || {
            let mut recall = recall.map(|recall| recall.borrow_mut());
            let body = RequestBody { bytes: &body, known, read: read.as_ref() };
            inspect_request_again(policy, body, saturated, recall.as_deref_mut())
        });
        shared.metrics.scanned(host, Direction::Request, &stopwatch);
        shared.metrics.texts(host, texts);
        let BodyInspection { edits, report, refusal } = inspected;
        self.watch = watch;
        self.found = report;
        match refusal {
            None => {
                // The headers are here until the request is handed on.
                let head = self.request.head().ok_or(HostError::BadArgument)?;
                edit_body(host, head, &edits, body.len()).map(|()| Next::Pass)
            }
            Some(Refusal::Malformed(error)) => {
                let mut reply = ErrorReply::from(&error);
                if self.endpoint.is_none() {
                    reply.message += UNKNOWN_PATH;
                }
                Ok(Next::Refuse(reply))
            }
            Some(Refusal::Policy) => {
                let rules = self.found.blocking();
                Ok(Next::Refuse(ErrorReply::content_policy_violation(&rules)))
            }
        }
    }

    /// Whether the policy was chosen by a route that the request has not gone by.
    pub(crate) fn left_its_route<H: Host>(&self, host: &H) -> bool {
        self.route.as_ref().is_some_and(|route| route.was_left(host))
    }

    /// Whether a failure of the filter itself lets the exchange go on.
    pub(crate) fn survives_failure(&mut self) -> bool {
        !self.found.trouble(Trouble::Internal, &self.policy.policy)
    }
}
