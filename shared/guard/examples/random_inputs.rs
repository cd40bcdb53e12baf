//! Feeds damaged requests, responses and streams to the guard: `random_inputs [COUNT]` (default a
//! million). A panic would end it; the last line says what became of them.
#![allow(clippy::indexing_slicing, clippy::expect_used, reason = "a tool for developers")]

use std::sync::Arc;

use weir_detect::Policy;
use weir_guard::{StreamGuard, Watch, inspect_request, inspect_response};
use weir_wire::edit;
use weir_wire::path::{Dialect, Operation};

const SEEDS: [&str; 6] = [
    r#"{"model":"m","messages":[{"role":"system","content":"a b c d e f g h i j"},{"role":"user","content":[{"type":"text","text":"I am ann@example.com \ud83d\ude00 4111 1111 1111 1111"}]}],"tools":[{"function":{"name":"f","parameters":{"a":1}}}]}"#,
    r#"{"choices":[{"index":0,"message":{"content":"see ![x](https://evil.example/?q=1) ann@example.com","tool_calls":[{"function":{"name":"f","arguments":"{\"to\":\"ann\\u0040example.com\",\"n\":4111111111111111}"}}]},"logprobs":{"content":[{"token":"a"}]}}]}"#,
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ann@exam\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ple.com \"},\"logprobs\":{\"content\":[]}}]}\r\n\r\ndata: [DONE]\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\\\"4111 1111\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"AKIAQYLP\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[\"AKIAQYLPMN5HHHFPZAM2\"]}}\n\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"1.2.3.4 \"}]}}]}\n\n:x\n\ndata: {\"text_output\":\"x\"}\n\n",
];

/// xorshift64*: enough for choosing bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap_or(0) % limit.max(1)
    }
}

fn damaged(random: &mut Random) -> Vec<u8> {
    let mut bytes = SEEDS[random.below(SEEDS.len())].as_bytes().to_vec();
    for _ in 0..random.below(8) {
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, b"\"\\{}[]:,\n\r \xff0"[random.below(13)]),
            3 => bytes.truncate(at.max(1)),
            _ => {
                let piece = bytes[at..(at + random.below(40)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
        }
        if bytes.is_empty() {
            bytes.push(b'{');
        }
    }
    bytes
}

fn main() {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let policy = Arc::new(Policy::default());
    let (mut random, mut edited, mut refused) = (Random(0x9E37_79B9_7F4A_7C15), 0u64, 0u64);
    for turn in 0..count {
        let bytes = damaged(&mut random);
        let request = inspect_request(&policy, &bytes, turn % 2 == 0, false);
        let response = inspect_response(&request.watch, &bytes, turn % 3 != 0);
        for inspected in [request.inspected, response] {
            refused += u64::from(inspected.refusal.is_some());
            if inspected.refusal.is_none() {
                edited += u64::from(!inspected.edits.is_empty());
                edit::apply(&bytes, &inspected.edits).expect("edits fit the body");
            }
        }
        let dialect = [Dialect::OpenAi, Dialect::Anthropic][random.below(2)];
        let watch = Watch::new(policy.clone());
        let mut guard = StreamGuard::new(watch, dialect, Some(Operation::ChatCompletions));
        let mut out = Vec::new();
        let cut = random.below(bytes.len() + 1);
        guard.push(&bytes[..cut], &mut out);
        guard.push(&bytes[cut..], &mut out);
        guard.finish(&mut out);
        refused += u64::from(guard.is_blocked());
        edited += u64::from(out != bytes);
    }
    println!("{count} inputs, three times each: {edited} edited, {refused} refused, no panic");
}
