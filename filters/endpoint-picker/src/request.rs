//! The request's way: facts and view in, ordered endpoints out.

use std::rc::Rc;

use weir_fingerprint::text_hash;
use weir_host::{HeaderMap, Host, HostError};
use weir_placement::{
    Basis, Dispatch, ExpectedTtft, FreshnessLimits, PickRequest, Policy, PoolState, TtftModel,
};
use weir_request::{RequestHead, StateKey};
use weir_settings::endpoint_picker::PickerPolicy;
use weir_wire::facts::{Destination, Facts};
use weir_wire::path::Endpoint;
use weir_wire::request::RequestFacts;

use crate::failover;
use crate::load_report;
use crate::placed::{Listed, Placed, Prompt};
use crate::pool::Share;
use crate::pools::{PoolId, Pools};
use crate::shadow::Shadow;
use crate::shared::Shared;

/// The ordered endpoints, for Envoy's `override_host` policy.
const DESTINATION: &str = "x-gateway-destination-endpoint";
/// The only endpoints that the request may go to.
const SUBSET: &str = "x-gateway-destination-endpoint-subset";
/// The client's own name of a conversation.
const SESSION: &str = "x-session-id";

/// Filter state with the endpoint that was chosen, for access logs.
const ENDPOINT: &str = "weir.endpoint";

/// Removes what a client may not say.
pub(crate) fn leave_to_envoy<H: Host>(host: &H) -> Result<(), HostError> {
    host.remove_header(HeaderMap::Request, DESTINATION)
}

/// Places a request: sets the header and counts it, or leaves it to Envoy. `head` is what its
/// headers were, if that is known. Takes out of the facts what it keeps.
///
/// # Errors
/// The header could not be set or removed; then a client's own might be in force.
pub(crate) fn place<H: Host>(
    host: &H,
    shared: &Shared,
    policy: &PickerPolicy,
    facts: &mut Facts,
    head: Option<&RequestHead>,
) -> Result<Option<Box<Placed>>, HostError> {
    if let Some(failover) = policy.failover {
        failover::announce(host, failover, facts)?;
    }
    let mut pools = shared.pools.borrow_mut();
    let Some(mut placed) = choose(host, shared, &mut pools, policy, facts, head) else {
        pools.not_placed(host, policy.pool.as_deref().unwrap_or(&facts.pool));
        // In shadow the header is another picker's.
        if !policy.shadow {
            leave_to_envoy(host)?;
        }
        return Ok(None);
    };
    let header = &pools.header;
    if !policy.shadow {
        host.set_header(HeaderMap::Request, DESTINATION, header)?;
    }
    placed.report = load_report::ask(host, policy, head)?;
    if shared.state_keys.has(StateKey::Endpoint) {
        let first = header.split(|&byte| byte == b',').next().unwrap_or_default();
        // For access logs only; a request does not fail for it.
        let _ = host.set_state(ENDPOINT, first);
    }
    Ok(Some(placed))
}

/// Chooses, counts, and writes the header's value.
fn choose<H: Host>(
    host: &H,
    shared: &Shared,
    pools: &mut Pools,
    policy: &PickerPolicy,
    facts: &mut Facts,
    head: Option<&RequestHead>,
) -> Option<Box<Placed>> {
    let now_ns = host.now_ns();
    let pool_name = policy.pool.as_deref().unwrap_or(&facts.pool);
    let (id, share) = catch_up(host, shared, pools, pool_name, now_ns)?;
    let (pool, prefixes) = pools.get(id)?;
    let view = Rc::clone(pool.view.as_ref()?);
    let wishes = Wishes::read(host, head, policy, facts);
    let output_tokens = expected_output(facts);
    let prompt = Prompt::take(facts);
    let request = wishes.apply(prompt.request());
    let state = PoolState { view: &view, prefixes, outstanding: &pool.counts, now_ns };
    let pick = rule(policy).pick(&request, &state).ok()?;
    let dispatch = Dispatch::of(&pick, &view, output_tokens, facts.stream)?;
    let expectation = view.id(pick.best()).map(|replica| prefixes.learn(&request, replica));
    pool.metrics.picked(host, &shared.tick, pick.basis);
    if pick.basis == Basis::Affinity {
        let name = policy.pool.as_deref().unwrap_or(&facts.pool);
        pool.metrics.tell_silent(host, name, view.stamp().age_ns(now_ns));
    }
    if pool.dispatch(host, share, &dispatch, now_ns) && pools.wait() {
        shared.tick(host);
    }
    if pick.matched_tokens > 0 {
        shared.count(host, &shared.metrics.matched_tokens, pick.matched_tokens);
    }
    let endpoints = usize::from(policy.alternates).saturating_add(1);
    pick.write_header(&view, endpoints, &mut pools.header);
    let ids = pick.order.iter().take(endpoints).filter_map(|index| view.id(index));
    Some(Box::new(Placed {
        pool: id,
        listed: Listed::new(ids.map(|id| id.key())),
        dispatch,
        expectation,
        prompt,
        streamed: facts.stream,
        at_ns: now_ns,
        meter: None,
        failover: policy.failover.map(|_| facts.dialect),
        answered: false,
        response: None,
        report: None,
        told: false,
        shadow: policy.shadow.then(|| Box::new(Shadow::new(&pick, rule(policy)))),
    }))
}

