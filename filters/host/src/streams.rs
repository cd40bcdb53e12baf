//! Streams other than the callback's own.

use crate::turn::{Leave, Switch, Turn};
use crate::{Host, NotActed};

/// Acts on other streams of the VM, which may be another plugin's, and never on the wrong one. Every [`Host`] does.
pub trait Streams: Host {
    /// Runs `look` with every call acting on a stream: reads what it holds, changes its headers or body. Afterwards
    /// calls act on what they acted on before.
    ///
    /// # Errors
    /// [`NotActed::StreamEnded`], and `look` has not run.
    fn on_stream<R>(&self, context_id: u32, look: impl FnOnce(&Self) -> R) -> Result<R, NotActed> {
        within(self, context_id, Leave::Never, look)
    }

    /// The same where `act` also resumes the stream or replies to it, once.
    ///
    /// # Errors
    /// [`NotActed`], and `act` has not run. After [`NotActed::TurnSpent`] the next tick can: see
    /// [`crate::pending::Pending`].
    fn act_on_stream<R>(
        &self,
        context_id: u32,
        act: impl FnOnce(&Self) -> R,
    ) -> Result<R, NotActed> {
        if self.turn(Turn::is_spent) {
            return Err(NotActed::TurnSpent);
        }
        within(self, context_id, Leave::Once, |host| {
            // Counted only here: a stream that has ended costs nothing.
            host.turn(Turn::spend);
            act(host)
        })
    }
}

impl<H: Host> Streams for H {}

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
    host.effective_context(context_id, Switch::new()).map_err(|_| NotActed::StreamEnded)?;
    let (context_before, leave_before) = host.turn(|turn| turn.switch(context_id, leave));
    let result = work(host);
    let back = host.effective_context(context_before, Switch::new());
    // That this fails cannot happen while the callback runs. If it does, the other stream gets no reply.
    let leave = if back.is_ok() { leave_before } else { Leave::Never };
    host.turn(|turn| turn.switch(context_before, leave));
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Direction, FakeHost, HeaderMap, HostError, MOST_ACTIONS};

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
