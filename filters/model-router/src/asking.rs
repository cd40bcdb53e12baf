//! Asks all who have a say in where a request goes: its policy, the splits, and whoever limits what is spent.

use std::cell::RefCell;
use std::rc::Rc;

use weir_host::Host;
use weir_request::{Applicant, Consumer, Meter, RequestHead, Route, Verdict};
use weir_settings::model_router::{RouterPolicy, Split, Thresholds};
use weir_wire::edit;
use weir_wire::error::ErrorReply;
use weir_wire::path::Endpoint;
use weir_wire::request::RequestFacts;

use crate::choice::Asked;
use crate::decision::{self, Decision, Refused};
use crate::effects;
use crate::shared::Shared;
use crate::split::{self, Drawn};

/// What is to be done with a request, and who counts what its response uses.
pub(crate) type Decided = (Decision, Option<Rc<Meter>>);

/// What the headers said.
pub(crate) struct Request {
    pub(crate) endpoint: Endpoint,
    pub(crate) head: RequestHead,
    pub(crate) route: Route,
    pub(crate) policy: Rc<RouterPolicy>,
}

/// Who asks for one stream.
pub(crate) struct Asking<'a, H: Host> {
    pub(crate) host: &'a H,
    /// The stream's context.
    pub(crate) context_id: u32,
    pub(crate) shared: &'a Shared,
}

/// Who asks, where that matters.
pub(crate) fn consumer<H: Host>(
    host: &H,
    shared: &Shared,
    policy: &RouterPolicy,
    head: &RequestHead,
) -> Option<Consumer> {
    if !policy.asks_consumer() {
        return None;
    }
    let consumer = Consumer::of(host, Some(head), &shared.trust);
    if consumer.is_none() {
        shared.note_nobody(host);
    }
    consumer
}

impl<H: Host> Asking<'_, H> {
    /// Decides about a request, and asks whoever limits before anything is edited; nothing is decided if that has
    /// answered it. Also tells the share that the request has got of a model that is split.
    ///
    /// # Errors
    /// See [`decision::decide`].
    pub(crate) fn decide(
        &self,
        request: &Request,
        body: &RequestFacts,
    ) -> Result<(Option<Decided>, Option<Drawn>), Refused> {
        let Request { endpoint, head, policy, .. } = request;
        let consumer = consumer(self.host, self.shared, policy, head);
        let consumer = consumer.as_ref().map(Consumer::name);
        let last = RefCell::new(None);
        let share = |model: &str, split: &Split| {
            let key = split::key(self.host, split.by, head, consumer, body, self.context_id);
            let (place, drawn) = self.shared.splits.draw(self.host, model, split, key);
            last.replace(Some(drawn));
            place
        };
        let saturated = |pool: &str, marks: Thresholds| {
            self.shared.degradation.is_saturated(self.host, pool, marks)
        };
        let choose = |instead: Option<&str>| {
            last.replace(None);
            let asked =
                Asked { model: None, consumer, instead, share: &share, saturated: &saturated };
            decision::decide(policy, endpoint, head.path(), asked, body)
        };
        let decided = self.admit(request, body, choose)?;
        // A share in whose place something else serves neither serves nor fails.
        let of_share = decided.as_ref().is_some_and(|(decision, _)| decision.of_share);
        let share = last.take().filter(|_| of_share);
        Ok((decided, share))
    }

    /// Asks whoever limits about what was chosen, and once more about the model that it gives instead.
    fn admit(
        &self,
        request: &Request,
        body: &RequestFacts,
        choose: impl Fn(Option<&str>) -> Result<Decision, Refused>,
    ) -> Result<Option<Decided>, Refused> {
        let Request { head, route, policy, .. } = request;
        let mut decision = choose(None)?;
        let Some(limits) = &self.shared.limits else { return Ok(Some((decision, None))) };
        let usage = if policy.request_usage { None } else { edit::request_usage(body) };
        for downgraded in [false, true] {
            let applicant = Applicant {
                context_id: self.context_id,
                facts: &decision.facts,
                head,
                route,
                can_ask_usage: usage.is_some(),
                downgraded,
            };
            match limits.admit(&applicant) {
                Verdict::Refused => {
                    // For access logs only: it is answered already.
                    let _ = effects::leave(self.host, &decision, self.shared.state_keys);
                    return Ok(None);
                }
                Verdict::Go { asks_usage, meter } => {
                    decision.edits.extend(usage.filter(|_| asks_usage));
                    return Ok(Some((decision, meter)));
                }
                // A model that this consumer cannot have is none: the limit refuses then.
                Verdict::Downgrade(model) => decision = choose(Some(&model)).unwrap_or(decision),
            }
        }
        Err(ErrorReply::misconfigured().into())
    }
}
