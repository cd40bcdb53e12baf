//! What makes two prompts share a prefix, and what doesn't.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_fingerprint::Seed;

use super::{chat, scan};
use crate::path::Operation;
use crate::request::RequestFacts;

fn seed() -> Seed {
    Seed::new("m", None, None, 0)
}

fn marks(facts: &RequestFacts) -> Vec<u64> {
    facts.prefix.fingerprints(seed())
}

fn conversation(facts: &RequestFacts) -> u64 {
    facts.prefix.conversation(seed())
}

/// Text without repetition.
fn text(name: &str, words: usize) -> String {
    (0..words).map(|n| format!("{name}{n} ")).collect()
}

fn message(role: &str, content: &str) -> String {
    format!(r#"{{"role":"{role}","content":{}}}"#, serde_json::json!(content))
}

fn dialogue(messages: &[String]) -> RequestFacts {
    chat(&format!(r#"{{"model":"m","messages":[{}]}}"#, messages.join(",")))
}

/// How many fingerprints two prompts share from the start.
fn shared(a: &RequestFacts, b: &RequestFacts) -> usize {
    let (a, b) = (marks(a), marks(b));
    a.iter().zip(&b).take_while(|(a, b)| a == b).count()
}

#[test]
fn json_syntax_leaves_no_trace_in_the_prompt() {
    let plain = r#"{"model":"m","messages":[{"role":"user","content":"é\n/ ok"},{"role":"assistant","content":"yes"}],"temperature":1}"#;
    let other = r#" { "temperature" : 0.5, "seed": 4, "messages" : [ { "role":"us\u0065r" , "content":"\u00e9\u000a\/ \u006fk"} , {"role":"assistant","content":[{"type":"text","text":"yes"}],"id":"x"} ],
        "stream":true, "model":"m" }"#;
    let (a, b) = (chat(plain), chat(other));
    assert_eq!(a.prefix, b.prefix);
    assert_eq!(a.counts, b.counts);
}

#[test]
fn a_longer_dialogue_shares_all_of_the_shorter_one() {
    let turns: Vec<String> = (0..12)
        .map(|n| message(["user", "assistant"][n % 2], &text(&format!("turn{n}-"), 60)))
        .collect();
    for len in 1..turns.len() {
        let (short, long) = (dialogue(&turns[..len]), dialogue(&turns[..=len]));
        assert_eq!(shared(&short, &long), marks(&short).len());
        assert!(marks(&long).len() > marks(&short).len());
        assert_eq!(conversation(&short), conversation(&long));
    }
}

#[test]
fn dialogues_share_their_system_prompt_and_no_more() {
    let system = message("system", &text("rule", 400));
    let one = dialogue(&[system.clone(), message("user", &text("one", 300))]);
    let two = dialogue(&[system, message("user", &text("two", 300))]);
    let common = text("rule", 400).len() as u64;
    let shared = shared(&one, &two);
    let covered: Vec<u64> = one.prefix.boundaries().collect();
    assert!(covered[shared - 1] <= common + 32 && covered[shared] > common, "{shared}");
    assert_ne!(conversation(&one), conversation(&two));
}

#[test]
fn roles_and_message_borders_are_part_of_the_prompt() {
    let text = text("word", 100);
    let (head, tail) = text.split_at(50);
    let whole = dialogue(&[message("user", &text)]);
    for other in [
        dialogue(&[message("assistant", &text)]),
        dialogue(&[message("user", head), message("user", tail)]),
    ] {
        assert_eq!(shared(&whole, &other), 0);
    }
}

#[test]
fn the_order_of_members_does_not_matter_outside_messages() {
    let system = text("rule", 300);
    let messages = format!("[{}]", message("user", &text("word", 300)));
    let first = format!(r#"{{"system":"{system}","messages":{messages}}}"#);
    let last = format!(r#"{{"messages":{messages},"system":"{system}"}}"#);
    let read = |body: &str| scan(Operation::Messages, &[body.as_bytes()]).unwrap();
    assert_eq!(read(&first).prefix, read(&last).prefix);
    assert_eq!(read(&first).counts, read(&last).counts);
    let without = read(&format!(r#"{{"messages":{messages}}}"#));
    assert_eq!(shared(&read(&first), &without), 0);
    assert_ne!(conversation(&read(&first)), conversation(&without));
}

#[test]
fn images_are_told_apart_by_their_data() {
    let body = |url: &str| {
        let image = format!(r#"{{"type":"image_url","image_url":{{"url":"{url}"}}}}"#);
        let tail = text("word", 200);
        chat(&format!(
            r#"{{"messages":[{{"role":"user","content":[{image},{{"type":"text","text":"{tail}"}}]}}]}}"#
        ))
    };
    let a = body(&"A".repeat(5000));
    assert_eq!(a.prefix, body(&"A".repeat(5000)).prefix);
    assert_eq!(shared(&a, &body(&format!("{}B", "A".repeat(4999)))), 0);
    assert!(a.prefix.bytes() < 2500, "image data is not text");
    assert!(a.prompt_tokens() < 2000);
}

#[test]
fn tools_are_hashed_apart_without_white_space() {
    let body = |tools: &str| {
        let turn = message("user", &text("word", 200));
        chat(&format!(r#"{{"messages":[{turn}],"tools":{tools}}}"#))
    };
    let a = body(r#"[{"name":"f","parameters":{"a":[1,true]}}]"#);
    let b = body(r#"[ {"name" : "f", "parameters":{"\u0061":[1, true]} } ]"#);
    let c = body(r#"[{"name":"f","parameters":{"a":[2,true]}}]"#);
    assert_eq!((a.tools, &a.prefix), (b.tools, &b.prefix));
    assert_ne!(a.tools, c.tools);
    assert_eq!(a.prefix, c.prefix);
}

#[test]
fn the_seed_separates_models_adapters_salts_and_tools() {
    let facts = dialogue(&[message("user", &text("word", 200))]);
    let seeds = [
        Seed::new("m", None, None, 0),
        Seed::new("n", None, None, 0),
        Seed::new("m", Some("n"), None, 0),
        Seed::new("m", None, Some(1), 0),
        Seed::new("m", None, Some(2), 0),
        Seed::new("m", None, None, 1),
    ];
    let all: Vec<Vec<u64>> = seeds.iter().map(|seed| facts.prefix.fingerprints(*seed)).collect();
    let mut distinct: Vec<&u64> = all.iter().flatten().collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), all.iter().map(Vec::len).sum::<usize>());
}

#[test]
fn plain_prompts_have_a_conversation_too() {
    let read = |prompt: &str| {
        let body = serde_json::json!({ "prompt": prompt }).to_string();
        scan(Operation::Completions, &[body.as_bytes()]).unwrap()
    };
    let start = text("word", 300);
    let (a, b) = (read(&start), read(&format!("{start} and more")));
    assert_eq!(conversation(&a), conversation(&b));
    assert_ne!(conversation(&a), conversation(&read(&text("other", 300))));
}

#[test]
fn long_prompts_are_counted_from_a_sample_closely() {
    let turn =
        "A sentence of usual words, then 42 numbers, and `code(x)`; the rest is prose again.\n";
    let body = format!(r#"{{"messages":[{}]}}"#, message("user", &turn.repeat(3000)));
    let facts = chat(&body);
    let one = dialogue(&[message("user", &turn.repeat(30))]);
    let (expected, found) = (one.prompt_tokens() * 100, facts.prompt_tokens());
    assert!(found.abs_diff(expected) < expected / 20, "{found}, not {expected}");
}
