//! A finished reply, and what its pieces are.

use bytes::Bytes;
use serde_json::Value;

use crate::reply::{Choice, Cut, Part};

/// A reply that is ready to be written.
#[derive(Debug)]
pub(crate) struct Completion {
    /// Number of the request, part of the reply's id.
    pub(crate) id: u64,
    /// Seconds since 1970.
    pub(crate) created: u64,
    /// The model's name as the client wrote it.
    pub(crate) model: String,
    pub(crate) choices: Vec<Choice>,
    pub(crate) cut: Cut,
    pub(crate) usage: Usage,
    /// The client wants usage at the end of the stream.
    pub(crate) include_usage: bool,
    /// Alternatives to report with each token, if any are wanted.
    pub(crate) logprobs: Option<usize>,
}

/// Tokens of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: usize,
    /// Those of `prompt` that were cached.
    pub(crate) cached: usize,
    pub(crate) completion: usize,
}

/// Some events of a stream that are sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) bytes: Bytes,
    /// It carries an output token, so it is due one decode interval after the one before.
    pub(crate) paced: bool,
}

impl Completion {
    /// What is decoded, in order: in every round one piece of each choice that has not ended.
    pub(super) fn rounds(&self) -> Vec<Vec<Delta<'_>>> {
        let mut rounds: Vec<Vec<Delta<'_>>> = Vec::new();
        for (index, choice) in self.choices.iter().enumerate() {
            for (round, delta) in deltas(index, choice, self.cut).into_iter().enumerate() {
                match rounds.get_mut(round) {
                    Some(present) => present.push(delta),
                    None => rounds.push(vec![delta]),
                }
            }
        }
        rounds
    }
}

impl Usage {
    /// The `usage` object of OpenAI's chat and completions.
    pub(super) fn openai(self) -> Value {
        serde_json::json!({
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt.saturating_add(self.completion),
            "prompt_tokens_details": {"cached_tokens": self.cached},
        })
    }
}

impl Step {
    pub(super) fn paced(bytes: String) -> Self {
        Self { bytes: bytes.into(), paced: true }
    }

    pub(super) fn unpaced(bytes: String) -> Self {
        Self { bytes: bytes.into(), paced: false }
    }
}

/// One piece of one choice.
#[derive(Debug)]
pub(super) struct Delta<'a> {
    pub(super) choice: usize,
    pub(super) part: &'a Part,
    /// Position of `part` among the parts of its choice.
    pub(super) position: usize,
    /// Position of the tool call among the tool calls of its choice.
    pub(super) tool: usize,
    pub(super) text: &'a str,
    pub(super) first: bool,
    pub(super) last: bool,
}

fn deltas(choice: usize, made: &Choice, cut: Cut) -> Vec<Delta<'_>> {
    let mut all = Vec::new();
    let mut tool = 0_usize;
    for (position, part) in made.parts.iter().enumerate() {
        let mut pieces = cut.pieces(part.text());
        if pieces.is_empty() {
            pieces.push("");
        }
        let end = pieces.len().saturating_sub(1);
        all.extend(pieces.into_iter().enumerate().map(|(at, text)| {
            let (first, last) = (at == 0, at == end);
            Delta { choice, part, position, tool, text, first, last }
        }));
        tool = tool.saturating_add(usize::from(matches!(part, Part::ToolCall(_))));
    }
    all
}

/// A server-sent event without a name.
pub(super) fn data(document: &Value) -> String {
    format!("data: {document}\n\n")
}

/// A server-sent event named as the document's own `type`.
pub(super) fn named(document: &Value) -> String {
    let name = document.get("type").and_then(Value::as_str).unwrap_or("message");
    format!("event: {name}\ndata: {document}\n\n")
}

/// Sets a field of an object.
pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}
