//! OpenAI Responses. The API has one choice; further ones are left out.

use serde_json::{Value, json};

use super::completion::{Completion, Delta, Step, named, put};
use crate::reply::Part;

pub(super) fn document(reply: &Completion) -> Value {
    let parts = reply.choices.first().map(|choice| choice.parts.as_slice()).unwrap_or_default();
    let items = parts.iter().enumerate().map(|(at, part)| item(reply, at, part, Some(part.text())));
    response(reply, "completed", items.collect())
}

pub(super) fn stream(reply: &Completion) -> Vec<Step> {
    let mut events = Events { reply, sequence: 0 };
    let started = response(reply, "in_progress", Vec::new());
    let mut opening = events.event("response.created", json!({"response": started}));
    opening.push_str(&events.event("response.in_progress", json!({"response": started})));
    let mut steps = vec![Step::unpaced(opening)];
    for round in reply.rounds() {
        let round = round.iter().filter(|delta| delta.choice == 0);
        let text: String = round.map(|delta| events.of_delta(delta)).collect();
        if !text.is_empty() {
            steps.push(Step::paced(text));
        }
    }
    let end = events.event("response.completed", json!({"response": document(reply)}));
    steps.push(Step::unpaced(end));
    steps
}

fn response(reply: &Completion, status: &str, output: Vec<Value>) -> Value {
    let usage = (status == "completed").then(|| usage(reply));
    json!({
        "id": format!("resp_{:016x}", reply.id),
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": reply.model,
        "output": output,
        "parallel_tool_calls": true,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    })
}

fn usage(reply: &Completion) -> Value {
    let usage = reply.usage;
    json!({
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt.saturating_add(usage.completion),
    })
}

/// The output item of a part; without text it is one that has just begun.
fn item(reply: &Completion, position: usize, part: &Part, text: Option<&str>) -> Value {
    let id = format!("item_{:016x}_{position}", reply.id);
    let status = if text.is_some() { "completed" } else { "in_progress" };
    let content: Vec<Value> = text.iter().map(|text| content(part, text)).collect();
    match part {
        Part::Reasoning(_) => {
            json!({"type": "reasoning", "id": id, "summary": [], "content": content})
        }
        Part::Content(_) | Part::Refusal(_) => json!({
            "type": "message", "id": id, "status": status, "role": "assistant", "content": content,
        }),
        Part::ToolCall(call) => json!({
            "type": "function_call", "id": id, "status": status, "call_id": call.id,
            "name": call.name, "arguments": text.unwrap_or_default(),
        }),
    }
}

fn content(part: &Part, text: &str) -> Value {
    match part {
        Part::Reasoning(_) => json!({"type": "reasoning_text", "text": text}),
        Part::Refusal(_) => json!({"type": "refusal", "refusal": text}),
        Part::Content(_) | Part::ToolCall(_) => {
            json!({"type": "output_text", "text": text, "annotations": []})
        }
    }
}

/// Names of a part's own events: the event prefix and the field of the whole text in `.done`.
fn names(part: &Part) -> (&'static str, &'static str) {
    match part {
        Part::Reasoning(_) => ("response.reasoning_text", "text"),
        Part::Content(_) => ("response.output_text", "text"),
        Part::Refusal(_) => ("response.refusal", "refusal"),
        Part::ToolCall(_) => ("response.function_call_arguments", "arguments"),
    }
}

struct Events<'a> {
    reply: &'a Completion,
    sequence: u64,
}

impl Events<'_> {
    fn event(&mut self, kind: &str, fields: Value) -> String {
        let mut event = json!({"type": kind, "sequence_number": self.sequence});
        self.sequence = self.sequence.saturating_add(1);
        if let (Value::Object(all), Value::Object(more)) = (&mut event, fields) {
            all.extend(more);
        }
        named(&event)
    }

    fn of_delta(&mut self, delta: &Delta<'_>) -> String {
        let mut events = String::new();
        if delta.first {
            events.push_str(&self.begin(delta));
        }
        let (prefix, _) = names(delta.part);
        let mut fields = self.place(delta);
        put(&mut fields, "delta", json!(delta.text));
        events.push_str(&self.event(&format!("{prefix}.delta"), fields));
        if delta.last {
            events.push_str(&self.end(delta));
        }
        events
    }

    fn begin(&mut self, delta: &Delta<'_>) -> String {
        let item = item(self.reply, delta.position, delta.part, None);
        let fields = json!({"output_index": delta.position, "item": item});
        let mut events = self.event("response.output_item.added", fields);
        events.push_str(&self.content_part("response.content_part.added", delta, ""));
        events
    }

    /// The whole text again, in the text's, the part's and the item's own end.
    fn end(&mut self, delta: &Delta<'_>) -> String {
        let text = delta.part.text();
        let (prefix, field) = names(delta.part);
        let mut fields = self.place(delta);
        put(&mut fields, field, json!(text));
        let mut events = self.event(&format!("{prefix}.done"), fields);
        events.push_str(&self.content_part("response.content_part.done", delta, text));
        let item = item(self.reply, delta.position, delta.part, Some(text));
        let fields = json!({"output_index": delta.position, "item": item});
        events.push_str(&self.event("response.output_item.done", fields));
        events
    }

    /// An event about a content part; tool calls have none.
    fn content_part(&mut self, kind: &str, delta: &Delta<'_>, text: &str) -> String {
        if matches!(delta.part, Part::ToolCall(_)) {
            return String::new();
        }
        let mut fields = self.place(delta);
        put(&mut fields, "part", content(delta.part, text));
        self.event(kind, fields)
    }

    fn place(&self, delta: &Delta<'_>) -> Value {
        let id = format!("item_{:016x}_{}", self.reply.id, delta.position);
        let mut place = json!({"item_id": id, "output_index": delta.position});
        match delta.part {
            Part::ToolCall(_) => {}
            Part::Content(_) => {
                put(&mut place, "content_index", json!(0));
                put(&mut place, "logprobs", json!([]));
            }
            Part::Reasoning(_) | Part::Refusal(_) => put(&mut place, "content_index", json!(0)),
        }
        place
    }
}
