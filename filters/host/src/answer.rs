//! Answers to the HTTP requests of a filter's own.

use std::cell::{Cell, RefCell};

use crate::{Body, Call, CallToken, HeaderBlock, HeaderMap, Host, HostError};

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// Whoever was asked has answered with this status.
    Answered(u16),
    /// 504: Envoy waited for as long as it was to. (A gateway that was asked may also answer that.)
    TimedOut,
    /// 503: nobody could be reached, or the connection was closed before the answer. (Likewise.)
    Unavailable,
    /// Nothing to read: the answer broke off after its headers, or was too large for Envoy.
    Lost,
}

/// What came of a call; to be read in its callback.
#[derive(Clone, Copy, Debug)]
pub struct CallAnswer {
    token: CallToken,
    headers: usize,
    body: usize,
}

impl CallAnswer {
    /// As the host tells it: number of headers, bytes of body.
    pub(crate) fn of(token: CallToken, headers: usize, body: usize) -> Self {
        Self { token, headers, body }
    }

    /// Which call it answers.
    pub fn token(&self) -> CallToken {
        self.token
    }

    /// How the call went, by its status.
    pub fn outcome<H: Host>(&self, host: &H) -> CallOutcome {
        let status = self.headers(host).get(":status").and_then(status_of);
        match status {
            Some(504) => CallOutcome::TimedOut,
            Some(503) => CallOutcome::Unavailable,
            Some(status) => CallOutcome::Answered(status),
            None => CallOutcome::Lost,
        }
    }

    /// The answer's headers; none if it was lost.
    pub fn headers<H: Host>(&self, host: &H) -> HeaderBlock {
        // Where there are none the host has no map to show, and says that the argument is bad.
        if self.headers == 0 {
            return HeaderBlock::default();
        }
        host.header_block(HeaderMap::CallAnswer)
    }

    /// The first `most` bytes of the answer's body; empty if it has none, was lost, or cannot be read.
    pub fn body<H: Host>(&self, host: &H, most: usize) -> Vec<u8> {
        let len = self.body.min(most);
        if self.headers == 0 || len == 0 {
            return Vec::new();
        }
        host.body(Body::CallAnswer, 0, len).unwrap_or_default()
    }
}

/// Three digits.
fn status_of(value: &[u8]) -> Option<u16> {
    std::str::from_utf8(value).ok()?.parse().ok().filter(|status| (100..1000).contains(status))
}

/// What became of a filter's calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// Answered, by whatever status other than 503 and 504.
    pub answered: u64,
    /// [`CallOutcome::TimedOut`].
    pub timed_out: u64,
    /// [`CallOutcome::Unavailable`].
    pub unavailable: u64,
    /// [`CallOutcome::Lost`].
    pub lost: u64,
    /// Never answered, because the stream that asked has ended.
    pub abandoned: u64,
    /// Not made: too many under way, or refused by the host.
    pub refused: u64,
}

/// A filter's calls under way, of a bounded number.
///
/// Envoy does not cancel the call of a stream that ends, and nobody is told its answer: [`Calls::ended`] counts it.
pub struct Calls {
    most: usize,
    under_way: RefCell<Vec<(CallToken, u32)>>,
    counts: Cell<CallCounts>,
}

impl Calls {
    /// At most `most` calls at a time. Those of streams that ended no longer count, though Envoy may still wait for
    /// them, for their timeout at most.
    pub fn new(most: usize) -> Self {
        Self { most, under_way: RefCell::default(), counts: Cell::default() }
    }

    /// Makes a call for the context `context_id`, which must be what calls act on.
    ///
    /// # Errors
    /// As [`Host::call`]; `Failed` also when too many are under way.
    pub fn ask<H: Host>(
        &self,
        host: &H,
        context_id: u32,
        call: &Call<'_>,
    ) -> Result<CallToken, HostError> {
        let mut under_way = self.under_way.borrow_mut();
        let room = under_way.len() < self.most;
        let made = if room { host.call(call) } else { Err(HostError::Failed) };
        match made {
            Ok(token) => under_way.push((token, context_id)),
            Err(_) => self.count(|counts| counts.refused += 1),
        }
        made
    }

    /// How the call went that is answered; `None` if it was not made here, or its stream has ended.
    pub fn answered<H: Host>(&self, host: &H, answer: &CallAnswer) -> Option<CallOutcome> {
        let mut under_way = self.under_way.borrow_mut();
        let at = under_way.iter().position(|(token, _)| *token == answer.token())?;
        under_way.swap_remove(at);
        let outcome = answer.outcome(host);
        self.count(|counts| match outcome {
            CallOutcome::Answered(_) => counts.answered += 1,
            CallOutcome::TimedOut => counts.timed_out += 1,
            CallOutcome::Unavailable => counts.unavailable += 1,
            CallOutcome::Lost => counts.lost += 1,
        });
        Some(outcome)
    }

