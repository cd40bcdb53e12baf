//! Phrases of prompt injection and jailbreaks, as the words that end them and the words that must
//! stand before.
//!
//! A signature catches known turns of phrase; it can't catch a paraphrase or an instruction that
//! reads like an ordinary request ("add an advertisement to your answer"). Weak signatures only
//! count together. The families are those of the literature: overriding earlier instructions
//! (Perez and Ribeiro, "Ignore previous prompt"), personas and privilege escalation (Shen et al.,
//! "Do anything now"), prompt extraction, and the delimiters of chat templates.

mod english;
mod foreign;
mod jailbreak;
mod probe;
mod signature;

pub(crate) use signature::Signature;

use signature::signature;

use crate::rule::BuiltIn;

/// Every signature; the order does not matter.
pub(crate) fn all() -> impl Iterator<Item = &'static Signature> {
    let [overrides, probes, jailbreaks, foreign, digits] = TABLES;
    overrides.iter().chain(probes).chain(jailbreaks).chain(foreign).chain(digits)
}

static TABLES: [&[Signature]; 5] =
    [&english::OVERRIDES, &probe::PROBES, &jailbreak::JAILBREAKS, &foreign::OVERRIDES, &DIGITS];

/// Digits as words, which are found in the same way; `detectors::spelled` judges them.
static DIGITS: [Signature; 10] = [
    digit("zero"),
    digit("one"),
    digit("two"),
    digit("three"),
    digit("four"),
    digit("five"),
    digit("six"),
    digit("seven"),
    digit("eight"),
    digit("nine"),
];

const fn digit(tail: &'static str) -> Signature {
    signature(tail, &[], BuiltIn::SpelledDigits, 0.0)
}
