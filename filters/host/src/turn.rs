//! What one callback may do, and on which context its host calls act.
//!
//! Envoy runs resumes and replies after the callback that made them has returned, and nests them: each
//! that enters a Wasm filter of the VM runs the next one inside. About 300 replies, or 600 resumes, are more than the
//! stack holds, and a full stack traps the VM. A callback cannot tell whether it runs inside such a chain. A tick
//! comes from a timer and never does. So [`MOST_ACTIONS`] are allowed between two ticks.

use std::cell::{Cell, RefCell};

use crate::{CallToken, HostError};

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

/// Lets `Host::effective_context` be called: only [`crate::Streams`] makes one, because a switch that fails leaves the
/// calls that follow on the stream before.
#[derive(Debug)]
pub struct Switch(());

impl Switch {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// How often the context that calls act on may be resumed or replied to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
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

    /// Calls act on another context from now on; returns what they acted on before, and how freely.
    pub(crate) fn switch(&self, context_id: u32, leave: Leave) -> (u32, Leave) {
        (self.context.replace(context_id), self.leave.replace(leave))
    }

    /// Whether [`MOST_ACTIONS`] have been done.
    pub(crate) fn is_spent(&self) -> bool {
        self.actions.get() >= MOST_ACTIONS
    }

    /// Counts an action.
    pub(crate) fn spend(&self) {
        self.actions.set(self.actions.get().saturating_add(1));
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
