//! The forms, from `testdata/guard/forms.json`.

use serde_json::Value;
use weir_wire::path::{Dialect, Operation};

/// A form of a stream.
pub(crate) struct Form {
    pub(crate) name: String,
    form: Value,
}

pub(crate) fn forms() -> Vec<Form> {
    let file = include_str!("../../../../testdata/guard/forms.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let forms = file["forms"].as_array().unwrap().iter();
    forms
        .map(|form| Form { name: form["name"].as_str().unwrap().to_owned(), form: form.clone() })
        .collect()
}

impl Form {
    fn says(&self, member: &str) -> &str {
        self.form[member].as_str().unwrap_or_default()
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.says("api") {
            "messages" => Dialect::Anthropic,
            "gemini" => Dialect::Gemini,
            "kserve" => Dialect::Kserve,
            _ => Dialect::OpenAi,
        }
    }

    pub(crate) fn operation(&self) -> Option<Operation> {
        match self.says("api") {
            "chat" => Some(Operation::ChatCompletions),
            "text" => Some(Operation::Completions),
            "responses" => Some(Operation::Responses),
            "messages" => Some(Operation::Messages),
            "gemini" => Some(Operation::GenerateContent),
            _ => None,
        }
    }

    /// How the events are told apart.
    pub(crate) fn framing(&self) -> &str {
        self.says("framing")
    }

    /// Whether the events are JSON documents one after the other, in a list or on lines.
    pub(crate) fn is_array(&self) -> bool {
        matches!(self.says("framing"), "array" | "lines")
    }

    /// Whether it has a place that repeats all of the text so far.
    pub(crate) fn is_cumulative(&self) -> bool {
        self.form["piece"].to_string().contains("CUMULATIVE")
    }

    /// Whether a place repeats all of the text so far.
    pub(crate) fn cumulative(&self, place: &str) -> bool {
        self.is_cumulative() && (place.ends_with("message.content") || place == "text")
    }

    /// Whether a place repeats a text token by token, and may be emptied.
    pub(crate) fn is_repeat(&self, place: &str) -> bool {
        let repeats = ["logprobs", "token_ids", "completion_probabilities", "top_tokens"];
        repeats.iter().any(|name| place.contains(name))
    }

    /// The stream that brings a text in these pieces.
    pub(crate) fn stream(&self, pieces: &[&str]) -> String {
        let list = |member: &str| self.form[member].as_array().cloned().unwrap_or_default();
        let mut events = Vec::new();
        let mut so_far = String::new();
        events.extend(list("before").iter().map(|event| filled(event, "", "")));
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 && self.form["between"].is_object() {
                events.push(self.form["between"].clone());
            }
            so_far.push_str(piece);
            events.push(filled(&self.form["piece"], piece, &so_far));
        }
        events.extend(list("after").iter().map(|event| filled(event, "", &so_far)));
        let written: Vec<String> = events.iter().map(|event| self.written(event)).collect();
        match self.says("framing") {
            "array" => format!("[{}]\n", written.join("\n,\r\n")),
            "lines" => written.join("\n") + "\n",
            _ => {
                let end = if matches!(self.says("api"), "chat" | "text") {
                    "data: [DONE]\n\n"
                } else {
                    ""
                };
                written.join(self.says("raw_between")) + end
            }
        }
    }

    fn written(&self, event: &Value) -> String {
        if self.is_array() {
            return event.to_string();
        }
        let name = match self.form["named"].as_bool() {
            Some(true) => event["type"].as_str().unwrap_or_default(),
            _ => self.says("event"),
        };
        let name = if name.is_empty() { String::new() } else { format!("event: {name}\n") };
        format!("{name}data: {event}\n\n")
    }
}

/// An event with the texts in their places.
fn filled(event: &Value, text: &str, all: &str) -> Value {
    match event {
        Value::String(place) if place == "TEXT" => Value::String(text.to_owned()),
        Value::String(place) if place == "CUMULATIVE" => Value::String(all.to_owned()),
        Value::Array(list) => list.iter().map(|element| filled(element, text, all)).collect(),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let name = if name == "TEXT" { text } else { name };
                (name.to_owned(), filled(value, text, all))
            };
            Value::Object(members.iter().map(member).collect())
        }
        other => other.clone(),
    }
}
