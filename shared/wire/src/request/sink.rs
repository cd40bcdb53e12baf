//! Where the text of a prompt goes: into the fingerprints and into the counts.

use weir_fingerprint::{Chain, Prefix, PrefixChain};
use weir_tokens::{TextCounter, TextCounts};

use crate::json::plain;

/// Text is handed on in windows of this many bytes, on a grid that no chunking moves: that of the
/// fingerprints' blocks, so that most text goes there without being copied.
const WINDOW: usize = 256;
/// So many windows of a stream are counted in full …
const FULL_WINDOWS: u64 = 8;
/// … of the others up to this one (64 KiB) every fourth, of those beyond every eighth …
const NEAR_WINDOWS: u64 = 256;
/// … in so many bytes. The samples are counted as if they were one text: a word that is cut at the end
/// of one stands for the one cut at the start of the next. Of prompts of 8 KiB the estimate is off by
/// 2.8 % from a full count, of 64 KiB by 1.8 %, of 256 KiB by 1.3 % (`examples/sampling_error.rs`, over
/// code and documentation), about half of what the estimate itself is off.
const SAMPLE: usize = 64;

/// Marks in the canonical prompt: control characters, which its text never holds unescaped.
pub(super) mod mark {
    /// A message begins.
    pub(crate) const MESSAGE: u8 = 1;
    /// A role follows.
    pub(crate) const ROLE: u8 = 2;
    /// Text follows.
    pub(crate) const TEXT: u8 = 3;
    /// The hash of a medium follows.
    pub(crate) const MEDIA: u8 = 4;
}

/// The three streams of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Turns,
    Preamble,
    Tools,
}

/// Everything that is known of a prompt at its end.
#[derive(Clone, Default)]
pub(super) struct PromptFacts {
    pub(super) prefix: Prefix,
    pub(super) tools: u64,
    pub(super) counts: TextCounts,
}

/// Takes the text of a prompt.
#[derive(Clone, Default)]
pub(super) struct PromptSink {
    chain: PrefixChain,
    tools: Chain,
    turns_window: Window,
    preamble_window: Window,
    tools_window: Window,
    medium: Chain,
}

impl PromptSink {
    /// Adds a piece of canonical text to a stream.
    pub(super) fn push(&mut self, stream: Stream, piece: &[u8]) {
        let (window, chain) = self.of(stream);
        if !window.append(piece) {
            window.push_over(piece, chain);
        }
    }

    /// Adds one mark or other byte to a stream.
    #[inline]
    pub(super) fn mark(&mut self, stream: Stream, mark: u8) {
        let (window, _) = self.of(stream);
        match window.begun.len() + 1 < WINDOW && window.begun.len() < window.begun.capacity() {
            true => window.begun.push(mark),
            false => self.push(stream, &[mark]),
        }
    }

    /// Adds what comes before the text of a message: its border, its role, and that text follows.
    #[inline]
    pub(super) fn begin_message(&mut self, stream: Stream, role: &[u8]) {
        let (window, _) = self.of(stream);
        let (begun, len) = (&mut window.begun, role.len() + 3);
        if begun.len() + len < WINDOW && begun.len() + len <= begun.capacity() {
            begun.extend_from_slice(&[mark::MESSAGE, mark::ROLE]);
            begun.extend_from_slice(role);
            begun.push(mark::TEXT);
        } else {
            self.push(stream, &[mark::MESSAGE, mark::ROLE]);
            self.push(stream, role);
            self.push(stream, &[mark::TEXT]);
        }
    }

    #[inline(always)]
    fn of(&mut self, stream: Stream) -> (&mut Window, &mut Chain) {
        match stream {
            Stream::Turns => (&mut self.turns_window, self.chain.turns()),
            Stream::Preamble => (&mut self.preamble_window, self.chain.preamble()),
            Stream::Tools => (&mut self.tools_window, &mut self.tools),
        }
    }

    /// Adds one token id of a prompt that is given as ids: four bytes, as many as a token of text
    /// has on average. The stream is no longer counted as text.
    pub(super) fn push_id(&mut self, stream: Stream, id: u32) {
        if stream == Stream::Turns {
            self.turns_window.counted().ids = true;
        }
        self.push(stream, &id.to_le_bytes());
    }

    /// Adds a piece of an image's data or address.
    pub(super) fn push_medium(&mut self, piece: &[u8]) {
        self.medium.push(piece);
    }

    /// The medium is complete: its hash stands for it in the stream.
    pub(super) fn end_medium(&mut self, stream: Stream) {
        let hash = core::mem::take(&mut self.medium).digest();
        self.mark(stream, mark::MEDIA);
        self.push(stream, &hash.to_le_bytes());
    }

    /// A user message ended.
    pub(super) fn end_user_message(&mut self) {
        self.chain.end_first_user_message(self.turns_window.pending());
    }