    /// The context has ended: its calls are answered to nobody.
    pub fn ended(&self, context_id: u32) {
        let mut under_way = self.under_way.borrow_mut();
        let before = under_way.len();
        under_way.retain(|(_, of)| *of != context_id);
        let abandoned = before.saturating_sub(under_way.len()) as u64;
        self.count(|counts| counts.abandoned += abandoned);
    }

    /// What became of the calls since the VM began.
    pub fn counts(&self) -> CallCounts {
        self.counts.get()
    }

    fn count(&self, change: impl FnOnce(&mut CallCounts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FakeHost;

    const CALL: Call<'_> = Call {
        cluster: "limits",
        headers: &[(":method", b"POST"), (":path", b"/"), (":authority", b"limits")],
        body: b"{}",
        timeout_ms: 250,
    };

    #[test]
    fn an_answer_is_read_as_it_came() {
        let host = FakeHost::new();
        let token = host.call(&CALL).unwrap();
        let sent = host.calls();
        assert_eq!((sent[0].cluster.as_str(), sent[0].timeout_ms), ("limits", 250));
        assert_eq!((sent[0].token, sent[0].body.as_slice()), (token, &b"{}"[..]));
        let answer = host.answer(token, 200, b"\xffbytes");
        assert_eq!(answer.outcome(&host), CallOutcome::Answered(200));
        assert_eq!(answer.headers(&host).get(":status"), Some(&b"200"[..]));
        assert_eq!(answer.body(&host, 100), b"\xffbytes");
        assert_eq!(answer.body(&host, 1), b"\xff", "no more than asked for");
    }

    #[test]
    fn each_way_to_fail_has_a_name() {
        let host = FakeHost::new();
        let token = host.call(&CALL).unwrap();
        assert_eq!(host.answer(token, 504, b"timeout").outcome(&host), CallOutcome::TimedOut);
        assert_eq!(host.answer(token, 503, b"refused").outcome(&host), CallOutcome::Unavailable);
        let lost = host.lose_call(token);
        assert_eq!(lost.outcome(&host), CallOutcome::Lost);
        assert!(lost.body(&host, 100).is_empty() && lost.headers(&host).get(":status").is_none());
    }

    #[test]
    fn what_a_host_says_against_its_own_numbers_is_no_panic() {
        let host = FakeHost::new();
        let token = host.call(&CALL).unwrap();
        host.lose_call(token);
        let contradicting = CallAnswer { token, headers: 3, body: 10 };
        assert_eq!(contradicting.outcome(&host), CallOutcome::Lost);
        assert!(contradicting.body(&host, 100).is_empty());
        for odd in [&b""[..], b"2", b"20000", b"-200", b"\xff\xff\xff"] {
            assert!(status_of(odd).is_none(), "{odd:?}");
        }
    }

    #[test]
    fn calls_are_bounded_and_each_ends_in_one_count() {
        let (host, calls) = (FakeHost::new(), Calls::new(2));
        let first = calls.ask(&host, 7, &CALL).unwrap();
        calls.ask(&host, 8, &CALL).unwrap();
        assert_eq!(calls.ask(&host, 9, &CALL), Err(HostError::Failed));
        assert_eq!(
            calls.answered(&host, &host.answer(first, 204, b"")),
            Some(CallOutcome::Answered(204))
        );
        assert_eq!(calls.answered(&host, &host.answer(first, 204, b"")), None, "once");
        calls.ended(8);
        calls.ended(8);
        host.refuse_calls(HostError::BadArgument);
        assert_eq!(calls.ask(&host, 9, &CALL), Err(HostError::BadArgument));
        let expected =
            CallCounts { answered: 1, abandoned: 1, refused: 2, ..CallCounts::default() };
        assert_eq!(calls.counts(), expected);
    }

    #[test]
    fn an_answer_for_a_stream_that_has_ended_is_dropped() {
        let (host, calls) = (FakeHost::new(), Calls::new(2));
        let token = calls.ask(&host, 7, &CALL).unwrap();
        calls.ended(7);
        assert_eq!(calls.answered(&host, &host.answer(token, 200, b"")), None);
        assert_eq!(calls.counts().abandoned, 1);
    }
}
