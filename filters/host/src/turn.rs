//! What one callback may do, and on which context its host calls act.
//!
//! Envoy runs resumes and replies after the callback that made them has returned, and nests them: each
//! that enters a Wasm filter of the VM runs the next one inside. About 300 replies, or 600 resumes, are more than the
//! stack holds, and a full stack traps the VM. A callback cannot tell whether it runs inside such a chain. A tick
//! comes from a timer and never does. So [`MOST_ACTIONS`] are allowed between two ticks.

use std::cell::{Cell, RefCell};

use crate::{CallToken, Host, HostError};

/// Resumes of and replies to other streams between two ticks, of all plugins of the VM together. Each may bring one
/// more reply, by a filter that it enters; both together are two fifths of what Envoy 1.40 trapped at.
pub const MOST_ACTIONS: u32 = 64;

/// Why nothing was done to another stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotActed {
    /// The stream has ended.
    #[error("the stream has ended")]
    StreamEnded,
    /// [`MOST_ACTIONS`] have been done since the last tick: again with the next.
    #[error("as much as one turn may do was done")]
    TurnSpent,
}

/// Lets [`Host::effective_context`] be called: only this module makes one, because a switch that fails leaves the
/// calls that follow on the stream before.
#[derive(Debug)]
pub struct Switch(());

/// How often the context that calls act on may be resumed or replied to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// It is the callback's own.
    Own,
    /// It is looked at.
    Never,
    /// It is acted on.
    Once,
}

/// The state of a VM's current callback.
pub struct Turn {
    /// What host calls act on.
    context: Cell<u32>,
    leave: Cell<Leave>,
    /// Actions on other streams since the last tick.
    actions: Cell<u32>,
    /// Whether the request headers of the callback's own stream have gone on.
    headers_gone: Cell<bool>,
    /// The streams whose requests were let go in this callback.
    resumed: RefCell<Vec<u32>>,
    /// Calls under way, each with the context that made it: Envoy tells all answers to root contexts.
    callers: RefCell<Vec<(CallToken, u32)>>,
}

impl Turn {
    /// Before the first callback.
    pub(crate) const fn new() -> Self {
        Self {
            context: Cell::new(0),
            leave: Cell::new(Leave::Own),
            actions: Cell::new(0),
            headers_gone: Cell::new(false),
            resumed: RefCell::new(Vec::new()),
            callers: RefCell::new(Vec::new()),
        }
    }

    /// A callback of a context begins; Envoy lets calls act on that one.
    pub(crate) fn begin(&self, context_id: u32) {
        self.context.set(context_id);
        self.leave.set(Leave::Own);
        self.headers_gone.set(false);
    }

    /// The callback is a tick, which is never nested.
    pub(crate) fn tick(&self) {
        self.actions.set(0);
    }

    /// The request headers of the callback's stream have gone on.
    pub(crate) fn set_headers_gone(&self) {
        self.headers_gone.set(true);
    }

    /// Refuses to write request headers that have gone on: Envoy would answer "OK", change nothing and log a bug.
    pub(crate) fn check_request_headers(&self) -> Result<(), HostError> {
        let gone = self.headers_gone.get() && self.leave.get() == Leave::Own;
        if gone { Err(HostError::BadArgument) } else { Ok(()) }
    }

    /// Refuses a resume or a reply that nobody has counted.
    pub(crate) fn check_action(&self) -> Result<(), HostError> {
        match self.leave.get() {
            Leave::Own => Ok(()),
            Leave::Never => Err(HostError::BadArgument),
            Leave::Once => {
                self.leave.set(Leave::Never);
                Ok(())
            }
        }
    }

    /// The request of the context that calls act on was let go.
    pub(crate) fn note_resumed(&self) {
        if self.leave.get() == Leave::Own {
            self.set_headers_gone();
        }
        self.resumed.borrow_mut().push(self.context.get());
    }

    /// The context that calls act on has made a call.
    pub(crate) fn note_call(&self, token: CallToken) {
        self.callers.borrow_mut().push((token, self.context.get()));
    }

    /// Who has made a call that is answered now; `None` if that is not known.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for modules"))]
    pub(crate) fn take_caller(&self, token: CallToken) -> Option<u32> {
        let mut callers = self.callers.borrow_mut();
        let at = callers.iter().position(|(of, _)| *of == token)?;
        Some(callers.swap_remove(at).1)
    }

    /// Whether requests were let go since [`Turn::take_resumed`].
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for modules"))]
    pub(crate) fn has_resumed(&self) -> bool {
        !self.resumed.borrow().is_empty()
    }

    /// The streams whose requests were let go since this was last asked.
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for modules"))]
    pub(crate) fn take_resumed(&self) -> Vec<u32> {
        self.resumed.take()
    }
}

/// Runs `work` with calls acting on `context_id`, and sets what they acted on before back.
pub(crate) fn look_at<H: Host, R>(
    host: &H,
    context_id: u32,
    work: impl FnOnce(&H) -> R,
) -> Result<R, NotActed> {
    within(host, context_id, Leave::Never, work)
}

/// The same for one resume or one reply.
pub(crate) fn act_on<H: Host, R>(
    host: &H,
    context_id: u32,
    work: impl FnOnce(&H) -> R,
) -> Result<R, NotActed> {
    if host.turn(|turn| turn.actions.get()) >= MOST_ACTIONS {
        return Err(NotActed::TurnSpent);
    }
    within(host, context_id, Leave::Once, |host| {
        // Counted only here: a stream that has ended costs nothing.
        host.turn(|turn| turn.actions.set(turn.actions.get().saturating_add(1)));
        work(host)
    })
}

