//! Where the text of a prompt goes: into the fingerprints and into the counts.

use weir_placement::fingerprint::{Chain, Prefix, PrefixChain};
use weir_tokens::{TextCounter, TextCounts};

use crate::json::unescape;

/// Text is handed on in windows of this many bytes, on a grid that no chunking moves.
const WINDOW: usize = 1024;
/// So many windows are counted in full …
const FULL_WINDOWS: u64 = 16;
/// … and of those after them one in so many.
const STRIDE: u64 = 8;

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
#[derive(Clone, Debug, Default)]
pub(super) struct PromptFacts {
    pub(super) prefix: Prefix,
    pub(super) tools: u64,
    pub(super) counts: TextCounts,
}

/// Takes the text of a prompt.
#[derive(Clone, Debug, Default)]
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
    #[inline]
    pub(super) fn push(&mut self, stream: Stream, piece: &[u8]) {
        let Self { chain, tools, .. } = self;
        match stream {
            Stream::Turns => self.turns_window.push(piece, |text| chain.push_turns(text)),
            Stream::Preamble => self.preamble_window.push(piece, |text| chain.push_preamble(text)),
            Stream::Tools => self.tools_window.push(piece, |text| tools.push(text)),
        }
    }

    /// Adds one token id of a prompt that is given as ids: four bytes, as many as a token of text
    /// has on average. The stream is no longer counted as text.
    pub(super) fn push_id(&mut self, stream: Stream, id: u32) {
        if stream == Stream::Turns {
            self.turns_window.counted.ids = true;
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
        self.push(stream, &[mark::MEDIA]);
        self.push(stream, &hash.to_le_bytes());
    }

    /// A user message ended.
    pub(super) fn end_user_message(&mut self) {
        self.chain.end_first_user_message(self.turns_window.pending());
    }

    /// The prompt is complete.
    pub(super) fn finish(mut self) -> PromptFacts {
        self.chain.push_turns(self.turns_window.pending());
        self.chain.push_preamble(self.preamble_window.pending());
        self.tools.push(self.tools_window.pending());
        let mut counts = self.turns_window.finish();
        counts.add(&self.preamble_window.finish());
        counts.add(&self.tools_window.finish());
        let tools = if self.tools.is_empty() { 0 } else { self.tools.digest() };
        PromptFacts { prefix: self.chain.finish(), tools, counts }
    }
}

/// Collects one stream into whole windows.
#[derive(Clone, Debug)]
struct Window {
    bytes: [u8; WINDOW],
    len: usize,
    counted: Counted,
}

impl Default for Window {
    fn default() -> Self {
        Self { bytes: [0; WINDOW], len: 0, counted: Counted::default() }
    }
}

impl Window {
    #[inline]
    fn push(&mut self, piece: &[u8], mut whole: impl FnMut(&[u8])) {
        if let Some(free) = self.bytes.get_mut(self.len..).filter(|free| piece.len() < free.len()) {
            copy(free, piece);
            self.len += piece.len();
            return;
        }
        self.push_over(piece, &mut whole);
    }

    /// A piece that completes the window, and perhaps more.
    fn push_over(&mut self, piece: &[u8], whole: &mut dyn FnMut(&[u8])) {
        let mut rest = piece;
        if self.len > 0 {
            let free = self.bytes.get_mut(self.len..).unwrap_or_default();
            let (head, tail) = piece.split_at_checked(free.len()).unwrap_or((piece, &[]));
            copy(free, head);
            self.counted.window(&self.bytes);
            whole(&self.bytes);
            rest = tail;
        }
        let (windows, rest) = rest.as_chunks::<WINDOW>();
        for window in windows {
            self.counted.window(window);
            whole(window);
        }
        copy(&mut self.bytes, rest);
        self.len = rest.len();
    }

    fn pending(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn finish(mut self) -> TextCounts {
        let Self { bytes, len, counted } = &mut self;
        counted.window(bytes.get(..*len).unwrap_or_default());
        counted.finish()
    }
}

/// Copies `piece` to the start of `to`, which is at least as long.
#[inline]
fn copy(to: &mut [u8], piece: &[u8]) {
    if let Some(to) = to.get_mut(..piece.len()) {
        to.copy_from_slice(piece);
    }
}

/// The counts of one stream: of all its first windows, of a sample of the later ones.
#[derive(Clone, Debug, Default)]
struct Counted {
    windows: u64,
    head: TextCounter,
    sample: TextCounter,
    sampled_bytes: u64,
    later_bytes: u64,
    plain: Vec<u8>,
    /// The stream holds token ids, not text.
    ids: bool,
}

impl Counted {
    fn window(&mut self, window: &[u8]) {
        if self.ids {
            return;
        }
        let index = self.windows;
        self.windows += 1;
        let later = index.checked_sub(FULL_WINDOWS);
        if later.is_some() {
            self.later_bytes += window.len() as u64;
        }
        if later.is_some_and(|later| later % STRIDE != 0) {
            return;
        }
        self.plain.clear();
        unescape(window, &mut self.plain);
        if later.is_some() {
            self.sampled_bytes += window.len() as u64;
            self.sample.push(&self.plain);
        } else {
            self.head.push(&self.plain);
        }
    }

    fn finish(&self) -> TextCounts {
        let mut counts = self.head.counts();
        counts.add(&self.sample.counts().scaled(self.later_bytes, self.sampled_bytes));
        counts
    }
}
