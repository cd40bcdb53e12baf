//! The events of a stream that wait until their texts may pass.
//!
//! Events go out in the order in which they came. One goes when all of its texts may; only an event
//! that is divisible goes out with the beginning of its text, and the rest follows in an event of its
//! own. Where many wait, those of other choices pass the one that all wait for.

mod entry;
mod invariants;

use std::collections::VecDeque;
use std::ops::Range;

use weir_wire::content::{Channel, Choices, Scope};

pub(crate) use entry::Entry;
use entry::{Extra, Part};

/// Events that may wait before those of other choices go ahead: far more than a choice brings while another
/// is in the middle of a word.
const MANY: usize = 32;

/// Signs of life that may wait: the next says that the replica is in no hurry.
const MOST_LOOSE: usize = 2;

/// Fewest bytes of a text that are worth an event of their own. A stream of tokens passes as it came; of events
/// with whole sentences, the most passes at once.
const WORTH: usize = 32;

/// What is known of the stream when events go out.
pub(crate) struct Way<'w> {
    /// The bytes of the event that came last.
    pub(crate) current: &'w [u8],
    /// Scopes in which something was replaced.
    pub(crate) redacted: &'w [Scope],
    /// What stands between an event and the one that is made of its rest.
    pub(crate) separator: &'static [u8],
}

/// Events in their order.
#[derive(Default)]
pub(crate) struct Queue {
    entries: VecDeque<Option<Entry>>,
    /// How many entries have left at the front.
    gone: u64,
    /// Bytes of the events that are kept.
    kept: usize,
    /// Events of different choices, or of none, may wait.
    mixed: bool,
    spare: Vec<u8>,
}

impl Queue {
    pub(crate) fn kept_bytes(&self) -> usize {
        self.kept
    }

    /// How many events wait.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds the event at hand.
    pub(crate) fn push(&mut self, entry: Entry) {
        let before = self.entries.back().and_then(Option::as_ref);
        self.mixed = before.is_some_and(|before| self.mixed || before.choices != entry.choices);
        self.entries.push_back(Some(entry));
    }

    /// Adds a text to the event at hand; answers with its name.
    pub(crate) fn add(
        &mut self,
        (channel, scope): (Channel, Scope),
        place: Range<usize>,
        span: Range<usize>,
    ) -> (u64, usize) {
        let part =
            Part { channel, scope, place, span, text: String::new(), exact: true, done: false };
        let number = self.gone + (self.entries.len() as u64).saturating_sub(1);
        let Some(entry) = self.entries.back_mut().and_then(Option::as_mut) else {
            return (number, 0);
        };
        if entry.first.is_none() {
            entry.first = Some(part);
            return (number, 0);
        }
        let more = &mut entry.extra().more;
        more.push(part);
        (number, more.len())
    }

