//! Phrases of prompt injection and jailbreaks, as the words that end them and the words that must
//! stand before.
//!
//! A signature catches known turns of phrase in English; it can't catch a paraphrase, another
//! language or an instruction that reads like an ordinary request. Weak signatures only count
//! together.

use crate::rule::BuiltIn;

/// One phrase.
#[derive(Debug)]
pub(crate) struct Signature {
    /// The literal that ends it, lower case.
    pub(crate) tail: &'static str,
    /// Word sets that must stand before it, nearest first; a word matches by its beginning.
    pub(crate) before: &'static [&'static [&'static str]],
    pub(crate) rule: BuiltIn,
    /// Confidence of the phrase by itself.
    pub(crate) weight: f32,
}

const fn signature(
    tail: &'static str,
    before: &'static [&'static [&'static str]],
    rule: BuiltIn,
    weight: f32,
) -> Signature {
    Signature { tail, before, rule, weight }
}

use BuiltIn::{Injection, Jailbreak, PromptProbe};

type Words = &'static [&'static str];

const IGNORE: Words = &[
    "ignor",
    "disregard",
    "forget",
    "overrid",
    "bypass",
    "neglect",
    "discard",
    "abandon",
    "delete",
    "dismiss",
    "overlook",
];
const EARLIER: Words = &[
    "previous",
    "prior",
    "above",
    "preceding",
    "earlier",
    "foregoing",
    "past",
    "former",
    "initial",
    "original",
];
const OWN: Words = &[
    "your",
    "all",
    "any",
    "system",
    "safety",
    "ethical",
    "these",
    "every",
    "openai",
    "content",
    "existing",
    "programmed",
];
const SHOW: Words = &[
    "show", "reveal", "repeat", "print", "output", "display", "tell", "give", "share", "dump",
    "leak", "what", "expose", "encode", "translat", "summari", "write", "disclose", "list",
    "recite", "copy", "provide", "spell", "describe", "state", "include", "return", "echo",
];
const HIDDEN: Words = &[
    "system",
    "initial",
    "hidden",
    "secret",
    "starting",
    "original",
    "your",
    "base",
    "internal",
    "configuration",
    "developer",
    "pre-prompt",
];
const FREE: Words = &[
    "no",
    "without",
    "free",
    "not",
    "never",
    "nor",
    "any",
    "ignor",
    "bypass",
    "regardless",
    "lack",
    "zero",
    "doesn",
    "don",
    "despite",
];

/// The table. Several tails share their sets; the order does not matter.
pub(crate) static SIGNATURES: [Signature; 61] = [
    signature("instructions", &[EARLIER, IGNORE], Injection, 0.95),
    signature("instruction", &[EARLIER, IGNORE], Injection, 0.9),
    signature("instructions", &[OWN, IGNORE], Injection, 0.8),
    signature("prompt", &[EARLIER, IGNORE], Injection, 0.9),
    signature("prompts", &[EARLIER, IGNORE], Injection, 0.9),
    signature("guidelines", &[EARLIER, IGNORE], Injection, 0.9),
    signature("guidelines", &[OWN, IGNORE], Injection, 0.75),
    signature("rules", &[EARLIER, IGNORE], Injection, 0.8),
    signature("rules", &[&["your", "system", "safety", "openai"], IGNORE], Injection, 0.7),
    signature("directives", &[EARLIER, IGNORE], Injection, 0.9),
    signature("directions", &[EARLIER, IGNORE], Injection, 0.85),
    signature("commands", &[EARLIER, IGNORE], Injection, 0.85),
    signature("context", &[EARLIER, &["ignor", "disregard", "forget"]], Injection, 0.75),
    signature("messages", &[EARLIER, &["ignor", "disregard", "forget"]], Injection, 0.75),
    signature("constraints", &[OWN, IGNORE], Injection, 0.75),
    signature("restrictions", &[OWN, IGNORE], Injection, 0.75),
    signature("programming", &[&["your"], IGNORE], Injection, 0.75),
    signature("training", &[&["your"], IGNORE], Injection, 0.7),
    signature("safeguards", &[OWN, IGNORE], Injection, 0.75),
    signature("policies", &[&["your", "openai", "content", "safety"], IGNORE], Injection, 0.8),
    signature("system prompt", &[SHOW], PromptProbe, 0.85),
    signature("system prompt", &[], PromptProbe, 0.45),
    signature("system message", &[SHOW], PromptProbe, 0.75),
    signature("system instructions", &[SHOW], PromptProbe, 0.8),
    signature("initial prompt", &[], PromptProbe, 0.6),
    signature("instructions", &[HIDDEN, SHOW], PromptProbe, 0.7),
    signature(
        "prompt",
        &[&["your", "hidden", "secret", "initial", "starting"], SHOW],
        PromptProbe,
        0.7,
    ),
    signature(
        "given",
        &[&["were"], &["you"], &["instruct", "prompt", "text", "rules", "what", "words"]],
        PromptProbe,
        0.7,
    ),
    signature(
        "told",
        &[&["were"], &["you"], &["what", "everything", "instruct"]],
        PromptProbe,
        0.55,
    ),
    signature(
        "above",
        &[
            &["text", "everything", "words", "all", "conversation", "instruct"],
            &["repeat", "output", "print", "copy", "show", "translat", "write"],
        ],
        PromptProbe,
        0.6,
    ),
    signature(
        "conversation",
        &[&["before", "beginning", "start"], &["told", "given", "instruct", "prompt"]],
        PromptProbe,
        0.75,
    ),
    signature("anything now", &[&["do"]], Jailbreak, 0.95),
    signature(
        "developer mode",
        &[&["enabl", "simulat", "activat", "enter", "output", "with", "as", "chatgpt"]],
        Jailbreak,
        0.75,
    ),
    signature("developer mode", &[], Jailbreak, 0.4),
    signature("jailbreak", &[], Jailbreak, 0.45),
    signature("jailbroken", &[], Jailbreak, 0.5),
    signature("as dan", &[&["act", "respon", "answer", "behave", "you"]], Jailbreak, 0.85),
    signature(
        "unfiltered",
        &[&[
            "ai", "bot", "chatbot", "model", "respon", "complete", "raw", "always", "free", "an",
            "and",
        ]],
        Jailbreak,
        0.45,
    ),
    signature("uncensored", &[], Jailbreak, 0.4),
    signature("restrictions", &[FREE], Jailbreak, 0.4),
    signature("limitations", &[FREE], Jailbreak, 0.3),
    signature(
        "guidelines",
        &[&["ethical", "moral", "openai", "content", "safety", "no"], FREE],
        Jailbreak,
        0.6,
    ),
    signature("policies", &[&["openai", "content", "usage", "its"], FREE], Jailbreak, 0.6),
    signature("policy", &[&["openai", "content", "usage"], FREE], Jailbreak, 0.6),
    signature("openai", &[&["by", "from", "of"], FREE], Jailbreak, 0.35),
    signature("in character", &[&["stay", "remain", "always"]], Jailbreak, 0.35),
    signature("refuse", &[&["never", "not", "cannot", "can", "t"]], Jailbreak, 0.4),
    signature("unethical", &[], Jailbreak, 0.25),
    signature("immoral", &[], Jailbreak, 0.3),
    signature("amoral", &[], Jailbreak, 0.45),
    signature(
        "illegal",
        &[&["immoral", "unethical", "even", "harmful", "matter", "dangerous", "if"]],
        Jailbreak,
        0.35,
    ),
    signature("disclaimers", &[FREE], Jailbreak, 0.4),
    signature(
        "warnings",
        &[FREE, &["respon", "output", "answer", "never", "include", "you", "must"]],
        Jailbreak,
        0.3,
    ),
    signature("morals", &[FREE], Jailbreak, 0.4),
    signature("ethics", &[FREE], Jailbreak, 0.35),
    signature(
        "language model",
        &[&["ai"], &["as"], &["say", "never", "not", "phrase", "don"]],
        Jailbreak,
        0.45,
    ),
    signature(
        "two responses",
        &[&["generat", "give", "provide", "with", "output"]],
        Jailbreak,
        0.45,
    ),
    signature("chatgpt", &[&["you", "are", "as", "not", "version", "instead"]], Jailbreak, 0.25),
    signature("persona", &[], Jailbreak, 0.2),
    signature("hypothetical", &[], Jailbreak, 0.2),
    signature("fictional", &[&["a", "purely", "the", "this"]], Jailbreak, 0.15),
];
