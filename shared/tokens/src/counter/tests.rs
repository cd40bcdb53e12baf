//! Against a count byte by byte.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::TextCounter;
use crate::{Feature, TextCounts};

fn counted(pieces: &[&[u8]]) -> TextCounts {
    let mut counter = TextCounter::new();
    pieces.iter().for_each(|piece| counter.push(piece));
    counter.counts()
}

/// How many bytes before `at` are of the class, without a gap.
fn run(text: &[u8], at: usize, class: impl Fn(&u8) -> bool) -> usize {
    text[..at].iter().rev().take_while(|byte| class(byte)).count()
}

/// Every feature in plain words; which of them a byte counts for.
fn features_at(text: &[u8], at: usize) -> Vec<Feature> {
    use Feature as F;
    let byte = text[at];
    let before = at.checked_sub(1).map(|at| text[at]).unwrap_or(0);
    let space = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let mut found = Vec::new();
    let mut when = |condition: bool, feature| {
        if condition {
            found.push(feature);
        }
    };
    if byte.is_ascii_alphabetic() {
        let letters = run(text, at, u8::is_ascii_alphabetic);
        when(letters == 0 && !before.is_ascii_punctuation(), F::Words);
        let lower = byte.to_ascii_lowercase();
        when(letters > 0 && b"aeiou".contains(&lower), F::InnerVowels);
        let rare = |b: &u8| b"bcfghjkmpqvwxyz".contains(&b.to_ascii_lowercase());
        when(rare(&byte) && rare(&before), F::RareClusters);
        when(b"jz".contains(&lower), F::LettersJz);
        when(lower == b'k', F::LettersK);
        let capitals = run(text, at, u8::is_ascii_uppercase);
        when(capitals >= 2 && byte.is_ascii_lowercase(), F::CapitalRunEnds);
        when(letters == 0 && before.is_ascii_punctuation(), F::MarkedWords);
        when(letters == 0 && byte.is_ascii_uppercase(), F::Titles);
        when(byte.is_ascii_uppercase() && before.is_ascii_lowercase(), F::CaseFlips);
    } else if byte.is_ascii_digit() {
        when(!before.is_ascii_digit(), F::Numbers);
        when(space(&before), F::SpacedNumbers);
        when(before.is_ascii_digit(), F::DigitsBeyond1);
    } else if byte.is_ascii_punctuation() {
        when(!before.is_ascii_punctuation(), F::PunctuationRuns);
        when(before.is_ascii_punctuation(), F::PunctuationBeyond1);
    } else if space(&byte) {
        let spaces = run(text, at, space);
        when(spaces >= 1, F::SpaceBeyond1);
        when(spaces == 1, F::SpaceRuns);
        let breaks = byte == b'\n' && before != b'\n';
        when(breaks && !before.is_ascii_punctuation(), F::LineBreaks);
    } else if byte >= 0x80 {
        let within = before >= 0x80 || before.is_ascii_alphabetic();
        when((0xC2..0xE0).contains(&byte) && !within, F::ForeignWords);
        when((0xEA..0xEE).contains(&byte) && !within, F::HangulWords);
        match byte {
            0xC2..0xCC => found.push(F::Latin),
            0xCC..0xD0 => found.push(F::Greek),
            0xD0..0xD4 => found.push(F::Cyrillic),
            0xD4..0xE0 => found.push(F::Semitic),
            0xE0 => found.push(F::Indic),
            0xE1 => found.push(F::Other3),
            0xE2 => found.push(F::Symbols),
            0xE3 => found.push(F::Kana),
            0xE4..0xEA => found.push(F::Han),
            0xEA..0xEE => found.push(F::Hangul),
            0xEE..0xF0 => found.push(F::Wide),
            0xF0.. => found.push(F::Astral),
            _ => {}
        }
    }
    found
}

fn byte_by_byte(text: &[u8]) -> TextCounts {
    let mut counts = TextCounts { bytes: text.len() as u64, ..TextCounts::default() };
    for feature in (0..text.len()).flat_map(|at| features_at(text, at)) {
        counts.features[feature as usize] += 1;
    }
    counts
}

const MIXED: &str = "The HTTPServer's max_tokens=4096 — see §2.1 (größer)…\n\n\n    fn x() {}\t\r\n\
Это текст, 这是中文。これはカタカナです 한국어 문장 שלום नमस्ते 😀👍🏽 ABCdef1234567890 ----====---- \
internationalisation Jazz KUbernetes xkcd WXYZabc qwxzjk.............................................................................end";

#[test]
fn blocks_count_like_single_bytes() {
    for start in 0..70 {
        let text = format!("{}{MIXED}", "a ".repeat(start));
        assert_eq!(counted(&[text.as_bytes()]), byte_by_byte(text.as_bytes()), "after {start}");
    }
}

#[test]
fn cuts_change_nothing() {
    let text = MIXED.as_bytes();
    let whole = counted(&[text]);
    for cut in 0..=text.len() {
        let (head, tail) = text.split_at(cut);
        assert_eq!(counted(&[head, tail]), whole, "cut at {cut}");
    }
    for size in [1, 2, 3, 63, 64, 65] {
        assert_eq!(counted(&text.chunks(size).collect::<Vec<_>>()), whole, "pieces of {size}");
    }
}

#[test]
fn separate_texts_do_not_join_their_words() {
    let mut counter = TextCounter::new();
    counter.push(b"one");
    counter.separate();
    counter.push(b"two");
    assert_eq!(counter.counts().of(Feature::Words), 2);
    assert_eq!(counter.counts().bytes, 6);
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use super::{byte_by_byte, counted};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes(text in prop::collection::vec(any::<u8>(), 0..300), size in 1_usize..80) {
            let expected = byte_by_byte(&text);
            prop_assert_eq!(counted(&text.chunks(size).collect::<Vec<_>>()), expected);
        }
    }
}
