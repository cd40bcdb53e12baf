//! Who served a request, and whether: from what `attempt` saw where a cluster has it, else from what Envoy can be
//! asked where it is worth the price.
//!
//! | without `attempt` | how it is known |
//! |---|---|
//! | the request was served | its body begins like an answer |
//! | it was not, or that is unsure | Envoy is asked for the status when it has ended |
//! | a retry served it | Envoy is asked for the replica's address, of one response in 5 ms, of all in the second after a retry was seen, of all that were placed on a replica which has failed, and of those that were placed 250 ms or more before one which was answered already; those before it on the list have failed |
//! | the replica broke it off | Envoy is asked why a response ended without its end |
//! | the replica never answered | a stream has waited for 10 s longer than its prefill should take when its client leaves |

use std::rc::Rc;

use weir_host::{Host, upstream};
use weir_placement::{Dispatch, replica_key};

use crate::attempts::{AnsweredAttempt, tell};
use crate::outstanding::Event;
use crate::placed::Placed;
use crate::shared::Shared;
use crate::verdict::Verdict;
use crate::whereabouts::{self, Whereabouts};

/// A client that leaves a stream which has waited so much longer than expected for its first token leaves
/// because of the replica: 10 s in ns.
const IN_VAIN_NS: u64 = 10_000_000_000;

/// What Envoy says of a response of its own where the cluster had no host (`%RESPONSE_CODE_DETAILS%`).
const NO_HOST: &[u8] = b"no_healthy_upstream";

/// The response headers have come: follows the request to the replica that sent them. Answers with what their
/// status says, if it is known.
pub(crate) fn at_headers<H: Host>(
    host: &H,
    shared: &Shared,
    placed: &mut Placed,
) -> Option<Verdict> {
    let seen = shared.read_attempts(host, &mut shared.pools.borrow_mut());
    if let Some(shadow) = placed.shadow.take() {
        if let Some(address) = upstream::address(host) {
            shadow.compare(host, shared, placed, &address);
            let replica = replica_key(&address);
            if replica != placed.dispatch.replica {
                move_to(host, shared, placed, replica, false);
            }
        }
        return None;
    }
    // A filter in between may have held these headers until another attempt was answered.
    let Some(seen) = seen.filter(|seen| placed.listed.place(seen.replica).is_some()) else {
        follow_retry(host, shared, placed);
        return None;
    };
    let AnsweredAttempt { address, replica, status } = seen;
    if let Some((pool, _)) = shared.pools.borrow_mut().get(placed.pool) {
        pool.metrics.asked(host, &shared.tick);
    }
    if replica != placed.dispatch.replica {
        let retried = is_retry(host, shared, placed, replica, &address);
        move_to(host, shared, placed, replica, retried);
    }
    Some(Verdict::of_status(status))
}

/// The request may have ended at another endpoint than the first of its list: count and learn there.
fn follow_retry<H: Host>(host: &H, shared: &Shared, placed: &mut Placed) {
    {
        let mut pools = shared.pools.borrow_mut();
        if !pools.asks(placed.pool, placed.dispatch.replica, placed.at_ns) {
            return;
        }
        if let Some((pool, _)) = pools.get(placed.pool) {
            pool.metrics.asked(host, &shared.tick);
        }
    }
    let Some(address) = upstream::address(host) else { return };
    let replica = replica_key(&address);
    if replica != placed.dispatch.replica {
        let retried = is_retry(host, shared, placed, replica, &address);
        move_to(host, shared, placed, replica, retried);
    }
}

/// The request went to another replica than to the first of its list; `retried`: because those before it failed.
#[cold]
fn move_to<H: Host>(host: &H, shared: &Shared, placed: &mut Placed, replica: u64, retried: bool) {
    let before = placed.dispatch;
    placed.dispatch = before.moved_to(replica);
    let (to, at_ns) = (placed.dispatch, placed.at_ns);
    shared.note(host, placed.pool, Event::Moved { from: before, to, at_ns });
    let mut pools = shared.pools.borrow_mut();
    pools.moved(placed.pool, placed.at_ns);
    let Some((pool, prefixes)) = pools.get(placed.pool) else { return };
    if retried && !pool.sees_attempts {
        for failed in placed.listed.keys().take_while(|key| *key != replica) {
            tell(host, pool, failed, Verdict::Failed);
        }
    }
    let request = placed.prompt.request();
    if let Some(expectation) = placed.expectation.take() {
        prefixes.take_back(&request, &expectation);
    }
    let id = pool.view.as_ref().and_then(|view| view.id(view.position_of(replica)?));
    placed.expectation = id.map(|id| prefixes.learn(&request, id));
}

