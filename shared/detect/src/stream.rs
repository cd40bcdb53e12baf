//! Scanning text that arrives in pieces.
//!
//! The law: for every way to cut a text into pieces, the findings and the concatenated released
//! text are the same, and equal to those of the whole text at once.

mod cut;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::custom::Frontier;
use crate::leak::{LeakWatch, SystemPrompt};
use crate::pass::{Memory, Pass, Window, floor_char};
use crate::resolve::Clusters;
use crate::rule::{Finding, Group};
use crate::scan::Candidate;
use crate::scanner::Scanner;
use crate::selection::Selection;

/// Bytes kept before the held-back text, for context.
const LEFT: usize = 512;

/// Most bytes of a context that stands before a text: what any detector reads to its left.
const CONTEXT: usize = 256;

/// What a piece of text made known.
#[derive(Clone, Default, PartialEq)]
pub struct Step {
    /// Text that is final, exactly as it came in.
    pub text: String,
    /// Offset of `text` in the whole, in bytes.
    pub offset: usize,
    /// What was found in `text`, in order; offsets count from the start of the whole.
    pub findings: Vec<Finding>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.offset + self.text.len();
        write!(f, "Step({}..{end}, {:?})", self.offset, self.findings)
    }
}

/// What became final with one piece, without its text.
pub(crate) struct Ready {
    /// Where the text stands in the scanner's buffer.
    place: Range<usize>,
    /// Its offset in the whole, in bytes.
    pub(crate) offset: usize,
    /// What was found in it; offsets count from the start of the whole.
    pub(crate) findings: Vec<Finding>,
}

/// Scans one text piece by piece.
///
/// Holds back only the word it is in, or what a match that could still grow needs, and at most
/// [`Scanner::hold_back`] bytes; where matches overlap in a row, about so many more.
pub struct StreamScanner {
    scanner: Arc<Scanner>,
    selection: Arc<Selection>,
    memory: Memory,
    /// Context, then held-back text.
    buffer: Vec<u8>,
    /// Bytes of the context that the text began after; offsets of findings do not count them.
    context: usize,
    /// First byte of `buffer` that was not released.
    released: usize,
    /// First byte whose segment is not finished.
    frontier: usize,
    /// No boundary lies between the frontier and this byte.
    uncut: usize,
    /// A private key begins at the frontier that was open at this byte.
    open: Option<usize>,
    custom: Frontier,
    leak: Option<LeakWatch>,
    pending: Vec<Candidate>,
    clusters: Clusters,
}

impl Scanner {
    /// Finds everything that `selection` asks for in `text`, in order, without overlaps.
    pub fn scan(self: &Arc<Self>, text: &str, selection: &Arc<Selection>) -> Vec<Finding> {
        let mut stream = StreamScanner::new(self.clone(), selection.clone());
        stream.scan_whole(text)
    }
}

impl StreamScanner {
    /// A scanner at the start of a text.
    pub fn new(scanner: Arc<Scanner>, selection: Arc<Selection>) -> Self {
        Self {
            scanner,
            selection,
            memory: Memory::default(),
            buffer: Vec::new(),
            context: 0,
            released: 0,
            frontier: 0,
            uncut: 0,
            open: None,
            custom: Frontier::default(),
            leak: None,
            pending: Vec::new(),
            clusters: Clusters::default(),
        }
    }

    /// Also looks for the word sequences of a system prompt.
    pub fn watch(mut self, prompt: Option<Arc<SystemPrompt>>) -> Self {
        let watched = prompt.filter(|_| self.selection.has(Group::Leak));
        self.leak = watched.map(|prompt| LeakWatch::new(prompt, self.context));
        self
    }

    /// Reads the text, which has not begun yet, as what follows `context`: the name before a
    /// value, say. Nothing is found in the context, and it is never released.
    pub fn with_context(mut self, context: &str) -> Self {
        let bytes = context.as_bytes();
        let from = floor_char(bytes, bytes.len().saturating_sub(CONTEXT));
        self.buffer.extend_from_slice(bytes.get(from..).unwrap_or_default());
        let length = self.buffer.len();
        (self.context, self.released, self.frontier, self.uncut) = (length, length, length, length);
        self.custom = Frontier::starting_at(length);
        if let Some(leak) = &mut self.leak {
            leak.skip(length);
        }
        self
    }

    /// Takes the next piece; answers with what has become final.
    pub fn push(&mut self, piece: &str) -> Step {
        let ready = self.feed(piece);
        self.step(ready)
    }

    /// Ends the text; answers with all that was held back.
    pub fn finish(&mut self) -> Step {
        let ready = self.end();
        self.step(ready)
    }

    /// Takes the next piece; what has become final stays where it is until the next call.
    pub(crate) fn feed(&mut self, piece: &str) -> Ready {
        self.trim();
        self.buffer.extend_from_slice(piece.as_bytes());
        self.advance(false);
        self.settle(false)
    }

    /// Ends the text; what was held back stays where it is.
    pub(crate) fn end(&mut self) -> Ready {
        self.trim();
        self.advance(true);
        self.settle(true)
    }

