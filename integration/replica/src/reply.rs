//! The reply that the simulated model gives: choices, their channels, and how they are cut.

use crate::request::GenerationRequest;
use crate::script::{ReplyScript, ScriptedChoice};

const WORDS: [&str; 32] = [
    "the", "river", "gate", "holds", "water", "until", "spring", "when", "every", "channel",
    "opens", "and", "low", "fields", "drink", "slowly", "under", "grey", "morning", "light",
    "while", "stones", "turn", "below", "a", "narrow", "bridge", "where", "boats", "wait", "for",
    "rain",
];

/// One choice: its parts in the order in which they are streamed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) parts: Vec<Part>,
    /// OpenAI's name for why the choice ended.
    pub(crate) finish: String,
}

/// A stretch of one channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// `reasoning_content`, or a thinking block.
    Reasoning(String),
    /// The answer.
    Content(String),
    /// A refusal.
    Refusal(String),
    /// A call of a tool.
    ToolCall(ToolCall),
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

impl Part {
    /// The text that is streamed.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Reasoning(text) | Self::Content(text) | Self::Refusal(text) => text,
            Self::ToolCall(call) => &call.arguments,
        }
    }
}

impl Choice {
    /// All text of one channel, absent when the choice has no part of it.
    pub(crate) fn joined(&self, pick: fn(&Part) -> Option<&str>) -> Option<String> {
        let texts: Vec<&str> = self.parts.iter().filter_map(pick).collect();
        (!texts.is_empty()).then(|| texts.concat())
    }

    /// The answer's text.
    pub(crate) fn content(&self) -> Option<String> {
        self.joined(|part| if let Part::Content(text) = part { Some(text) } else { None })
    }

    /// The reasoning channel's text.
    pub(crate) fn reasoning(&self) -> Option<String> {
        self.joined(|part| if let Part::Reasoning(text) = part { Some(text) } else { None })
    }

    /// The refusal's text.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.joined(|part| if let Part::Refusal(text) = part { Some(text) } else { None })
    }

    /// The tool calls, in order.
    pub(crate) fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.parts.iter().filter_map(|part| match part {
            Part::ToolCall(call) => Some(call),
            _ => None,
        })
    }

    /// Output tokens, one for each piece that `cut` makes.
    pub(crate) fn tokens(&self, cut: Cut) -> usize {
        self.parts.iter().map(|part| cut.pieces(part.text()).len()).sum()
    }
}

/// How text is cut into stream events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// One word in each, with the white space before it.
    Words,
    /// So many characters in each.
    Chars(usize),
}

impl Cut {
    /// The cut that a script asks for.
    pub(crate) fn of(script: &ReplyScript) -> Self {
        script.chunk_chars.map_or(Self::Words, |count| Self::Chars(count.max(1)))
    }

    /// The pieces of `text`; together they are `text`.
    pub(crate) fn pieces(self, text: &str) -> Vec<&str> {
        let mut starts: Vec<usize> = match self {
            Self::Words => word_starts(text),
            Self::Chars(count) => text.char_indices().map(|(at, _)| at).step_by(count).collect(),
        };
        starts.push(text.len());
        let pairs = starts.iter().zip(starts.iter().skip(1));
        pairs.filter_map(|(start, end)| text.get(*start..*end)).collect()
    }
}

/// Where words start, each with the white space before it.
fn word_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut previous_is_space = false;
    for (at, character) in text.char_indices() {
        let space = character.is_whitespace();
        if at == 0 || (space && !previous_is_space) {
            starts.push(at);
        }
        previous_is_space = space;
    }
    starts
}

/// The choices of the reply to `request`.
pub(crate) fn compose(
    request: &GenerationRequest,
    script: &ReplyScript,
    default_tokens: usize,
    seed: u64,
) -> Vec<Choice> {
    if let Some(choices) = &script.choices {
        return choices.iter().enumerate().map(|(index, choice)| scripted(index, choice)).collect();
    }
    let made = |index: usize| match &script.text {
        Some(text) => plain(text.clone(), "stop"),
        None => {
            let (tokens, finish) = length(request, script, default_tokens);
            plain(words(seed.wrapping_add(index as u64), tokens), finish)
        }
    };
    (0..request.choices()).map(made).collect()
}

