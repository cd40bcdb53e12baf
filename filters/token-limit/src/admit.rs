//! Whether a request may go on.

use std::rc::Rc;

use weir_fingerprint::text_hash;
use weir_host::{HeaderMap, Host};
use weir_request::{Applicant, Meter};
use weir_settings::token_limit::{OnExceed, PolicyLimit, TokenLimitPolicy};
use weir_tokens::charge::{Demand, Used, Weights};
use weir_tokens::limits::{self as ledger, Ledger, Standing, Wait};
use weir_wire::facts::Facts;
use weir_wire::path::Operation;

use crate::admission::{Admission, Estimate, named};
use crate::applying::{Applying, applying};
use crate::identity::Identity;
use crate::metrics::Decision;
use crate::reply::{self, Refusal};
use crate::shared::{ROOT_ID, Shared};
use crate::slots::SharedSlots;

const NS_PER_MS: u64 = 1_000_000;

/// The headers in which something before Weir says how urgent a request is.
const OBJECTIVES: [&str; 2] = ["x-gateway-inference-objective", "x-llm-d-inference-objective"];

/// What becomes of a request.
pub(crate) enum Decided {
    /// It goes on; `None` where no limit applies.
    Go(Option<Box<Admission>>),
    /// It may ask again with another model.
    Downgrade(String),
    /// It is refused.
    Refused(Refusal),
}

/// Decides about a request, and reserves what it asks for.
pub(crate) fn decide<H: Host>(host: &H, shared: &Shared, applicant: &Applicant<'_>) -> Decided {
    let facts = applicant.facts;
    let model = facts.policy_of(ROOT_ID);
    let policy = match applicant.route.policy(host, &shared.settings.policies, model) {
        Ok(policy) => policy,
        Err(unknown) => {
            shared.metrics.misconfigured.increment(host);
            shared.trouble(host, &unknown);
            return Decided::Refused(Refusal::misconfigured());
        }
    };
    let saturated = is_saturated(host, shared, &policy, facts);
    if saturated && is_shed(shared, &policy, applicant) {
        shared.metrics.shed.increment(host);
        return Decided::Refused(Refusal::shed());
    }
    let identity = Identity::new(host, &shared.settings.trust, applicant.facts, applicant.head);
    let applying = match applying(host, shared, &policy, (applicant.facts, &identity), saturated) {
        Ok(applying) if applying.is_empty() => return Decided::Go(None),
        Ok(applying) => applying,
        Err(refusal) => return Decided::Refused(*refusal),
    };
    let shown = policy.show_consumers.then(|| identity.consumer()).flatten();
    let shown = shown.map(|consumer| consumer.name().to_owned());
    reserve(host, shared, &policy, (applicant, shown), &applying)
}

/// Whether the pool is saturated, where anything hangs on that.
fn is_saturated<H: Host>(
    host: &H,
    shared: &Shared,
    policy: &TokenLimitPolicy,
    facts: &Facts,
) -> bool {
    let waits = |limit: &PolicyLimit| limit.on_exceed == OnExceed::Deprioritise;
    let matters = policy.saturated.matters() || policy.limits.iter().any(waits);
    matters && shared.saturation.borrow_mut().of(host, &facts.pool)
}

/// Whether the request is one of those that go first. Only what something before Weir says counts.
fn is_shed(shared: &Shared, policy: &TokenLimitPolicy, applicant: &Applicant<'_>) -> bool {
    if !shared.settings.trust.objective {
        return false;
    }
    let objective = OBJECTIVES.iter().find_map(|name| applicant.head.header(name));
    let shed = |named: &[u8]| policy.saturated.shed.iter().any(|shed| shed.as_bytes() == named);
    objective.is_some_and(shed)
}

