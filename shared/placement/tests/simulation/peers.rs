//! How other gateways choose, as far as their rules are public, over the same knowledge.

use std::cell::RefCell;

use weir_placement::{
    LeastLoad, NoPick, OwnLoad, Pick, PickRequest, Policy, PoolState, RoundRobin,
};
use weir_snapshot::EndpointRecord;

/// A rule by name.
pub(crate) type Rule = (&'static str, fn() -> Box<dyn Policy>);

/// Every rule.
pub(crate) const ALL: [Rule; 7] = [
    ("round robin", || Box::new(RoundRobin::default())),
    ("least load", || Box::new(LeastLoad)),
    ("sglang", || Box::new(Greatest(RefCell::new(Box::new(sglang))))),
    ("llm-d blend", || Box::new(Greatest(RefCell::new(llm_d_blend())))),
    ("llm-d affinity", || Box::new(Greatest(RefCell::new(Box::new(llm_d_affinity))))),
    ("dynamo", || Box::new(Greatest(RefCell::new(Box::new(dynamo))))),
    ("production-stack", || Box::new(Greatest(RefCell::new(Box::new(production_stack))))),
];

/// What the rules look at, per endpoint.
struct Endpoint<'a> {
    record: &'a EndpointRecord,
    own: OwnLoad,
    matched: f64,
    prompt: f64,
}

impl Endpoint<'_> {
    fn ratio(&self) -> f64 {
        self.matched / self.prompt
    }

    fn in_flight(&self) -> f64 {
        f64::from(self.own.in_flight)
    }

    fn waiting(&self) -> f64 {
        f64::from(self.record.waiting.unwrap_or(0))
    }

    fn kv_use(&self) -> f64 {
        f64::from(self.record.kv_cache_use.unwrap_or(0.0))
    }
}

type Scores = Box<dyn FnMut(&[Endpoint<'_>]) -> Vec<f64>>;

/// The endpoint with the greatest score.
struct Greatest(RefCell<Scores>);

impl Policy for Greatest {
    fn pick(&self, request: &PickRequest<'_>, state: &PoolState<'_>) -> Result<Pick, NoPick> {
        let matches = state.prefixes.matches(request, state.view);
        let endpoints: Vec<Endpoint<'_>> = (state.view.replicas().zip(matches.as_slice()))
            .map(|(replica, matched)| Endpoint {
                record: replica.record,
                own: state.outstanding.load(replica.id.key()),
                matched: f64::from(*matched),
                prompt: f64::from(request.prompt_tokens),
            })
            .collect();
        let scores = (self.0.borrow_mut())(&endpoints);
        let best = (0..scores.len())
            .reduce(|best, next| if scores[next] > scores[best] { next } else { best });
        let best = best.ok_or(NoPick::Absent)?;
        // Only a policy of the crate can make a pick: let one choose from the winner alone.
        let winner = PickRequest { subset: state.view.address(best), ..*request };
        let mut pick = RoundRobin::default().pick(&winner, state)?;
        pick.matched_tokens = matches.tokens(best).min(request.prompt_tokens);
        pick.uncached_tokens = request.prompt_tokens - pick.matched_tokens;
        pick.prefill_us = pick.uncached_tokens * 200;
        Ok(pick)
    }
}

/// Shortest queue when the imbalance is large; else the best match, if it is any good; else the
/// most room.
fn sglang(endpoints: &[Endpoint<'_>]) -> Vec<f64> {
    let loads = || endpoints.iter().map(Endpoint::in_flight);
    let (least, most) = (loads().fold(f64::MAX, f64::min), loads().fold(0.0, f64::max));
    let best = endpoints.iter().map(Endpoint::ratio).fold(0.0, f64::max);
    if most - least > 64.0 && most > 1.5 * least {
        loads().map(|load| -load).collect()
    } else if best > 0.3 {
        endpoints.iter().map(Endpoint::ratio).collect()
    } else {
        endpoints
            .iter()
            .map(|endpoint| -endpoint.kv_use() - endpoint.in_flight() / 1000.0)
            .collect()
    }
}

/// Prefix 3, queue 2 (min-max scaled), KV cache 2, least recently used 2 where nothing matches.
fn llm_d_blend() -> Scores {
    let (mut turn, mut last_use) = (0.0, Vec::new());
    Box::new(move |endpoints| {
        turn += 1.0;
        last_use.resize(endpoints.len(), 0.0);
        let cold = endpoints.iter().all(|endpoint| endpoint.matched == 0.0);
        let queues = || endpoints.iter().map(Endpoint::waiting);
        let (least, most) = (queues().fold(f64::MAX, f64::min), queues().fold(0.0, f64::max));
        let queue =
            |waiting: f64| if most > least { (most - waiting) / (most - least) } else { 1.0 };
        let score = |(endpoint, last): (&Endpoint<'_>, &f64)| {
            let unused = if cold { 1.0 - last / turn } else { 0.0 };
            let room = 1.0 - endpoint.kv_use();
            3.0 * endpoint.ratio() + 2.0 * queue(endpoint.waiting()) + 2.0 * room + 2.0 * unused
        };
        let scores: Vec<f64> = endpoints.iter().zip(&last_use).map(score).collect();
        let best = (0..scores.len())
            .reduce(|best, next| if scores[next] > scores[best] { next } else { best });
        if let Some(best) = best.filter(|_| cold) {
            last_use[best] = turn;
        }
        scores
    })
}

/// Endpoints with 80 % of the prompt cached, then the least tokens in flight; cold ones when they
/// are 18 s faster.
fn llm_d_affinity(endpoints: &[Endpoint<'_>]) -> Vec<f64> {
    const TOKENS_PER_S: f64 = 15_928.0;
    let load = |endpoint: &Endpoint<'_>| f64::from(endpoint.own.prefill_tokens);
    let least = |warm: bool| {
        let side = endpoints.iter().filter(|endpoint| (endpoint.ratio() >= 0.8) == warm);
        side.map(load).fold(f64::MAX, f64::min)
    };
    let stick = least(true) < f64::MAX && (least(true) - least(false)) / TOKENS_PER_S <= 18.0;
    let score = |endpoint: &Endpoint<'_>| {
        if stick && endpoint.ratio() < 0.8 {
            f64::MIN
        } else {
            -load(endpoint) - endpoint.in_flight() / 1000.0
        }
    };
    endpoints.iter().map(score).collect()
}

/// The fewest blocks to compute and in use.
fn dynamo(endpoints: &[Endpoint<'_>]) -> Vec<f64> {
    let cost = |endpoint: &Endpoint<'_>| {
        let capacity = f64::from(endpoint.record.blocks.unwrap_or(0));
        let prefill =
            (endpoint.prompt - endpoint.matched + f64::from(endpoint.own.prefill_tokens)) / 64.0;
        -(prefill + endpoint.kv_use() * capacity)
    };
    endpoints.iter().map(cost).collect()
}

/// Matched share less relative load.
fn production_stack(endpoints: &[Endpoint<'_>]) -> Vec<f64> {
    let most = endpoints.iter().map(Endpoint::in_flight).fold(1.0, f64::max);
    endpoints.iter().map(|endpoint| endpoint.ratio() - endpoint.in_flight() / most).collect()
}
