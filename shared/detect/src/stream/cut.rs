//! Where the text at hand may be cut into segments that are scanned.

use super::StreamScanner;
use crate::detectors::pem;
use crate::pass::floor_char;
use crate::scan::boundary::{boundary, last_boundary};

/// Bytes after a position that decide whether it is a boundary, at most.
const LOOK_AHEAD: usize = 8;

impl StreamScanner {
    /// Whether nothing new is known of a private key that was open.
    pub(super) fn stays_open(&mut self, complete: bool) -> bool {
        let Some(known) = self.open.take().filter(|_| !complete) else { return false };
        let key = self.buffer.get(self.frontier..).unwrap_or_default();
        let stays_open =
            pem::stays_open(key, known.saturating_sub(self.frontier), self.scanner.hold_back());
        self.open = stays_open.then_some(self.buffer.len());
        stays_open
    }

    /// The last boundary at hand, or the hold-back limit when there is none before it.
    pub(super) fn next_cut(&mut self, complete: bool) -> Option<(usize, bool)> {
        let (from, length) = (self.frontier, self.buffer.len());
        if from >= length {
            return None;
        }
        let start = self.uncut.max(from + 1);
        let known =
            if complete { length } else { last_boundary(&self.buffer, length, start - 1, false) };
        if let Some(to) = Some(known).filter(|to| *to >= start) {
            let limit = self.limit();
            let ends = |at| boundary(&self.buffer, at, complete) == Some(true);
            if to > limit.saturating_add(LOOK_AHEAD) && !(start..=limit).any(ends) {
                return Some((limit, true));
            }
            return Some((to, false));
        }
        // What a later byte may still decide is looked at again.
        self.uncut = start.max(length.saturating_sub(LOOK_AHEAD));
        let limit = self.limit();
        (length > limit.saturating_add(LOOK_AHEAD)).then_some((limit, true))
    }

    /// Where the hold-back limit cuts a segment that begins at the frontier.
    fn limit(&self) -> usize {
        floor_char(&self.buffer, self.frontier.saturating_add(self.scanner.hold_back()))
    }
}