/// Counts for each limit that a request was admitted, also where it exceeds those that refuse nothing.
fn note_admitted<H: Host>(
    host: &H,
    shared: &Shared,
    applying: &[Applying<'_>],
    exceeded: &[usize],
) {
    for (at, one) in applying.iter().enumerate() {
        let decision = match (exceeded.contains(&at), &one.policy.on_exceed) {
            (false, _) => Decision::Admitted,
            (true, OnExceed::Deprioritise) => Decision::Deprioritised,
            (true, _) => Decision::Shadowed,
        };
        shared.metrics.decided(host, &shared.busy, one.policy, decision);
    }
}

fn reserve<H: Host>(
    host: &H,
    shared: &Shared,
    policy: &Rc<TokenLimitPolicy>,
    (applicant, shown): (&Applicant<'_>, Option<String>),
    applying: &[Applying<'_>],
) -> Decided {
    let estimate = estimate(shared, applicant.facts);
    let demand = demand(applicant.facts, &estimate);
    let asks: Vec<_> = applying.iter().map(Applying::ask).collect();
    let mut slots = SharedSlots(host);
    let mut ledger = Ledger::new(&mut slots, host.now_ns() / NS_PER_MS);
    let outcome = ledger.reserve(&demand, &asks);
    let notes = ledger.notes();
    shared.note(host, notes);
    match outcome {
        ledger::Outcome::Admitted(admitted) => {
            note_admitted(host, shared, applying, &admitted.exceeded);
            let admission = Admission {
                policy: Rc::clone(policy),
                standings: places(applying, admitted.standings),
                reservation: admitted.reservation,
                meter: Rc::new(Meter::default()),
                estimate,
                shown,
                priced: priced(policy, applicant.facts),
                hides_usage: applicant.can_ask_usage,
            };
            Decided::Go(Some(Box::new(readable(host, applicant, admission))))
        }
        ledger::Outcome::Refused(refused) => {
            shared.close(host, refused.leftover.clone(), Used::default());
            exceeded(host, shared, policy, applicant, applying, refused)
        }
        ledger::Outcome::Unknown { leftover } => {
            shared.close(host, leftover, Used::default());
            shared.metrics.unknown.increment(host);
            let what = "shared data was too busy, or failed: a request got a 503";
            shared.trouble(host, &what);
            Decided::Refused(Refusal::unknown())
        }
    }
}

/// The model that is sent, and what its tokens cost.
fn priced(policy: &TokenLimitPolicy, facts: &Facts) -> (String, Weights) {
    (facts.upstream_model.clone(), policy.prices(&facts.model))
}

/// Makes sure that the response can be read, and that usage is asked for only where it is needed.
fn readable<H: Host>(host: &H, applicant: &Applicant<'_>, mut admission: Admission) -> Admission {
    let reads = admission.by_tokens();
    admission.hides_usage &= reads;
    if reads && applicant.head.header("accept-encoding").is_some() {
        // If it stays, the worst is a compressed response, which is charged by what it was estimated at.
        let _ = host.remove_header(HeaderMap::Request, "accept-encoding");
    }
    admission
}

/// What becomes of a request that does not fit.
fn exceeded<H: Host>(
    host: &H,
    shared: &Shared,
    policy: &TokenLimitPolicy,
    applicant: &Applicant<'_>,
    applying: &[Applying<'_>],
    refused: ledger::Refusal,
) -> Decided {
    let refusing =
        || refused.refusing.iter().filter_map(|(at, wait)| Some((applying.get(*at)?, *wait)));
    // Another model helps only where every limit that refuses gives one.
    let model = refusing().map(|(one, _)| match &one.policy.on_exceed {
        OnExceed::Downgrade(model) if !applicant.downgraded => Some(model),
        _ => None,
    });
    let model = model.collect::<Option<Vec<_>>>().and_then(|models| models.into_iter().next());
    for (one, wait) in refusing() {
        let decision = match wait {
            _ if model.is_some() => Decision::Downgraded,
            Wait::Unreachable(_) => Decision::Unavailable,
            _ => Decision::Rejected,
        };
        shared.metrics.decided(host, &shared.busy, one.policy, decision);
    }
    if let Some(model) = model {
        return Decided::Downgrade(model.clone());
    }
    let Some(one) = applying.get(refused.ask) else { return Decided::Refused(Refusal::unknown()) };
    let standings = places(applying, refused.standings);
    let told = reply::standing(&named(policy, &standings), policy);
    Decided::Refused(Refusal::limited(one.policy, refused.wait, told))
}

/// Standings with the places of their limits in the policy.
fn places(applying: &[Applying<'_>], standings: Vec<Standing>) -> Vec<(usize, Standing)> {
    applying.iter().map(|one| one.at).zip(standings).collect()
}

fn estimate(shared: &Shared, facts: &Facts) -> Estimate {
    let model = text_hash(facts.upstream_model.as_bytes());
    let plain = match facts.operation {
        // Nothing is computed.
        Operation::CountTokens => 0,
        _ => facts.prompt_tokens,
    };
    let corrected = shared.corrections.borrow().of(model).apply(plain);
    Estimate {
        model,
        plain,
        prompt: corrected.into(),
        learns: facts.images == 0 && facts.audio == 0 && plain > 0,
        completes: completes(facts.operation),
    }
}

fn demand(facts: &Facts, estimate: &Estimate) -> Demand {
    let choices = if estimate.completes { facts.n.unwrap_or(1).max(1) } else { 0 };
    Demand { prompt: estimate.prompt, max_tokens: facts.max_tokens, choices }
}

/// Whether the operation makes a completion.
fn completes(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions
            | Operation::Completions
            | Operation::Responses
            | Operation::Messages
            | Operation::GenerateContent
            | Operation::Generate
    )
}