/// The same in a callback of that context which Envoy has made for another.
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for modules"))]
pub(crate) fn as_own<H: Host, R>(
    host: &H,
    context_id: u32,
    work: impl FnOnce(&H) -> R,
) -> Result<R, NotActed> {
    within(host, context_id, Leave::Own, work)
}

fn within<H: Host, R>(
    host: &H,
    context_id: u32,
    leave: Leave,
    work: impl FnOnce(&H) -> R,
) -> Result<R, NotActed> {
    host.effective_context(context_id, Switch(())).map_err(|_| NotActed::StreamEnded)?;
    let before = host.turn(|turn| (turn.context.replace(context_id), turn.leave.replace(leave)));
    let result = work(host);
    let back = host.effective_context(before.0, Switch(()));
    host.turn(|turn| {
        turn.context.set(before.0);
        // Cannot happen while the callback runs. If it does, calls still act on the other stream: it gets no reply.
        turn.leave.set(if back.is_ok() { before.1 } else { Leave::Never });
    });
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, FakeHost, HeaderMap};

    fn reply(host: &FakeHost) -> Result<(), HostError> {
        host.reply(500, &[], b"", "test")
    }

    fn replied_to(host: &FakeHost) -> Vec<u32> {
        host.replies().into_iter().map(|(context_id, _)| context_id).collect()
    }

    #[test]
    fn what_is_meant_for_a_stream_that_has_ended_reaches_nobody() {
        let host = FakeHost::new();
        host.begin_callback(1);
        host.act_on_stream(7, |host| reply(host).unwrap()).unwrap();
        host.end_stream(8);
        let mut ran = false;
        assert_eq!(host.act_on_stream(8, |_| ran = true), Err(NotActed::StreamEnded));
        assert_eq!(host.on_stream(8, |_| ran = true), Err(NotActed::StreamEnded));
        assert!(!ran);
        reply(&host).unwrap();
        assert_eq!(replied_to(&host), [7, 1], "calls act on the callback's own context again");
    }

    #[test]
    fn streams_within_streams_come_back_to_the_one_before() {
        let host = FakeHost::new();
        host.begin_callback(1);
        let acted = host.act_on_stream(7, |host| {
            host.act_on_stream(8, |host| reply(host).unwrap()).unwrap();
            host.end_stream(9);
            assert!(host.on_stream(9, |_| ()).is_err());
            reply(host).unwrap();
        });
        assert_eq!((acted, replied_to(&host)), (Ok(()), vec![8, 7]));
    }

    #[test]
    fn looking_is_free_and_lets_nothing_go() {
        let host = FakeHost::new();
        host.begin_callback(1);
        for _ in 0..2 * MOST_ACTIONS {
            let looked = host.on_stream(7, |host| {
                assert_eq!(host.resume(Direction::Request), Err(HostError::BadArgument));
                assert_eq!(reply(host), Err(HostError::BadArgument));
                host.set_header(HeaderMap::Request, "x-a", b"1")
            });
            assert_eq!(looked, Ok(Ok(())));
        }
        assert!(host.resumed().is_empty() && host.replies().is_empty());
        assert_eq!(host.act_on_stream(7, |host| host.resume(Direction::Response)), Ok(Ok(())));
    }

    #[test]
    fn an_action_is_one_action() {
        let host = FakeHost::new();
        host.begin_callback(1);
        host.act_on_stream(7, |host| {
            host.resume(Direction::Request).unwrap();
            assert_eq!(reply(host), Err(HostError::BadArgument));
        })
        .unwrap();
        assert_eq!(host.resumed(), [(7, Direction::Request)]);
    }

    #[test]
    fn an_answer_finds_who_asked_once() {
        let turn = Turn::new();
        let (first, second) = (CallToken::new(1), CallToken::new(2));
        turn.begin(7);
        turn.note_call(first);
        turn.begin(8);
        turn.note_call(second);
        turn.begin(1);
        assert_eq!((turn.take_caller(second), turn.take_caller(first)), (Some(8), Some(7)));
        assert_eq!(turn.take_caller(first), None);
    }

    #[test]
    fn a_context_that_is_told_an_answer_may_go_on_by_itself_and_not_once_it_has_ended() {
        let host = FakeHost::new();
        host.begin_callback(1);
        let resumed = as_own(&host, 7, |host| host.resume(Direction::Request));
        assert_eq!((resumed, host.resumed()), (Ok(Ok(())), vec![(7, Direction::Request)]));
        host.end_stream(8);
        assert_eq!(as_own(&host, 8, |_| ()), Err(NotActed::StreamEnded));
        reply(&host).unwrap();
        assert_eq!(replied_to(&host), [1]);
    }

    #[test]
    fn a_turn_is_spent_until_the_next_tick_whatever_is_called_in_between() {
        let host = FakeHost::new();
        host.begin_tick(1);
        let act = |id: u32| host.act_on_stream(id, |host| host.resume(Direction::Request).unwrap());
        host.end_stream(99);
        for id in 100..100 + MOST_ACTIONS {
            assert_eq!(act(99), Err(NotActed::StreamEnded), "costs nothing");
            act(id).unwrap();
        }
        assert_eq!(act(7), Err(NotActed::TurnSpent));
        // A callback of a stream may run inside of what was resumed.
        host.begin_callback(100);
        assert_eq!(act(7), Err(NotActed::TurnSpent));
        assert_eq!(reply(&host), Ok(()), "its own stream is no other");
        host.begin_tick(1);
        act(7).unwrap();
    }
}
