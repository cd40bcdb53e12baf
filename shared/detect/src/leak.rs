//! The request's own system prompt in the response: sequences of words in common.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashSet;

use crate::hash::FixedHasher;
use crate::rule::BuiltIn;
use crate::scan::Candidate;

/// Words in a shingle: eight in a row rarely agree by chance.
const SHINGLE: usize = 8;
/// A shorter prompt is watched as one shingle, from this many words on.
const LEAST: usize = 4;
/// Longest word that is read; the rest of a longer one is another word.
const MAX_WORD: usize = 64;

/// Offset basis and prime of 64-bit FNV-1a, by which words are told apart: most have a few bytes.
const BASIS: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x0100_0000_01B3;

/// The word sequences of a system prompt; keeps hashes only, no text.
#[derive(Clone)]
pub struct SystemPrompt {
    shingles: HashSet<u64, FixedHasher>,
    width: usize,
}

impl SystemPrompt {
    /// Reads the prompt's words; `None` when there are too few to tell a leak from chance.
    pub fn new(text: &str) -> Option<Self> {
        let mut hashes = Vec::new();
        words(text.as_bytes(), true, |_, _, hash| hashes.push(hash));
        let width = hashes.len().min(SHINGLE);
        if width < LEAST {
            return None;
        }
        let shingles = hashes.windows(width).map(|window| combine(window.iter())).collect();
        Some(Self { shingles, width })
    }
}

impl fmt::Debug for SystemPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemPrompt")
            .field("shingles", &self.shingles.len())
            .finish_non_exhaustive()
    }
}

/// Follows a response word by word.
#[derive(Debug)]
pub(crate) struct LeakWatch {
    prompt: Arc<SystemPrompt>,
    recent: VecDeque<u64>,
    /// First byte of the text that belongs to no finished word.
    at: usize,
}

impl LeakWatch {
    /// Watches from byte `at` of the text on.
    pub(crate) fn new(prompt: Arc<SystemPrompt>, at: usize) -> Self {
        Self { prompt, recent: VecDeque::with_capacity(SHINGLE), at }
    }

    /// Moves the beginning behind a context.
    pub(crate) fn skip(&mut self, length: usize) {
        self.at = length;
    }

    /// First byte of the text that belongs to no finished word: a candidate may still begin here.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Reads the words of `text` not seen before; the last word of each shingle is a candidate.
    pub(crate) fn advance(&mut self, text: &[u8], complete: bool, out: &mut Vec<Candidate>) {
        let from = self.at;
        let Some(rest) = text.get(from..) else { return };
        let Self { prompt, recent, .. } = self;
        let read = words(rest, complete, |start, end, hash| {
            if recent.len() == prompt.width {
                recent.pop_front();
            }
            recent.push_back(hash);
            if recent.len() == prompt.width && prompt.shingles.contains(&combine(recent.iter())) {
                out.push(Candidate::plain(from + start..from + end, BuiltIn::SystemPromptLeak));
            }
        });
        self.at = from + read;
    }

    pub(crate) fn shift(&mut self, by: usize) {
        self.at = self.at.saturating_sub(by);
    }
}

fn combine<'h>(hashes: impl Iterator<Item = &'h u64>) -> u64 {
    hashes.fold(0, |sum, hash| sum.rotate_left(9).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ hash)
}

/// Calls `take` with place and hash of every word; answers how much was read. Scripts without
/// spaces count character by character.
fn words(text: &[u8], complete: bool, mut take: impl FnMut(usize, usize, u64)) -> usize {
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let skip =
            rest.iter().position(|b| b.is_ascii_alphanumeric() || *b >= 0xC0).unwrap_or(rest.len());
        let start = at + skip;
        let rest = text.get(start..).unwrap_or_default();
        let Some(first) = rest.first() else { return start };
        let caseless = matches!(first, 0xE3..=0xED);
        let most = if caseless { 3 } else { MAX_WORD };
        let bytes = rest.iter().take(most).take_while(|byte| caseless || is_word(**byte));
        let (length, hash) = bytes.fold((0, BASIS), |(length, hash), byte| {
            (length + 1, (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(PRIME))
        });
        if length == rest.len() && !complete && !caseless {
            return start;
        }
        take(start, start + length, hash);
        at = start + length;
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || (byte >= 0x80 && !matches!(byte, 0xE3..=0xED))
}
