//! What is counted.

/// One number that says something about how many tokens a text has.
///
/// The splitting rules of current vocabularies stand behind them: a word with the space before it
/// is one token when it is frequent, and frequent words have few syllables of frequent letters; a change from lower to upper
/// case starts a new token; digits go in threes; runs of punctuation and of white space go
/// together; scripts other than Latin have their own rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Feature {
    /// Runs of ASCII letters that do not come right after punctuation.
    Words,
    /// Vowels right after another letter: with the words themselves, about the syllables. A vocabulary
    /// has most words of one or two.
    InnerVowels,
    /// Consonants right after another one, both of those that are rarer in words than n, r, s, t, l and d.
    RareClusters,
    /// The letters j and z, of which vocabularies made of English have few words.
    LettersJz,
    /// The letter k, likewise.
    LettersK,
    /// Words that start with an upper-case letter.
    Titles,
    /// Upper-case letters right after a lower-case letter.
    CaseFlips,
    /// Lower-case letters right after at least two upper-case ones, as in `HTTPServer`.
    CapitalRunEnds,
    /// Runs of ASCII digits.
    Numbers,
    /// Those of them that come right after white space, which no token of digits includes.
    SpacedNumbers,
    /// ASCII digits after at least one other.
    DigitsBeyond1,
    /// Runs of ASCII punctuation.
    PunctuationRuns,
    /// ASCII punctuation after at least one other.
    PunctuationBeyond1,
    /// Runs of ASCII letters right after punctuation, the last of which goes with them.
    MarkedWords,
    /// Line breaks, of those in a row the first, but not right after punctuation, which takes them
    /// along.
    LineBreaks,
    /// White space after other white space.
    SpaceBeyond1,
    /// Runs of more than one white space: all but the last of a run go together.
    SpaceRuns,
    /// Runs of letters of two bytes, where an ASCII letter does not come before.
    ForeignWords,
    /// Latin letters with marks.
    Latin,
    /// Greek letters, and combining marks.
    Greek,
    /// Cyrillic letters.
    Cyrillic,
    /// Letters of Armenian, Hebrew, Arabic and their neighbours.
    Semitic,
    /// Letters of India and Thailand (three bytes).
    Indic,
    /// Other scripts of Asia and Africa, and Latin letters with two marks (Vietnamese).
    Other3,
    /// Punctuation, arrows, boxes and signs.
    Symbols,
    /// Kana and their punctuation.
    Kana,
    /// Han characters.
    Han,
    /// Hangul syllables.
    Hangul,
    /// Runs of Hangul syllables.
    HangulWords,
    /// Full-width forms and private characters.
    Wide,
    /// Characters of four bytes: emoji, rare Han.
    Astral,
}

/// How many features there are.
pub(crate) const FEATURES: usize = Feature::Astral as usize + 1;

/// The counts of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextCounts {
    pub(crate) features: [u64; FEATURES],
    /// Bytes of UTF-8.
    pub bytes: u64,
    /// Token ids of prompts that are given as ids.
    pub token_ids: u64,
}

impl TextCounts {
    /// The count of one feature.
    pub fn of(&self, feature: Feature) -> u64 {
        self.features.get(feature as usize).copied().unwrap_or(0)
    }

    /// All features in the order of [`Feature`].
    pub fn features(&self) -> &[u64] {
        &self.features
    }

    /// Adds the counts of another text.
    pub fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.token_ids = self.token_ids.saturating_add(other.token_ids);
        for (count, more) in self.features.iter_mut().zip(other.features) {
            *count = count.saturating_add(more);
        }
    }

    /// The counts of a text `bytes` long of which this is a sample of `sampled` bytes.
    #[must_use]
    pub fn scaled(&self, bytes: u64, sampled: u64) -> Self {
        let scale = |n: u64| match n {
            0 => 0,
            _ => n.saturating_mul(bytes).checked_div(sampled).unwrap_or(0),
        };
        Self {
            bytes: scale(self.bytes),
            token_ids: self.token_ids,
            features: self.features.map(scale),
        }
    }
}