/// Takes in what the sidecar and other workers have said of the pool; `None` if nothing is known of it.
fn catch_up<H: Host>(
    host: &H,
    shared: &Shared,
    pools: &mut Pools,
    name: &str,
    now_ns: u64,
) -> Option<(PoolId, Share)> {
    let id = pools.current(host, name, now_ns)?;
    shared.read_attempts(host, pools);
    let worker = pools.worker;
    let (pool, _) = pools.get(id)?;
    let measured = Rc::clone(pool.view.as_ref()?);
    let share = pool.count(host, &measured, worker, now_ns);
    drop(measured);
    if let Share::Due { look: true, .. } = share {
        pools.take_over(host, id);
    }
    let (pool, prefixes) = pools.get(id)?;
    prefixes.advance(now_ns);
    pool.merge_reports();
    Some((id, share))
}

/// What a request's headers say of where it should go.
struct Wishes {
    /// Stands for the conversation.
    conversation: u64,
    /// The only endpoints that it may go to.
    subset: Option<Vec<u8>>,
}

impl Wishes {
    fn read<H: Host>(
        host: &H,
        head: Option<&RequestHead>,
        policy: &PickerPolicy,
        facts: &Facts,
    ) -> Self {
        // Headers that were read as a whole tell for nothing that there is no such header.
        let absent = |name| head.is_some_and(|head| head.header(name).is_none());
        let header = |name| match absent(name) {
            true => None,
            false => host.header(HeaderMap::Request, name).ok().flatten(),
        };
        let session = facts.session.unwrap_or(facts.conversation);
        Self {
            conversation: header(SESSION).map_or(session, |id| text_hash(&id)),
            subset: if policy.accept_subset { header(SUBSET) } else { None },
        }
    }

    fn apply<'r>(&'r self, request: PickRequest<'r>) -> PickRequest<'r> {
        let subset = self.subset.as_deref();
        PickRequest { conversation: Some(self.conversation), subset, ..request }
    }
}

/// Tokens that the answer is expected to have: as many as the client allows, 256 at most. Most clients allow more
/// than they get, and many say nothing.
fn expected_output(facts: &Facts) -> u32 {
    const MOST: u32 = 256;
    facts.max_tokens.and_then(|most| u32::try_from(most).ok()).unwrap_or(MOST).min(MOST)
}

/// The rule that a policy's settings stand for.
fn rule(policy: &PickerPolicy) -> ExpectedTtft {
    let rate = u64::from(policy.prefill_tokens_per_second.max(1));
    ExpectedTtft {
        model: TtftModel { prefill_ns_per_token: 1_000_000_000 / rate, ..TtftModel::default() },
        limits: FreshnessLimits { fresh_ms: u64::from(policy.fresh_ms) },
    }
}

/// The facts of a request that no filter before this one has named a destination for.
pub(crate) fn facts_of(
    endpoint: &Endpoint,
    path: &[u8],
    request: &RequestFacts,
    policy: &PickerPolicy,
) -> Facts {
    let in_path = endpoint.model(path).ok().flatten();
    let in_body = request.model.as_ref().map(|field| field.name.as_str());
    let model = in_path.as_deref().or(in_body).unwrap_or_default();
    let pool = policy.pool.as_deref().unwrap_or_default();
    Facts::new(endpoint, request, Destination { model, upstream_model: model, pool, adapter: None })
}
