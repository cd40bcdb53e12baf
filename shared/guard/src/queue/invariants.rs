//! What holds of the events that wait, between two chunks.

use super::{Entry, Queue};

impl Queue {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Fails where something does not hold that always must: all that waits is counted and has its bytes, the first event waits for
    /// a text, and only that one may have been sent in part.
    pub(crate) fn check_invariants(&self) {
        let after = |entry: &Entry| entry.extra.as_ref().map_or(0, |extra| extra.after.len());
        let kept: usize =
            self.entries.iter().flatten().map(|entry| entry.raw.len() + after(entry)).sum();
        debug_assert_eq!(self.kept, kept, "bytes that are kept and not counted, or counted twice");
        let first = self.entries.front();
        let waits = |first: &Option<Entry>| first.as_ref().is_some_and(|first| !first.is_done());
        debug_assert!(first.is_none_or(waits), "the first event waits for nothing");
        for (place, entry) in self.entries.iter().enumerate() {
            let Some(entry) = entry else { continue };
            debug_assert!(!entry.raw.is_empty(), "an event without its bytes");
            debug_assert!(!(entry.cut && place > 0), "one after the first was sent in part");
            debug_assert!(!entry.cut || !entry.data.is_empty(), "one that cannot be cut was");
            let inside = |part: &super::Part| {
                part.place.end <= entry.raw.len() && part.span.start <= part.span.end
            };
            debug_assert!(entry.parts().all(inside), "a text outside of its event");
        }
    }
}
