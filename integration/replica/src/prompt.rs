//! The canonical text of a prompt: what a chat template would give to the tokenizer.

use serde_json::Value;

use crate::request::{Dialect, GenerationRequest};

/// The prompt of `request` as one text. Two requests share cached blocks as far as their texts agree,
/// so everything that a template puts first (tools, system text) comes first.
pub(crate) fn render(dialect: Dialect, request: &GenerationRequest) -> String {
    let mut prompt = Prompt::default();
    match dialect {
        Dialect::Chat | Dialect::Messages => prompt.conversation(request),
        Dialect::Responses => prompt.response_input(request),
        Dialect::Completions => prompt.append(&request.prompt),
        Dialect::Embeddings => prompt.append(&request.input),
    }
    prompt.0
}

/// What a later turn of the same conversation will contain after this prompt when the model answered
/// `reply`.
pub(crate) fn continued(dialect: Dialect, reply: &str) -> String {
    match dialect {
        Dialect::Chat | Dialect::Messages | Dialect::Responses => format!("{reply}\n"),
        Dialect::Completions | Dialect::Embeddings => reply.to_owned(),
    }
}

#[derive(Default)]
struct Prompt(String);

impl Prompt {
    fn conversation(&mut self, request: &GenerationRequest) {
        self.turn("tools", &request.tools);
        self.turn("system", &request.system);
        for message in &request.messages {
            let role = message.role.as_deref().unwrap_or("user");
            self.open(role);
            self.append(&message.content);
            self.append(&message.tool_calls);
            self.0.push('\n');
        }
        self.open("assistant");
    }

    fn response_input(&mut self, request: &GenerationRequest) {
        self.turn("tools", &request.tools);
        self.turn("system", &request.instructions);
        match &request.input {
            Value::Array(items) => items.iter().for_each(|item| self.input_item(item)),
            text => self.turn("user", text),
        }
        self.open("assistant");
    }

    fn input_item(&mut self, item: &Value) {
        let role = item.get("role").and_then(Value::as_str).unwrap_or("user");
        self.turn(role, item.get("content").unwrap_or(item));
    }

    fn turn(&mut self, role: &str, content: &Value) {
        if !content.is_null() {
            self.open(role);
            self.append(content);
            self.0.push('\n');
        }
    }

    fn open(&mut self, role: &str) {
        self.0.extend(["<|", role, "|>\n"]);
    }

    fn append(&mut self, content: &Value) {
        match content {
            Value::Array(parts) => parts.iter().for_each(|part| self.append_part(part)),
            whole => self.append_part(whole),
        }
    }

    /// A text as it is; a token as many bytes as a token stands for; anything else as its JSON.
    fn append_part(&mut self, part: &Value) {
        let text = part.as_str().or_else(|| part.get("text").and_then(Value::as_str));
        match (text, part) {
            (Some(text), _) => self.0.push_str(text),
            (None, Value::Null) => {}
            (None, Value::Number(token)) => {
                self.0.push_str(&format!("{:04x}", token.as_u64().unwrap_or(0) & 0xffff));
            }
            (None, other) => self.0.push_str(&other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(dialect: Dialect, body: Value) -> String {
        render(dialect, &serde_json::from_value(body).unwrap())
    }

    #[test]
    fn prompts_render_alike_however_they_are_written() {
        let text = json!({"messages": [{"role": "user", "content": "hello"}]});
        let parts =
            json!({"messages": [{"content": [{"type": "text", "text": "hel"}, {"text": "lo"}]}]});
        let expected = "<|user|>\nhello\n<|assistant|>\n";
        assert_eq!(rendered(Dialect::Chat, text), expected);
        assert_eq!(rendered(Dialect::Messages, parts), expected);
        assert_eq!(rendered(Dialect::Responses, json!({"input": "hello"})), expected);
        assert_eq!(rendered(Dialect::Completions, json!({"prompt": "hello"})), "hello");
        assert_eq!(rendered(Dialect::Completions, json!({"prompt": [255, 1]})), "00ff0001");
    }

    #[test]
    fn the_next_turn_begins_with_this_turn_and_its_reply() {
        let user = json!({"role": "user", "content": "a"});
        let first = rendered(Dialect::Chat, json!({"messages": [user]}));
        let reply = json!({"role": "assistant", "content": "b"});
        let next = rendered(Dialect::Chat, json!({"messages": [user, reply, user]}));
        assert!(next.starts_with(&(first + &continued(Dialect::Chat, "b"))));
    }

    #[test]
    fn system_text_and_tools_come_first() {
        let body = json!({"system": "s", "tools": [{"name": "t"}], "messages": []});
        let text = rendered(Dialect::Messages, body);
        assert_eq!(text, "<|tools|>\n{\"name\":\"t\"}\n<|system|>\ns\n<|assistant|>\n");
    }
}
