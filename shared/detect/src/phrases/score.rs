//! The sum of weak signals of prompt injection.

use super::signatures::Signature;

/// Sum of weak signals that makes a finding.
const THRESHOLD: f32 = 1.0;
/// Weak signals further apart than this do not add up, in bytes.
const SPREAD: usize = 4096;

/// Weak signals seen so far in one text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Score {
    seen: Vec<(&'static str, f32)>,
    last: usize,
    reported: bool,
}

impl Score {
    /// Counts a weak signal at absolute offset `at`; answers whether the sum just became enough.
    pub(crate) fn add(&mut self, signature: &Signature, at: usize) -> bool {
        if at.saturating_sub(self.last) > SPREAD {
            *self = Self::default();
        }
        self.last = at;
        match self.seen.iter_mut().find(|(tail, _)| *tail == signature.tail) {
            Some((_, weight)) => *weight = weight.max(signature.weight),
            None => self.seen.push((signature.tail, signature.weight)),
        }
        let sum: f32 = self.seen.iter().map(|(_, weight)| weight).sum();
        let crossed = sum >= THRESHOLD && !self.reported;
        self.reported |= crossed;
        crossed
    }
}
