//! The scripted load: conversations that share system prompts and grow turn by turn.

use serde_json::{Value, json};

/// Conversations per pool.
const CONVERSATIONS: usize = 9;

/// Turns of one conversation.
pub(crate) const TURNS: usize = 5;

/// Bytes of a shared system prompt: about 750 tokens.
const SYSTEM_BYTES: usize = 3000;

/// Bytes that a user adds in one turn: about 200 tokens, as somebody who pastes a paragraph.
const TURN_BYTES: usize = 800;

/// One conversation of the load.
#[derive(Clone, Debug)]
pub(crate) struct Conversation {
    /// The names that the client uses for the model, turn by turn.
    names: &'static [&'static str],
    /// The pool that must serve it.
    pub(crate) pool: &'static str,
    number: usize,
    messages: Vec<Value>,
}

impl Conversation {
    /// All conversations of the load, the pools interleaved.
    pub(crate) fn all() -> Vec<Self> {
        // A client that sticks to one name: an alias, the real name, an adapter.
        const LLAMA: [&[&str]; 3] = [&["gpt-4o"], &["llama-3.1-8b-instruct"], &["sql-expert"]];
        const QWEN: [&[&str]; 2] = [&["qwen"], &["qwen2.5-7b-instruct"]];
        let llama = (0..CONVERSATIONS).map(|n| Self::new(LLAMA[n % LLAMA.len()], "llama", n));
        let qwen = (0..CONVERSATIONS).map(|n| Self::new(QWEN[n % QWEN.len()], "qwen", n));
        llama.zip(qwen).flat_map(|(a, b)| [a, b]).collect()
    }

    fn new(names: &'static [&'static str], pool: &'static str, number: usize) -> Self {
        // Three assistants per pool, each used by a third of the conversations.
        let assistant = number / 3;
        let system = text(&format!("You are assistant {assistant} of {pool}."), SYSTEM_BYTES);
        let messages = vec![json!({"role": "system", "content": system})];
        Self { names, pool, number, messages }
    }

    /// What the client calls its model in `turn`.
    pub(crate) fn model(&self, turn: usize) -> &'static str {
        self.names[turn % self.names.len()]
    }

    /// The request of the next turn.
    pub(crate) fn ask(&mut self, turn: usize) -> Value {
        let question = format!("Question {turn} of conversation {}.", self.number);
        self.messages.push(json!({"role": "user", "content": text(&question, TURN_BYTES)}));
        json!({
            "model": self.model(turn),
            "messages": self.messages,
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    }

    /// Notes the answer, so that the next turn repeats it.
    pub(crate) fn answered(&mut self, answer: &str) {
        self.messages.push(json!({"role": "assistant", "content": answer}));
    }
}

/// Ordinary words after `start`, `bytes` long, different for every start.
fn text(start: &str, bytes: usize) -> String {
    const WORDS: [&str; 12] = [
        "the", "invoice", "customer", "asks", "whether", "delivery", "on", "Thursday", "is",
        "still", "possible", "please",
    ];
    let mut state = start
        .bytes()
        .fold(7usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let mut text = start.to_owned();
    while text.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(' ');
        text.push_str(WORDS[(state >> 33) % WORDS.len()]);
    }
    text
}
