//! The response of a request that was let go.

use weir_host::{Body, HeaderBlock, HeaderMap, Host};
use weir_request::SUMS;
use weir_tokens::limits::Ledger;
use weir_wire::response::ExtraUsage;
use weir_wire::same;

use crate::admission::{Admission, named};
use crate::reply;
use crate::settle::Outcome;
use crate::shared::Shared;
use crate::slots::SharedSlots;

const NS_PER_MS: u64 = 1_000_000;

/// A request that was let go, and its response as far as it has come.
pub(crate) struct Exchange {
    pub(crate) admission: Admission,
    /// What settles it if nothing more comes.
    pub(crate) outcome: Outcome,
    /// Takes out the usage that the client did not ask for.
    extra: Option<Box<ExtraUsage>>,
}

impl Exchange {
    pub(crate) fn new(admission: Admission) -> Self {
        Self { admission, outcome: Outcome::None, extra: None }
    }

    /// The response's headers have come.
    pub(crate) fn open<H: Host>(&mut self, host: &H) {
        let headers = host.header_block(HeaderMap::Response);
        let success = headers.get(":status").is_some_and(|status| status.first() == Some(&b'2'));
        self.outcome = if success { Outcome::Cut } else { Outcome::Failure };
        let policy = &self.admission.policy;
        reply::tell(host, &named(policy, &self.admission.standings), policy);
        if self.admission.hides_usage && success && is_plain_stream(&headers) {
            self.extra = Some(Box::default());
            let lengths = SUMS.into_iter().chain(["content-length", "etag"]);
            for name in lengths.filter(|name| headers.get(name).is_some()) {
                // What is left of it would be wrong only where an event is taken out.
                let _ = host.remove_header(HeaderMap::Response, name);
            }
        }
    }

    /// A piece of the body, or all of it, of which `size` bytes were there before filters nearer to the
    /// replica have edited it.
    pub(crate) fn chunk<H: Host>(
        &mut self,
        host: &H,
        shared: &Shared,
        (context_id, size): (u32, usize),
        ended: bool,
    ) {
        let unread = size == 0 || self.outcome == Outcome::Failure || !self.admission.by_tokens();
        let fed = self.admission.meter.take_fed() || unread;
        if fed && self.extra.is_none() {
            return;
        }
        let left = shared.handover.as_ref().and_then(|with| with.take_body(context_id, size));
        let chunk = match left {
            Some(chunk) => chunk,
            // Another filter may have made it longer.
            None => host.body(Body::Response, 0, usize::MAX).unwrap_or_default(),
        };
        if !fed {
            self.admission.meter.feed(&chunk);
            self.admission.meter.take_fed();
        }
        if let Some(extra) = &mut self.extra {
            take_out(host, extra, &chunk, ended);
        }
    }

    /// Keeps what is reserved from expiring while the response goes on.
    pub(crate) fn extend<H: Host>(&mut self, host: &H, shared: &Shared) {
        if self.admission.reservation.is_empty() {
            return;
        }
        let mut slots = SharedSlots(host);
        let mut ledger = Ledger::new(&mut slots, host.now_ns() / NS_PER_MS);
        ledger.extend(&mut self.admission.reservation);
        shared.note(host, ledger.notes());
    }

    /// The response has come to its end.
    pub(crate) fn complete(&mut self) {
        if self.outcome == Outcome::Cut {
            self.outcome = Outcome::Complete;
        }
    }
}

/// Whether it is a stream of events that can be read.
fn is_plain_stream(headers: &HeaderBlock) -> bool {
    let kind = headers.get("content-type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let encoding = headers.get("content-encoding").unwrap_or(b"identity");
    kind.eq_ignore_ascii_case(b"text/event-stream") && encoding.eq_ignore_ascii_case(b"identity")
}

fn take_out<H: Host>(host: &H, extra: &mut ExtraUsage, chunk: &[u8], ended: bool) {
    if !ended && extra.passes(chunk) {
        return;
    }
    let mut out = Vec::with_capacity(chunk.len());
    extra.push(chunk, &mut out);
    if ended {
        extra.finish(&mut out);
    }
    if same(&out, chunk) {
        return;
    }
    // If that fails the client sees an event more.
    let _ = match chunk.is_empty() {
        true => host.append_body(Body::Response, &out),
        false => host.replace_body_front(Body::Response, usize::MAX, &out),
    };
}