/// Whether a retry took the request there. Says so where Envoy did not go by the header, which no figure would show.
fn is_retry<H: Host>(
    host: &H,
    shared: &Shared,
    placed: &Placed,
    replica: u64,
    address: &[u8],
) -> bool {
    let attempts = upstream::attempt_number(host).map(u64::from);
    let mut pools = shared.pools.borrow_mut();
    let Some((pool, _)) = pools.get(placed.pool) else { return false };
    let (place, listed) = (placed.listed.place(replica), placed.listed.keys().count());
    match whereabouts::judge(listed, place, pool.has(replica), attempts) {
        Whereabouts::Retried => true,
        Whereabouts::Misdirected(why) => {
            let view = pool.view.as_ref().map(Rc::clone);
            let best = placed.listed.keys().next();
            let picked = view.as_ref().and_then(|view| view.address(view.position_of(best?)?));
            let where_to = (picked.unwrap_or_default(), address);
            pool.metrics.tell_misdirected(host, pool.source.name(), where_to, why);
            false
        }
    }
}

/// The request is known to have been served, by its first bytes.
pub(crate) fn served<H: Host>(host: &H, shared: &Shared, placed: &Placed) {
    note_verdict(host, shared, placed, placed.dispatch, Verdict::Served);
}

/// The response has ended, complete or not. Answers with what became of the request; `None` if nobody knows.
pub(crate) fn at_end<H: Host>(host: &H, shared: &Shared, placed: &Placed) -> Option<Verdict> {
    let sees_attempts = {
        let mut pools = shared.pools.borrow_mut();
        shared.read_attempts(host, &mut pools);
        pools.get(placed.pool).is_some_and(|(pool, _)| pool.sees_attempts)
    };
    let Some(response) = &placed.response else {
        if !sees_attempts && waited_in_vain(host, placed) {
            note_verdict(host, shared, placed, placed.dispatch, Verdict::Failed);
        }
        return None;
    };
    match response.verdict {
        Some(verdict) if response.complete || verdict != Verdict::Served => Some(verdict),
        // The client may have left; what the replica has computed is in its cache then.
        Some(_) if upstream::broke_off(&upstream::code_details(host)) => {
            note_verdict(host, shared, placed, placed.dispatch, Verdict::Failed);
            Some(Verdict::Failed)
        }
        Some(_) => Some(Verdict::Served),
        None => judge_by_status(host, shared, placed),
    }
}

/// The body did not begin like an answer, or there was none.
#[cold]
fn judge_by_status<H: Host>(host: &H, shared: &Shared, placed: &Placed) -> Option<Verdict> {
    let verdict = Verdict::of_status(status(host)?);
    // Envoy's own answers, to a request that it sent nowhere, are nobody's.
    let Some(address) = upstream::address(host) else {
        if upstream::code_details(host) == NO_HOST {
            let mut pools = shared.pools.borrow_mut();
            let (pool, _) = pools.get(placed.pool)?;
            pool.metrics.tell_hostless(host, pool.source.name());
        }
        return None;
    };
    let replica = replica_key(&address);
    let place = placed.listed.place(replica);
    let followed = placed.dispatch.replica == replica;
    let before = placed.listed.keys().take(place.filter(|_| !followed).unwrap_or(0));
    for failed in before {
        let at = placed.dispatch.moved_to(failed);
        note_verdict(host, shared, placed, at, Verdict::Failed);
    }
    note_verdict(host, shared, placed, placed.dispatch.moved_to(replica), verdict);
    Some(verdict)
}

/// Notes what became of a request at a replica, unless `attempt` has told already.
fn note_verdict<H: Host>(
    host: &H,
    shared: &Shared,
    placed: &Placed,
    at: Dispatch,
    verdict: Verdict,
) {
    let mut pools = shared.pools.borrow_mut();
    let Some((pool, _)) = pools.get(placed.pool) else { return };
    let inferred = !pool.sees_attempts && pool.has(at.replica);
    if inferred && tell(host, pool, at.replica, verdict) && pools.wait() {
        shared.tick(host);
    }
}

/// Whether a stream has waited for its first token for so long that its client has left because of that.
fn waited_in_vain<H: Host>(host: &H, placed: &Placed) -> bool {
    let expected_ns = u64::from(placed.dispatch.prefill_us).saturating_mul(1000);
    let patience_ns = expected_ns.saturating_add(IN_VAIN_NS);
    placed.streamed && host.now_ns().saturating_sub(placed.at_ns) > patience_ns
}

/// `%RESPONSE_CODE%`.
fn status<H: Host>(host: &H) -> Option<u16> {
    let code = host.property(&["response", "code"]).ok().flatten()?;
    u16::try_from(u64::from_le_bytes(code.try_into().ok()?)).ok()
}
