//! A request that was let go, until what it took is settled.

use std::rc::Rc;

use weir_request::Meter;
use weir_settings::token_limit::{PolicyLimit, TokenLimitPolicy};
use weir_tokens::charge::Weights;
use weir_tokens::headers::Named;
use weir_tokens::limits::{Reservation, Standing};
use weir_wire::response::ResponseMeter;

/// A request that was let go.
pub(crate) struct Admission {
    pub(crate) policy: Rc<TokenLimitPolicy>,
    /// The limits that apply, by their places in the policy, and how the request's keys stand with them.
    pub(crate) standings: Vec<(usize, Standing)>,
    pub(crate) reservation: Reservation,
    pub(crate) meter: Rc<Meter>,
    pub(crate) estimate: Estimate,
    /// Who asks, where that may be said.
    pub(crate) shown: Option<String>,
    /// The model by the name that replicas are sent, and what its tokens cost.
    pub(crate) priced: (String, Weights),
    /// Whether the replica was asked for the usage of the stream, and the client was not to see it.
    pub(crate) hides_usage: bool,
}

/// What was expected of a request.
#[derive(Clone, Copy)]
pub(crate) struct Estimate {
    /// Stands for the model that replicas are sent.
    pub(crate) model: u64,
    /// Tokens of the prompt before correction.
    pub(crate) plain: u32,
    /// The same as corrected.
    pub(crate) prompt: u64,
    /// Whether it is of text alone, so that it can be learned from.
    pub(crate) learns: bool,
    /// Whether there is to be a completion.
    pub(crate) completes: bool,
}

impl Admission {
    /// The limits that apply.
    pub(crate) fn limits(&self) -> impl Iterator<Item = &PolicyLimit> {
        limits(&self.policy, &self.standings).map(|(limit, _)| limit)
    }

    /// Whether anything hangs on tokens.
    pub(crate) fn by_tokens(&self) -> bool {
        self.limits().any(|limit| limit.limit.measure().by_tokens())
    }

    /// Tokens of the completion that were seen.
    pub(crate) fn seen(&self) -> u64 {
        if self.estimate.completes { self.meter.look(ResponseMeter::seen) } else { 0 }
    }
}

/// The limits of a policy that apply, and how the keys stand.
pub(crate) fn limits<'a>(
    policy: &'a TokenLimitPolicy,
    standings: &'a [(usize, Standing)],
) -> impl Iterator<Item = (&'a PolicyLimit, &'a Standing)> {
    standings.iter().filter_map(|(at, standing)| Some((policy.limits.get(*at)?, standing)))
}

/// The same by name.
pub(crate) fn named<'a>(
    policy: &'a TokenLimitPolicy,
    standings: &'a [(usize, Standing)],
) -> Vec<Named<'a>> {
    let limits = limits(policy, standings);
    limits.map(|(limit, standing)| Named { name: &limit.name, standing }).collect()
}
