//! Walks the anchors of a window of text, segment by segment.

use std::ops::Range;

use crate::detectors::{self, assignment, pem, spoken};
use crate::pass::{Pass, Window, floor_char};
use crate::rule::{BuiltIn, Group};
use crate::scan::Candidate;
use crate::scan::anchor::{ASSIGN, Anchor, Anchors, ESCAPE, LONG, PHRASE, SPECIAL};
use crate::scan::boundary::{last_boundary, next_boundary};
use crate::scan::segment::Segment;
use crate::scan::special;

/// How far before a window a name may stand whose value begins the window.
const LOOK_BEHIND: usize = 24;

/// Bytes that two pieces of an overlong segment share: longer than any number, address or
/// prefixed token.
const OVERLAP: usize = 512;

/// The kinds of anchors that need more than their three bytes to mean something.
const CHECKED: u16 = ASSIGN | SPECIAL | ESCAPE | PHRASE;

impl Pass<'_> {
    /// Scans the window; answers up to where everything is known.
    pub(crate) fn run(&mut self, window: Window<'_>) -> usize {
        let text = window.visible();
        let mut cursor = self.grow(window, window.from);
        if cursor == window.to && cursor > window.from {
            return cursor;
        }
        let mut anchors = self.anchors(text, cursor);
        let mut ahead = anchors.next();
        // A value that a name before it introduces; places between the two come first.
        let mut awaited = None;
        while ahead.is_some() || awaited.is_some() {
            let due = awaited.take_if(|value| ahead.is_none_or(|anchor| anchor.at >= *value));
            let found = match (due, ahead) {
                (Some(value), _) => (value >= cursor).then_some((value, ASSIGN)),
                (None, Some(anchor)) => {
                    awaited = self.named(text, anchor).filter(|value| *value >= cursor).or(awaited);
                    let found = self.target(text, cursor, anchor);
                    if found.is_none() {
                        ahead = anchors.next();
                    }
                    found
                }
                (None, None) => break,
            };
            let Some((at, kinds)) = found else { continue };
            let (range, forced) = self.locate(window, at, cursor);
            let own = match ahead.filter(|_| due.is_none()) {
                Some(anchor) => within(kinds, anchor, &range),
                None => kinds,
            };
            let inside = self.collect(text, &range, &mut anchors, &mut ahead, &mut awaited);
            let segment = Segment::new(text, range.clone(), own | inside, 0);
            let Some(next) = self.inspect(&segment, window, forced) else { return range.start };
            cursor = next;
            if self.memory.growing.is_some() && cursor < window.to {
                cursor = self.grow(window, cursor);
                if cursor == window.to {
                    return cursor;
                }
            }
            if window.forced && range.end == window.to {
                // What the next piece will begin with waits for the rest of that piece.
                return cursor;
            }
            if cursor != range.end {
                anchors = self.anchors(text, cursor);
                ahead = anchors.next();
            }
        }
        if window.forced { overlap_start(text, window.to).max(cursor + 1) } else { window.to }
    }

    /// Finds the pieces of a secret that reached the hold-back limit at `from`; answers where it ends, or
    /// where what is at hand of it does.
    fn grow(&mut self, window: Window<'_>, mut from: usize) -> usize {
        while let Some((at, candidate)) = self.memory.growing.take() {
            if at != self.memory.base + from {
                break;
            }
            // Values end with their segments, which the limit ends where nothing else does.
            let cut = self.cut(window.text, from);
            let last = window.to.min(cut + 1);
            let boundary = next_boundary(window.text, from + 1, last, window.complete);
            let limit = boundary.min(cut);
            let rest = window.text.get(from..limit).unwrap_or_default();
            let ends = |b: &u8| b.is_ascii_whitespace() || b"\"'`\\,;&)]}<>".contains(b);
            let end = from + rest.iter().position(ends).unwrap_or(rest.len());
            if end == limit && (boundary > cut || window.forced && boundary == window.to) {
                self.memory.growing = Some((self.memory.base + end, candidate.clone()));
            }
            if end > from {
                self.offer(Candidate { span: from..end, ..candidate });
            }
            from = end;
            if end == window.to {
                break;
            }
        }
        from
    }

    /// Looks for a key that goes over many segments, or else scans this one; answers where the next
    /// begins, or `None` while the key's end has not arrived.
    fn inspect(
        &mut self,
        segment: &Segment<'_>,
        window: Window<'_>,
        forced: bool,
    ) -> Option<usize> {
        let key = if segment.has(ASSIGN | LONG) {
            pem::extent(segment, window, self.scanner.hold_back())
        } else {
            pem::Extent::None
        };
        match key {
            pem::Extent::None => Some(self.scan(segment, forced)),
            pem::Extent::Open => None,
            pem::Extent::Key { span, overflow } => {
                let end = span.end;
                if overflow {
                    self.overflow(span.clone());
                }
                self.offer(Candidate::plain(span, BuiltIn::PrivateKey));
                Some(end)
            }
        }
    }

    fn anchors<'t>(&self, text: &'t [u8], cursor: usize) -> Anchors<'t>
    where
        Self: 't,
    {
        let near = cursor.saturating_sub(LOOK_BEHIND);
        let name = self.memory.last_name.and_then(|name| name.checked_sub(self.memory.base));
        let name = name.filter(|name| (cursor.saturating_sub(spoken::REACH)..near).contains(name));
        Anchors::new(self.scanner.fingerprints(), text, name.unwrap_or(near), cursor)
    }

    /// Where the value stands that the name at an anchor introduces.
    fn named(&mut self, text: &[u8], anchor: Anchor) -> Option<usize> {
        if anchor.kinds & PHRASE == 0 || !spoken::may_begin(text, anchor.at) {
            return None;
        }
        if spoken::begins(text, anchor.at) {
            self.memory.last_name = Some(self.memory.base + anchor.at);
        }
        spoken::value_start(text, anchor.at).filter(|value| *value < text.len())
    }

    /// Takes the anchors that lie inside `range`, up to one whose value lies behind it.
    fn collect(
        &mut self,
        text: &[u8],
        range: &Range<usize>,
        anchors: &mut Anchors<'_>,
        ahead: &mut Option<Anchor>,
        awaited: &mut Option<usize>,
    ) -> u16 {
        let mut kinds = 0;
        while let Some(next) = ahead.filter(|next| next.at < range.end) {
            if next.kinds & CHECKED == 0 {
                kinds |= if next.at >= range.start { within(next.kinds, next, range) } else { 0 };
                *ahead = anchors.next();
                continue;
            }
            let value = assigned(text, next);
            if value.is_some_and(|value| value >= range.end) {
                break;
            }
            *awaited = self.named(text, next).or(*awaited);
            if next.at >= range.start && (value.is_some() || self.relevant(text, next)) {
                kinds |= within(next.kinds, next, range);
            }
            *ahead = anchors.next();
        }
        let here = awaited.take_if(|value| *value < range.end);
        if here.is_some_and(|value| value >= range.start) { kinds | ASSIGN } else { kinds }
    }

    /// The place an anchor asks to look at and why; `None` when it means nothing.
    fn target(&self, text: &[u8], cursor: usize, anchor: Anchor) -> Option<(usize, u16)> {
        if let Some(value) = assigned(text, anchor).filter(|value| *value >= cursor) {
            return Some((value, if value > anchor.at + 2 { ASSIGN } else { anchor.kinds }));
        }
        (anchor.at >= cursor && self.relevant(text, anchor)).then_some((anchor.at, anchor.kinds))
    }

    /// The exact test behind the fingerprints that need more than three bytes.
    fn relevant(&self, text: &[u8], anchor: Anchor) -> bool {
        let is = |kind: u16| anchor.kinds & kind != 0;
        is(!CHECKED)
            || (is(PHRASE) && self.scanner.phrases().starts_at(text, anchor.at))
            || (is(SPECIAL) && special::rewritten(text, anchor.at))
            || (is(ESCAPE) && special::escaped(text, anchor.at))
            || (is(ASSIGN) && pem::dashes(text, anchor.at))
    }

    /// The segment around `at`, and whether its end was forced by the hold-back limit.
    fn locate(&self, window: Window<'_>, at: usize, cursor: usize) -> (Range<usize>, bool) {
        let mut start = last_boundary(window.text, at, cursor, window.complete);
        let mut cut = self.cut(window.text, start);
        while at >= cut {
            start = overlap_start(window.text, cut).max(start + 1);
            cut = self.cut(window.text, start);
        }
        let end = next_boundary(window.text, at + 1, window.to.min(cut + 1), window.complete);
        if end > cut { (start..cut, true) } else { (start..end, window.forced && end == window.to) }
    }

    /// Where the hold-back limit ends a segment that has no boundary before.
    fn cut(&self, text: &[u8], start: usize) -> usize {
        floor_char(text, start.saturating_add(self.scanner.hold_back()))
    }

    /// Runs the detectors; answers where the next segment begins.
    fn scan(&mut self, segment: &Segment<'_>, forced: bool) -> usize {
        let first = self.out.len();
        detectors::scan_segment(self, segment);
        if forced { self.forced(segment, first) } else { segment.end() }
    }

    /// Where the next segment begins behind one that the hold-back limit ended, with candidates from
    /// `first` on.
    #[inline(never)]
    fn forced(&mut self, segment: &Segment<'_>, first: usize) -> usize {
        let cut = segment.end();
        let next = overlap_start(segment.text(), cut);
        let found = self.out.get(first..).unwrap_or_default();
        let live = found.iter().filter(|c| c.span.end == cut).map(|c| c.span.start).min();
        match live {
            Some(start) if start <= segment.start() => {
                let secret = found.iter().find(|candidate| {
                    let rule = self.scanner.rules().get(candidate.rule.position());
                    candidate.span.end == cut
                        && rule.is_some_and(|rule| rule.group == Group::Secrets)
                });
                let secret = secret.cloned();
                self.memory.growing = secret.map(|secret| (self.memory.base + cut, secret));
                self.overflow(start..cut);
                return cut;
            }
            Some(start) if start < next => return self.keep(first, start),
            _ => {}
        }
        let found = self.out.get(first..).unwrap_or_default();
        let crossing = found.iter().filter(|c| c.span.start < next && c.span.end > next);
        let next = crossing.map(|c| c.span.end).max().unwrap_or(next);
        self.keep(first, next)
    }

    /// A match reached the hold-back limit while it could still grow.
    fn overflow(&mut self, span: Range<usize>) {
        self.memory.overflowed = true;
        self.offer(Candidate::plain(span, BuiltIn::HoldBack));
    }

    fn offer(&mut self, candidate: Candidate) {
        if self.selection.accepts(candidate.rule, candidate.confidence) {
            self.out.push(candidate);
        }
    }

    /// Drops candidates from `first` on that the next piece will find again.
    fn keep(&mut self, first: usize, next: usize) -> usize {
        let found = self.out.split_off(first);
        self.out.extend(found.into_iter().filter(|candidate| candidate.span.start < next));
        next
    }
}

/// Where the value stands that the assignment at an anchor names.
fn assigned(text: &[u8], anchor: Anchor) -> Option<usize> {
    if anchor.kinds & ASSIGN == 0 {
        return None;
    }
    assignment::value_start(text, anchor.at + 1).filter(|value| *value < text.len())
}

/// The kinds of an anchor that lies wholly inside `range`; what sticks out depends on bytes that
/// a stream may not have.
fn within(kinds: u16, anchor: Anchor, range: &Range<usize>) -> u16 {
    if anchor.at < range.start || anchor.at + 3 <= range.end { kinds } else { kinds & LONG }
}

fn overlap_start(text: &[u8], cut: usize) -> usize {
    floor_char(text, cut.saturating_sub(OVERLAP))
}
