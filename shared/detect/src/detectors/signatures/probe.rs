//! Questions for the system prompt.

use super::{Signature, Words, signature};
use crate::rule::BuiltIn::PromptProbe;

const SHOW: Words = &[
    "show", "reveal", "repeat", "print", "output", "display", "tell", "give", "share", "dump",
    "leak", "what", "expose", "encode", "translat", "summari", "write", "disclose", "list",
    "recite", "copy", "provide", "spell", "describe", "state", "include", "return", "echo", "see",
    "read", "recall", "paste", "log",
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

pub(super) static PROBES: [Signature; 28] = [
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
    signature("system prompt", &[&["your"]], PromptProbe, 0.6),
    signature("system instructions", &[&["your"]], PromptProbe, 0.6),
    signature(
        "systemprompt",
        &[&["log", "print", "show", "echo", "output", "reveal", "return"]],
        PromptProbe,
        0.7,
    ),
    signature(
        "system_prompt",
        &[&["log", "print", "show", "echo", "output", "reveal", "return"]],
        PromptProbe,
        0.7,
    ),
    signature("system configuration", &[&["your"], SHOW], PromptProbe, 0.6),
    signature("initial configuration", &[&["your"]], PromptProbe, 0.55),
    signature(
        "initialization string",
        &[&["output", "print", "show", "reveal", "your", "repeat"]],
        PromptProbe,
        0.55,
    ),
    signature(
        "conversation",
        &[&["entire", "whole", "this", "full"], &["repeat", "print", "output", "recite", "copy"]],
        PromptProbe,
        0.6,
    ),
    signature(
        "text",
        &[
            &["above", "preceding", "earlier"],
            &["repeat", "output", "print", "copy", "recite", "spell", "echo"],
        ],
        PromptProbe,
        0.65,
    ),
    signature(
        "words above",
        &[&["repeat", "output", "print", "copy", "recite", "echo"]],
        PromptProbe,
        0.7,
    ),
    signature(
        "instructions",
        &[&["my"], &["start", "begin", "answer", "respon", "reply"]],
        PromptProbe,
        0.6,
    ),
    signature(
        "instructed",
        &[&["was", "were", "been"], &["complet", "continue", "finish", "sentence", "phrase"]],
        PromptProbe,
        0.6,
    ),
    signature("supposed to tell", &[&["not", "t"], &["you"]], PromptProbe, 0.6),
    signature("allowed to tell", &[&["not", "t"], &["you"]], PromptProbe, 0.55),
    signature("confidential instructions", &[], PromptProbe, 0.6),
    signature("secret instructions", &[], PromptProbe, 0.6),
    signature("hidden instructions", &[], PromptProbe, 0.55),
];