    /// Lets the text of that name pass as far as `until`: `text` is what may, after what did before.
    /// Answers with whether that is all of it.
    pub(crate) fn advance(
        &mut self,
        (number, place): (u64, usize),
        until: usize,
        text: Passing<'_, '_>,
    ) -> bool {
        let index = number.checked_sub(self.gone).and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| self.entries.get_mut(index)?.as_mut());
        let Some(part) = entry.and_then(|entry| entry.part(place)) else { return true };
        let held_again = part.done && part.span.end > until;
        debug_assert!(!held_again, "a text that may pass is held again");
        part.done = part.span.end <= until;
        match text {
            Passing::Exact { text, from } => {
                let whole = part.done && part.exact && *from <= part.span.start;
                let len = part.span.end.min(until).saturating_sub(*from);
                let len = text.floor_char_boundary(len);
                if !(whole && part.text.is_empty()) {
                    part.text.push_str(text.get(..len).unwrap_or_default());
                }
                *text = text.get(len..).unwrap_or_default();
                *from += len;
                debug_assert!(*from <= part.span.end, "it took of the next one's text");
            }
            Passing::Edited(text) => {
                part.exact = false;
                part.text.push_str(std::mem::take(text));
            }
        }
        part.done
    }

    /// Adds bytes between two events after the last that waits; false if none does.
    pub(crate) fn between(&mut self, bytes: &[u8]) -> bool {
        let Some(last) = self.entries.iter_mut().rev().find_map(Option::as_mut) else {
            return false;
        };
        last.extra().after.extend_from_slice(bytes);
        self.kept += bytes.len();
        true
    }

    /// Sends what may go, and keeps the event at hand if it may not.
    pub(crate) fn drain(&mut self, way: &Way<'_>, out: &mut Vec<u8>) {
        loop {
            match self.entries.front_mut() {
                None => return,
                Some(Some(first)) if first.is_plain() => {
                    let raw = if first.raw.is_empty() { way.current } else { &first.raw };
                    out.extend_from_slice(raw);
                    self.kept = self.kept.saturating_sub(first.raw.len());
                    if !first.raw.is_empty() {
                        self.spare = std::mem::take(&mut first.raw);
                    }
                    self.entries.pop_front();
                    self.gone += 1;
                    continue;
                }
                Some(None) => {}
                Some(Some(first)) if first.is_done() => {}
                Some(Some(_)) => break,
            }
            if let Some(entry) = self.entries.pop_front() {
                self.gone += 1;
                self.leave(entry, way, out);
            }
        }
        if self.mixed {
            self.overtake(way, out);
        }
        self.cut(way, out);
        if let Some(Some(last)) = self.entries.back_mut().filter(|_| !way.current.is_empty())
            && last.raw.is_empty()
        {
            last.raw = std::mem::take(&mut self.spare);
            last.raw.clear();
            last.raw.extend_from_slice(way.current);
            self.kept += way.current.len();
        }
    }

    /// Lets the next event carry the rest of the text of one that was cut, if it goes on with that text.
    fn hand_on(&mut self, entry: &mut Entry) {
        let Some(part) = entry.first.as_mut().filter(|_| entry.cut) else { return };
        let Some(Some(next)) = self.entries.front_mut() else { return };
        let goes_on = next.first.as_ref().is_some_and(|next| next.channel == part.channel);
        let alone = |extra: &Extra| extra.more.is_empty() && extra.logprobs.is_empty();
        if goes_on && next.extra.as_deref().is_none_or(alone) {
            let lead = entry.extra.as_mut().map(|extra| std::mem::take(&mut extra.lead));
            let lead = lead.unwrap_or_default() + &std::mem::take(&mut part.text);
            if !lead.is_empty() {
                next.extra().lead = lead;
            }
        }
    }

    fn leave(&mut self, entry: Option<Entry>, way: &Way<'_>, out: &mut Vec<u8>) {
        let Some(mut entry) = entry else { return };
        debug_assert!(entry.is_done(), "an event leaves before its texts");
        self.hand_on(&mut entry);
        let raw = if entry.raw.is_empty() { way.current } else { &entry.raw };
        if !(entry.cut && entry.ready() == 0) {
            if entry.cut {
                out.extend_from_slice(way.separator);
            }
            entry.write(raw, way.redacted, out);
        }
        let after = entry.extra.as_ref().map_or(&[][..], |extra| &extra.after);
        out.extend_from_slice(after);
        debug_assert!(self.kept >= entry.raw.len() + after.len(), "it was not counted");
        self.kept = self.kept.saturating_sub(entry.raw.len() + after.len());
    }

    /// Sends the first event with the beginning of its text, if that is worth an event of its own.
    fn cut(&mut self, way: &Way<'_>, out: &mut Vec<u8>) {
        let Some(Some(entry)) = self.entries.front_mut() else { return };
        // What is divisible has one text.
        if entry.data.is_empty() || entry.ready() < WORTH {
            return;
        }
        let raw = if entry.raw.is_empty() { way.current } else { &entry.raw };
        if entry.cut {
            out.extend_from_slice(way.separator);
        }
        entry.write(raw, way.redacted, out);
        entry.cut = true;
        if let Some(part) = &mut entry.first {
            part.text.clear();
        }
        if let Some(extra) = &mut entry.extra {
            extra.lead.clear();
        }
    }

    /// Sends events that wait for nothing but events of other choices: signs of life, and where many
    /// wait, all.
    fn overtake(&mut self, way: &Way<'_>, out: &mut Vec<u8>) {
        let is_loose = |entry: &&Entry| entry.choices == Choices::None;
        let loose = self.entries.iter().flatten().filter(is_loose).count() > MOST_LOOSE;
        let many = self.entries.len() > MANY;
        if !loose && !many {
            return;
        }
        let mut ahead: Vec<Choices> = Vec::new();
        for index in 0..self.entries.len() {
            let Some(slot) = self.entries.get_mut(index) else { break };
            let Some(entry) = slot.as_ref() else { continue };
            let free = !ahead.iter().any(|other| other.meet(entry.choices));
            let goes = (many || entry.choices == Choices::None) && entry.is_done() && free;
            if goes {
                let entry = slot.take();
                self.leave(entry, way, out);
            } else if !ahead.contains(&entry.choices) {
                ahead.push(entry.choices);
            }
        }
    }
}

/// Text that may pass, of which each event takes its own.
pub(crate) enum Passing<'a, 't> {
    /// As it came in; what is left of it, and its offset in the channel.
    Exact { text: &'a mut &'t str, from: &'a mut usize },
    /// Edited: where it belongs cannot be told, so the first event takes all.
    Edited(&'a mut &'t str),
}
