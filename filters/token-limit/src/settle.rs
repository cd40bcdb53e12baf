//! What a request is charged in the end.

use weir_host::Host;
use weir_request::StateKey;
use weir_tokens::charge::Used;
use weir_tokens::limits::{Ledger, Reservation, Settlement};
use weir_tokens::spending::{Spender, Spent};
use weir_wire::response::{ResponseMeter, Usage};

use crate::admission::Admission;
use crate::shared::Shared;
use crate::slots::SharedSlots;

const NS_PER_MS: u64 = 1_000_000;

/// How soon a settlement is tried again, in ms.
const AGAIN_MS: u32 = 20;

/// Most settlements that wait. What does not find room expires, and is charged in full.
const MAX_UNSETTLED: usize = 1_024;

/// How a response came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No response has come, so that a replica may have read the prompt.
    None,
    /// An error, or nothing of a model: nothing was used.
    Failure,
    /// A success that came to its end.
    Complete,
    /// A success that was cut.
    Cut,
}

/// By what a charge goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    Usage,
    Sight,
    Nothing,
}

impl Shared {
    /// Settles a request that was let go.
    pub(crate) fn settle<H: Host>(&self, host: &H, admission: Admission, outcome: Outcome) {
        let usage = admission.meter.look(ResponseMeter::usage);
        let (used, basis) = used(&admission, usage, outcome);
        if admission.by_tokens() {
            self.count(host, &admission, &used, basis);
            if basis != Basis::Nothing {
                self.learn(&admission, usage);
            }
            // Of a stream that is cut it comes too late for access logs, but in time for a filter after this one that
            // goes by it when the stream is done, such as `ratelimit`.
            if basis != Basis::Nothing {
                self.leave(host, &used);
            }
        }
        self.close(host, admission.reservation, used);
    }

    fn count<H: Host>(&self, host: &H, admission: &Admission, used: &Used, basis: Basis) {
        let metric = match basis {
            Basis::Usage => &self.metrics.by_usage,
            Basis::Sight => &self.metrics.by_sight,
            Basis::Nothing => &self.metrics.nothing,
        };
        metric.add_by_tick(host, &self.busy, 1);
        for limit in admission.limits().filter(|limit| limit.limit.measure().by_tokens()) {
            self.metrics.used(host, &self.busy, limit, used);
        }
        if basis == Basis::Nothing {
            return;
        }
        if let Some(consumer) = &admission.shown {
            self.metrics.consumed(host, &self.busy, consumer, used);
        }
        let (model, prices) = &admission.priced;
        let consumer = admission.shown.clone().unwrap_or_default();
        let spender = Spender { consumer, model: model.clone() };
        self.spending.borrow_mut().add(host, spender, &Spent::of(used, prices));
    }

    /// Gives back what a request was let go for that did not go on.
    pub(crate) fn give_back<H: Host>(&self, host: &H, admission: Admission) {
        self.settle(host, admission, Outcome::Failure);
    }

    /// Writes what a reservation came to, at once or with a tick.
    pub(crate) fn close<H: Host>(&self, host: &H, reservation: Reservation, used: Used) {
        if reservation.is_empty() {
            return;
        }
        let mut slots = SharedSlots(host);
        let mut ledger = Ledger::new(&mut slots, host.now_ns() / NS_PER_MS);
        let settlement = ledger.settle(reservation, &used);
        self.note(host, ledger.notes());
        let Settlement::Pending(rest) = settlement else { return };
        let mut unsettled = self.unsettled.borrow_mut();
        if unsettled.waiting.len() >= MAX_UNSETTLED {
            self.metrics.unsettled.increment(host);
            self.trouble(
                host,
                &"shared data takes no settlements: reservations expire and are charged in full",
            );
            return;
        }
        unsettled.waiting.push((rest, used));
        unsettled.tick.every(host, AGAIN_MS);
    }

    /// Tries again what could not be written.
    pub(crate) fn settle_again<H: Host>(&self, host: &H) {
        let waiting = std::mem::take(&mut self.unsettled.borrow_mut().waiting);
        if waiting.is_empty() {
            return;
        }
        for (reservation, used) in waiting {
            self.close(host, reservation, used);
        }
        let unsettled = self.unsettled.borrow();
        if unsettled.waiting.is_empty() {
            unsettled.tick.stop(host);
        }
    }

    fn learn(&self, admission: &Admission, usage: Option<Usage>) {
        let estimate = admission.estimate;
        if let Some(usage) = usage.filter(|_| estimate.learns) {
            let mut corrections = self.corrections.borrow_mut();
            // Of more models than are kept the estimate stays as it is.
            corrections.observe(estimate.model, estimate.plain, usage.prompt_tokens);
        }
    }

    /// Leaves what was used for access logs, and for filters that count it.
    fn leave<H: Host>(&self, host: &H, used: &Used) {
        if self.state_keys.has(StateKey::Tokens) {
            let Used { prompt, cached, completion, reasoning, .. } = used;
            let by_type = format!(
                "prompt={prompt} cached={cached} completion={completion} reasoning={reasoning}"
            );
            // For others only; a response does not fail for it.
            let _ = host.set_state("weir.tokens", by_type.as_bytes());
        }
        if self.state_keys.has(StateKey::TokensTotal) {
            let total = used.prompt.saturating_add(used.completion).to_string();
            let _ = host.set_state("weir.tokens_total", total.as_bytes());
        }
    }
}

/// What was used, and how that is known.
fn used(admission: &Admission, usage: Option<Usage>, outcome: Outcome) -> (Used, Basis) {
    let complete = outcome == Outcome::Complete;
    let prompt = admission.estimate.prompt;
    match (outcome, usage) {
        (Outcome::Failure, _) => (Used::default(), Basis::Nothing),
        (Outcome::None, _) => (Used { prompt, ..Used::default() }, Basis::Sight),
        (_, Some(usage)) => {
            let reported = u64::from(usage.completion_tokens);
            // Anthropic reports the prompt in the first event, and the completion in the last.
            let completion = if complete { reported } else { reported.max(admission.seen()) };
            let used = Used {
                // There is no prompt of no tokens: such a server does not say.
                prompt: if usage.prompt_tokens == 0 { prompt } else { usage.prompt_tokens.into() },
                cached: usage.cached_tokens.unwrap_or(0).into(),
                completion,
                reasoning: usage.reasoning_tokens.unwrap_or(0).into(),
                complete,
            };
            (used, Basis::Usage)
        }
        (_, None) => {
            let completion = admission.seen();
            (Used { prompt, completion, complete, ..Used::default() }, Basis::Sight)
        }
    }
}
