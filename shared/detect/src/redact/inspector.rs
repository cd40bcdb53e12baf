//! Inspecting a stream under a policy.

use std::fmt;
use std::sync::Arc;

use super::inspect::{applied, edit, oversize, pieces};
use super::{Applied, Pseudonyms};
use crate::leak::SystemPrompt;
use crate::pass::floor_char;
use crate::policy::Policy;
use crate::raw::Direction;
use crate::stream::{Ready, StreamScanner};

/// What a piece of a stream led to.
#[derive(Clone, Default, PartialEq)]
pub struct Released {
    /// Text to pass on, redacted.
    pub text: String,
    /// What was found in it.
    pub applied: Vec<Applied>,
    /// Something in `text` was replaced. Otherwise `text` is exactly the next bytes that came in.
    pub edited: bool,
    /// The stream must end here; nothing more is released.
    pub blocked: bool,
}

impl Released {
    /// Empties it, so that its memory can be used again.
    fn clear(&mut self) {
        self.text.clear();
        self.applied.clear();
        (self.edited, self.blocked) = (false, false);
    }
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("bytes", &self.text.len())
            .field("applied", &self.applied)
            .field("edited", &self.edited)
            .field("blocked", &self.blocked)
            .finish()
    }
}

/// Inspects one streamed text: a choice's content, a tool call's arguments.
#[derive(Debug)]
pub struct Inspector {
    policy: Arc<Policy>,
    direction: Direction,
    saturated: bool,
    scanner: StreamScanner,
    budget: usize,
    taken: usize,
    blocked: bool,
}

impl Policy {
    /// Starts inspecting a streamed text. `system_prompt` is what must not leak into it.
    pub fn inspector(
        self: &Arc<Self>,
        direction: Direction,
        saturated: bool,
        system_prompt: Option<Arc<SystemPrompt>>,
    ) -> Inspector {
        let selection = self.selection(direction, saturated).clone();
        Inspector {
            scanner: StreamScanner::new(self.scanner().clone(), selection).watch(system_prompt),
            policy: self.clone(),
            direction,
            saturated,
            budget: self.limit(direction),
            taken: 0,
            blocked: false,
        }
    }
}

impl Inspector {
    /// Reads the text, which has not begun yet, as what follows `context`: the name of the field
    /// it is the value of, say. The context is never released; see [`Surroundings::context`].
    ///
    /// [`Surroundings::context`]: super::Surroundings::context
    pub fn with_context(mut self, context: &str) -> Self {
        self.scanner = self.scanner.with_context(context);
        self
    }

    /// Takes the next piece; answers with the redacted text that is final.
    pub fn push(&mut self, piece: &str, pseudonyms: &mut Pseudonyms) -> Released {
        let mut released = Released::default();
        self.push_into(piece, pseudonyms, &mut released);
        released
    }

    /// The same into a `released` whose memory is used again; what was in it is dropped.
    pub fn push_into(&mut self, piece: &str, pseudonyms: &mut Pseudonyms, released: &mut Released) {
        released.clear();
        if self.blocked {
            released.blocked = true;
            return;
        }
        let room = floor_char(piece.as_bytes(), self.budget);
        let (inside, beyond) = piece.split_at_checked(room).unwrap_or((piece, ""));
        self.budget -= inside.len();
        self.take(inside, pseudonyms, released);
        if !beyond.is_empty() && !self.blocked {
            self.oversize(released);
            if !self.blocked {
                self.take(beyond, pseudonyms, released);
            }
        }
    }

    /// Ends the text; answers with what was held back.
    pub fn finish(&mut self, pseudonyms: &mut Pseudonyms) -> Released {
        let mut released = Released { blocked: self.blocked, ..Released::default() };
        if !self.blocked {
            let ready = self.scanner.end();
            self.release(ready, pseudonyms, &mut released);
        }
        released
    }

    /// Bytes held back at the moment.
    pub fn held_back(&self) -> usize {
        self.scanner.held_back()
    }

    fn take(&mut self, text: &str, pseudonyms: &mut Pseudonyms, released: &mut Released) {
        for piece in pieces(text) {
            self.taken += piece.len();
            let ready = self.scanner.feed(piece);
            self.release(ready, pseudonyms, released);
            if self.blocked {
                return;
            }
        }
    }

    /// Adds what became final to `released`.
    fn release(&mut self, mut ready: Ready, pseudonyms: &mut Pseudonyms, released: &mut Released) {
        let text = self.scanner.text(&ready);
        let mut at = 0;
        for finding in ready.findings.drain(..) {
            let Some(applied) =
                applied(&self.policy, finding, self.direction, (None, self.saturated))
            else {
                continue;
            };
            let from = applied.finding.span.start.saturating_sub(ready.offset);
            let to = applied.finding.span.end.saturating_sub(ready.offset);
            let before = text.get(at..from).unwrap_or_default();
            if applied.blocks() {
                released.text.push_str(before);
                released.applied.push(applied);
                self.blocked = true;
                released.blocked = true;
                return;
            }
            let value = text.get(from..to).unwrap_or_default();
            if let Some(replacement) = edit(&self.policy, &applied, value, pseudonyms) {
                released.text.push_str(before);
                released.text.push_str(&replacement);
                released.edited = true;
                at = to;
            }
            released.applied.push(applied);
        }
        released.text.push_str(text.get(at..).unwrap_or_default());
    }

    /// More text came than the policy allows.
    fn oversize(&mut self, released: &mut Released) {
        let found = oversize(&self.policy, self.taken);
        if let Some(applied) = found.and_then(|finding| {
            applied(&self.policy, finding, self.direction, (None, self.saturated))
        }) {
            self.blocked = applied.blocks();
            released.blocked = self.blocked;
            released.applied.push(applied);
        }
        // Reported once; where it does not block, the rest is inspected like the beginning.
        self.budget = usize::MAX;
    }
}