    /// The text that became final with the last call.
    pub(crate) fn text(&self, ready: &Ready) -> &str {
        let bytes = self.buffer.get(ready.place.clone()).unwrap_or_default();
        // Cut at boundaries of characters only, so that this never fails.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    fn step(&self, ready: Ready) -> Step {
        Step { text: self.text(&ready).to_owned(), offset: ready.offset, findings: ready.findings }
    }

    /// Bytes held back at the moment.
    pub fn held_back(&self) -> usize {
        self.buffer.len() - self.released
    }

    /// Whether a match reached the hold-back limit while it could still grow: what follows it may
    /// belong to it and was not recognised.
    pub fn overflowed(&self) -> bool {
        self.memory.overflowed
    }

    /// Scans `text` at once; copies it only where a context stands before it.
    pub(crate) fn scan_whole(&mut self, text: &str) -> Vec<Finding> {
        if self.buffer.is_empty() {
            return self.scan_bytes(text.as_bytes());
        }
        let mut joined = std::mem::take(&mut self.buffer);
        joined.extend_from_slice(text.as_bytes());
        self.scan_bytes(&joined)
    }

    fn scan_bytes(&mut self, bytes: &[u8]) -> Vec<Finding> {
        let (from, to) = (self.frontier, bytes.len());
        self.pass().run(Window { text: bytes, from, to, complete: true, forced: false });
        let Self { scanner, selection, custom, pending, .. } = self;
        custom.advance(&scanner.custom, selection, bytes, true, pending);
        if let Some(leak) = &mut self.leak {
            leak.advance(bytes, true, &mut self.pending);
        }
        self.resolve(usize::MAX).1
    }

    fn pass(&mut self) -> Pass<'_> {
        Pass {
            scanner: &self.scanner,
            selection: &self.selection,
            memory: &mut self.memory,
            out: &mut self.pending,
        }
    }

    /// Scans every segment that is finished.
    fn advance(&mut self, complete: bool) {
        let stays_open = self.stays_open(complete);
        while let Some((to, forced)) = self.next_cut(complete).filter(|_| !stays_open) {
            let buffer = std::mem::take(&mut self.buffer);
            let whole = complete && to == buffer.len();
            let window = Window { text: &buffer, from: self.frontier, to, complete: whole, forced };
            self.frontier = self.pass().run(window);
            self.buffer = buffer;
            if self.frontier < to && !forced {
                self.open = Some(to);
                break;
            }
        }
        let Self { scanner, selection, custom, buffer, pending, .. } = self;
        custom.advance(&scanner.custom, selection, buffer, complete, pending);
        if let Some(leak) = &mut self.leak {
            let known = self.buffer.get(..self.frontier).unwrap_or_default();
            leak.advance(known, complete, &mut self.pending);
        }
    }

    /// Releases what no producer can change any more.
    fn settle(&mut self, complete: bool) -> Ready {
        let settled = if complete { self.buffer.len() } else { self.settled() };
        let (end, findings) = self.resolve(settled);
        let end = end.max(self.released);
        let offset = (self.memory.base + self.released).saturating_sub(self.context);
        let place = self.released..end;
        self.released = end;
        Ready { place, offset, findings }
    }

    /// Decides between the candidates that begin before `settled`; answers with what was found up to
    /// where nothing is undecided.
    fn resolve(&mut self, settled: usize) -> (usize, Vec<Finding>) {
        let (mut winners, limit) = (Vec::new(), self.scanner.hold_back());
        let end = self.clusters.advance(&mut self.pending, settled, limit, &mut winners);
        (end, self.report(winners))
    }

    /// Up to where every producer has decided.
    fn settled(&self) -> usize {
        let watched = self.leak.as_ref().map_or(usize::MAX, LeakWatch::at);
        self.frontier.min(self.custom.at()).min(watched)
    }

    fn report(&self, candidates: Vec<Candidate>) -> Vec<Finding> {
        let place = |at: usize| (self.memory.base + at).saturating_sub(self.context);
        let finding = |c: Candidate| {
            let rule = self.scanner.rules().get(c.rule.position())?.clone();
            let span = place(c.span.start)..place(c.span.end);
            Some(Finding { span, rule, index: c.rule, confidence: c.confidence })
        };
        let mut findings = Vec::with_capacity(candidates.len());
        findings.extend(candidates.into_iter().filter_map(finding));
        findings
    }

    /// Forgets context that no detector reaches.
    fn trim(&mut self) {
        let drop = floor_char(&self.buffer, self.released.saturating_sub(LEFT));
        if drop < LEFT {
            return;
        }
        self.buffer.drain(..drop);
        self.memory.base += drop;
        self.released -= drop;
        self.frontier = self.frontier.saturating_sub(drop);
        self.uncut = self.uncut.saturating_sub(drop);
        self.open = self.open.map(|known| known.saturating_sub(drop));
        self.custom.shift(drop);
        self.clusters.shift(drop);
        if let Some(leak) = &mut self.leak {
            leak.shift(drop);
        }
        for candidate in &mut self.pending {
            candidate.span.start = candidate.span.start.saturating_sub(drop);
            candidate.span.end = candidate.span.end.saturating_sub(drop);
        }
    }
}

impl fmt::Debug for StreamScanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamScanner")
            .field("held_back", &self.held_back())
            .field("overflowed", &self.overflowed())
            .finish_non_exhaustive()
    }
}