fn plain(text: String, finish: &str) -> Choice {
    Choice { parts: vec![Part::Content(text)], finish: finish.to_owned() }
}

/// Output tokens and finish reason: the model stops by itself unless the client's limit is smaller
/// or it must ignore its own end.
fn length(
    request: &GenerationRequest,
    script: &ReplyScript,
    default: usize,
) -> (usize, &'static str) {
    let natural = script.output_tokens.unwrap_or(default);
    match request.limit() {
        Some(limit) if limit < natural || request.ignore_eos == Some(true) => (limit, "length"),
        _ => (natural, "stop"),
    }
}

fn scripted(index: usize, choice: &ScriptedChoice) -> Choice {
    let mut parts = Vec::new();
    parts.extend(choice.reasoning_content.clone().map(Part::Reasoning));
    parts.extend(choice.content.clone().map(Part::Content));
    parts.extend(choice.refusal.clone().map(Part::Refusal));
    parts.extend(choice.tool_calls.iter().enumerate().map(|(tool, call)| {
        let made_up = format!("call_{index}_{tool}");
        let id = if call.id.is_empty() { made_up } else { call.id.clone() };
        let (name, arguments) = (call.name.clone(), call.arguments.clone());
        Part::ToolCall(ToolCall { id, name, arguments })
    }));
    let usual = if choice.tool_calls.is_empty() { "stop" } else { "tool_calls" };
    Choice { parts, finish: choice.finish_reason.clone().unwrap_or_else(|| usual.to_owned()) }
}

/// `count` words that follow from `seed` alone.
fn words(seed: u64, count: usize) -> String {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = usize::try_from(state >> 59).unwrap_or(0);
        WORDS.get(index).copied().unwrap_or("the")
    };
    (0..count).map(|_| next()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn composed(request: serde_json::Value, script: ReplyScript) -> Vec<Choice> {
        compose(&serde_json::from_value(request).unwrap(), &script, 8, 1)
    }

    #[test]
    fn the_clients_limit_and_the_model_decide_the_length() {
        let cases = [
            (json!({}), 8, "stop"),
            (json!({"max_tokens": 3}), 3, "length"),
            (json!({"max_completion_tokens": 20}), 8, "stop"),
            (json!({"max_output_tokens": 20, "ignore_eos": true}), 20, "length"),
        ];
        for (request, tokens, finish) in cases {
            let choices = composed(request, ReplyScript::default());
            assert_eq!(choices[0].tokens(Cut::Words), tokens);
            assert_eq!(choices[0].finish, finish);
        }
    }

    #[test]
    fn replies_are_repeatable_and_choices_differ() {
        let two = composed(json!({"n": 2}), ReplyScript::default());
        assert_eq!(two, composed(json!({"n": 2}), ReplyScript::default()));
        assert_ne!(two[0], two[1]);
    }

    #[test]
    fn a_script_sets_channels_and_finish_reason() {
        let script = serde_json::from_value(json!({"choices": [
            {"reasoning_content": "hm", "content": "yes", "tool_calls": [{"name": "f", "arguments": "{}"}]},
            {"refusal": "no", "finish_reason": "content_filter"},
        ]}))
        .unwrap();
        let choices = composed(json!({}), script);
        assert_eq!(choices[0].reasoning().as_deref(), Some("hm"));
        assert_eq!(choices[0].finish, "tool_calls");
        assert_eq!(choices[0].tool_calls().next().unwrap().id, "call_0_0");
        assert_eq!((choices[1].content(), choices[1].finish.as_str()), (None, "content_filter"));
    }

    #[test]
    fn words_keep_the_space_before_them() {
        assert_eq!(Cut::Words.pieces("a bc\n\nd "), ["a", " bc", "\n\nd", " "]);
        assert_eq!(Cut::Chars(2).pieces("äöü"), ["äö", "ü"]);
        assert!(Cut::Words.pieces("").is_empty());
    }

    proptest! {
        #[test]
        fn pieces_together_are_the_text(text in any::<String>(), count in 1_usize..5) {
            for cut in [Cut::Words, Cut::Chars(count)] {
                prop_assert_eq!(cut.pieces(&text).concat(), text.clone());
            }
        }
    }
}
