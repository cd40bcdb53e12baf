//! Which limits of a policy a request is under, and whose slots are meant.

use weir_host::Host;
use weir_settings::token_limit::{
    Dimension, OnExceed, PolicyLimit, TokenLimitPolicy, Unidentified,
};
use weir_tokens::charge::Weights;
use weir_tokens::limits::{Ask, Limit, SlotKey};
use weir_wire::facts::Facts;

use crate::identity::Identity;
use crate::metrics::Decision;
use crate::reply::Refusal;
use crate::shared::Shared;

/// A limit that applies, and whose slot.
pub(crate) struct Applying<'p> {
    /// Its place in the policy.
    pub(crate) at: usize,
    pub(crate) policy: &'p PolicyLimit,
    pub(crate) limit: Limit,
    pub(crate) weights: Weights,
    pub(crate) key: SlotKey,
    /// Whether what exceeds it is refused.
    pub(crate) enforced: bool,
}

impl Applying<'_> {
    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask {
            limit: &self.limit,
            weights: &self.weights,
            reserve: &self.policy.reserve,
            key: self.key,
            enforced: self.enforced,
        }
    }
}

/// The limits that apply.
pub(crate) fn applying<'p, H: Host>(
    host: &H,
    shared: &Shared,
    policy: &'p TokenLimitPolicy,
    (facts, identity): (&Facts, &Identity<'_, H>),
    saturated: bool,
) -> Result<Vec<Applying<'p>>, Box<Refusal>> {
    let mut applying = Vec::with_capacity(policy.limits.len());
    let limits = policy.limits.iter().enumerate();
    let mut whose: Option<Whose<'_>> = None;
    for (at, limit) in limits.filter(|(_, limit)| limit.applies_to(&facts.model)) {
        // Most limits go by the same values as the one before.
        let of = match &mut whose {
            Some(whose) if whose.per == limit.per => whose,
            other => other.insert(Whose::new(&limit.per, identity)),
        };
        if of.values.iter().any(Option::is_none) {
            shared.note_unidentified(host, &limit.name);
            match limit.unidentified {
                Unidentified::Share => {}
                Unidentified::Exempt => continue,
                Unidentified::Reject => {
                    shared.metrics.decided(host, &shared.busy, limit, Decision::Rejected);
                    return Err(Box::new(Refusal::unidentified(limit)));
                }
            }
        }
        let (stands, key) = of.stands(host, shared, limit.limit);
        let burst = if saturated { policy.saturated.burst_permille } else { 1_000 };
        applying.push(Applying {
            at,
            policy: limit,
            limit: if burst < 1_000 { stands.with_burst_permille(burst) } else { stands },
            weights: limit.weights(&facts.model),
            key,
            enforced: match limit.on_exceed {
                OnExceed::Reject => true,
                // Once downgraded, a request is not downgraded again.
                OnExceed::Downgrade(_) => true,
                OnExceed::Shadow => false,
                OnExceed::Deprioritise => saturated,
            },
        });
    }
    Ok(applying)
}

/// What says whose slots are meant.
struct Whose<'p> {
    per: &'p [Dimension],
    values: Vec<Option<Vec<u8>>>,
    /// The digest of the values, where a limit of this Envoy has asked for it.
    key: Option<SlotKey>,
}

impl<'p> Whose<'p> {
    fn new<H: Host>(per: &'p [Dimension], identity: &Identity<'_, H>) -> Self {
        let values = per.iter().map(|dimension| identity.value(dimension)).collect();
        Self { per, values, key: None }
    }

    /// A limit as it stands now, and whose slot it is.
    fn stands<H: Host>(&mut self, host: &H, shared: &Shared, limit: Limit) -> (Limit, SlotKey) {
        let values = self.values.iter().map(Option::as_deref);
        let own = &shared.digester;
        if limit.fleet().is_none() {
            let key = *self.key.get_or_insert_with(|| own.values_key(values));
            return (limit, key.of_limit(limit.id()));
        }
        let (stands, key, reachable) = shared.fleet.borrow_mut().stands(host, own, limit, values);
        if !reachable {
            shared.note_alone(host);
        }
        (stands, key)
    }
}