    /// The prompt is complete.
    pub(super) fn finish(mut self) -> PromptFacts {
        let mut counts = TextCounts::default();
        for stream in [Stream::Turns, Stream::Preamble, Stream::Tools] {
            let (window, chain) = self.of(stream);
            window.finish(chain, &mut counts);
        }
        let tools = if self.tools.is_empty() { 0 } else { self.tools.digest() };
        PromptFacts { prefix: self.chain.finish(), tools, counts }
    }
}

/// Collects one stream into whole windows.
#[derive(Clone, Default)]
struct Window {
    /// Less than a window.
    begun: Vec<u8>,
    /// Boxed, because most prompts have one stream of the three.
    counted: Option<Box<Counted>>,
}

impl Window {
    /// Takes the piece if the window stays incomplete with it.
    #[inline]
    fn append(&mut self, piece: &[u8]) -> bool {
        let fits = piece.len() < WINDOW.saturating_sub(self.begun.len());
        if fits {
            // The room that is there from the first piece on.
            if self.begun.capacity() == 0 {
                self.begun.reserve_exact(WINDOW);
            }
            self.begun.extend_from_slice(piece);
        }
        fits
    }

    /// A piece that completes the window, and perhaps more.
    #[inline(never)]
    fn push_over(&mut self, piece: &[u8], chain: &mut Chain) {
        let mut rest = piece;
        if !self.begun.is_empty() {
            let free = WINDOW.saturating_sub(self.begun.len());
            let (head, tail) = piece.split_at_checked(free).unwrap_or((piece, &[]));
            self.begun.extend_from_slice(head);
            self.counted.get_or_insert_default().window(&self.begun);
            chain.push(&self.begun);
            self.begun.clear();
            rest = tail;
        }
        let (windows, rest) = rest.as_chunks::<WINDOW>();
        let counted = self.counted.get_or_insert_default();
        counted.windows(windows);
        chain.push(windows.as_flattened());
        self.append(rest);
    }

    fn pending(&self) -> &[u8] {
        &self.begun
    }

    fn counted(&mut self) -> &mut Counted {
        self.counted.get_or_insert_default()
    }

    /// Hands on what is left, and adds what was counted to `counts`.
    #[inline(never)]
    fn finish(&mut self, chain: &mut Chain, counts: &mut TextCounts) {
        if !self.begun.is_empty() {
            chain.push(&self.begun);
            let counted = self.counted.get_or_insert_default();
            counted.window(&self.begun);
            counted.missing = WINDOW.saturating_sub(self.begun.len()) as u64;
        }
        if let Some(counted) = &self.counted {
            counted.add_to(counts);
        }
    }
}

/// The counts of one stream: of all its first windows, of samples of the later ones.
#[derive(Clone, Default)]
struct Counted {
    windows: u64,
    /// The next one to look at.
    next: u64,
    /// Bytes that the last window lacks.
    missing: u64,
    head: TextCounter,
    near: Option<Box<Sample>>,
    far: Option<Box<Sample>>,
    room: Vec<u8>,
    /// The stream holds token ids, not text.
    ids: bool,
}

/// What was counted of some windows.
#[derive(Clone, Default)]
struct Sample {
    counter: TextCounter,
    bytes: u64,
}

impl Counted {
    /// Takes a window; only the last one of a stream may be shorter than the others.
    #[inline]
    fn window(&mut self, window: &[u8]) {
        if self.windows == self.next {
            self.count(window);
        }
        self.windows += 1;
    }

    /// Takes windows.
    #[inline]
    fn windows(&mut self, windows: &[[u8; WINDOW]]) {
        let first = self.windows;
        let place = |next: u64| usize::try_from(next.saturating_sub(first)).ok();
        while let Some(window) = place(self.next).and_then(|place| windows.get(place)) {
            self.count(window);
        }
        self.windows += windows.len() as u64;
    }

    /// Counts the window that was to be looked at next.
    #[inline(never)]
    fn count(&mut self, window: &[u8]) {
        let (step, sample) = match self.next {
            0..FULL_WINDOWS => (1, None),
            FULL_WINDOWS..NEAR_WINDOWS => (4, Some(&mut self.near)),
            _ => (8, Some(&mut self.far)),
        };
        self.next += step;
        if self.ids {
            return;
        }
        let Some(sample) = sample else {
            return self.head.push(plain(window, &mut self.room));
        };
        let text = window.get(..SAMPLE).unwrap_or(window);
        sample.get_or_insert_default().add(text, &mut self.room);
    }

    fn add_to(&self, counts: &mut TextCounts) {
        counts.add(&self.head.counts());
        let position = |windows: u64| windows.saturating_mul(WINDOW as u64);
        let end = position(self.windows).saturating_sub(self.missing);
        let far = position(NEAR_WINDOWS).min(end);
        let near = position(FULL_WINDOWS).min(far);
        for (sample, stands_for) in [(&self.near, far - near), (&self.far, end - far)] {
            if let Some(sample) = sample {
                counts.add(&sample.counter.counts().scaled(stands_for, sample.bytes));
            }
        }
    }
}

impl Sample {
    #[inline(never)]
    fn add(&mut self, text: &[u8], room: &mut Vec<u8>) {
        self.counter.push(plain(text, room));
        self.bytes += text.len() as u64;
    }
}
