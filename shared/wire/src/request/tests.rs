//! Bodies as data, under every chunking.

mod prompts;
#[cfg(not(target_arch = "wasm32"))]
mod random;

use serde::Deserialize;
use serde_json::{Map, Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_testkit::{cases, every_chunking};

use super::{RequestFacts, RequestScanner, ScanLimits};
use crate::WireError;
use crate::path::Operation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    operation: String,
    body: String,
    #[serde(default)]
    facts: Map<String, Value>,
    error: Option<String>,
    at: Option<usize>,
    field: Option<String>,
}

fn table() -> Vec<Case> {
    cases(include_str!("../../../../testdata/wire/requests.json"))
}

fn operation(name: &str) -> Operation {
    match name {
        "ChatCompletions" => Operation::ChatCompletions,
        "Completions" => Operation::Completions,
        "Embeddings" => Operation::Embeddings,
        "Rerank" => Operation::Rerank,
        "Responses" => Operation::Responses,
        "Messages" => Operation::Messages,
        "GenerateContent" => Operation::GenerateContent,
        "Generate" => Operation::Generate,
        "Infer" => Operation::Infer,
        other => panic!("no such operation: {other}"),
    }
}

fn scan(operation: Operation, chunks: &[&[u8]]) -> Result<RequestFacts, WireError> {
    let mut scanner = RequestScanner::new(operation, ScanLimits::default());
    chunks.iter().try_for_each(|chunk| scanner.feed(chunk))?;
    scanner.finish()
}

fn chat(body: &str) -> RequestFacts {
    scan(Operation::ChatCompletions, &[body.as_bytes()]).unwrap()
}

/// What a case may say of a body.
fn shown(facts: &RequestFacts, name: &str, wanted: &Value) -> Value {
    match name {
        "model" => json!(facts.model.as_ref().map(|model| &model.name)),
        "stream" => json!(facts.stream),
        "include_usage" => {
            let options = facts.stream_options.as_ref();
            json!(options.and_then(|options| options.include_usage.clone()).map(|(value, _)| value))
        }
        "max_tokens" => json!(facts.max_tokens),
        "n" => json!(facts.n),
        "user" => json!(facts.user),
        "cache_salt" => json!(facts.cache_salt),
        "session" => json!(facts.session),
        "messages" => json!(facts.messages),
        "images" => json!(facts.images),
        "images_low" => json!(facts.images_low),
        "audio" => json!(facts.audio),
        "audio_base64" => json!(facts.audio_base64),
        "tools" => json!(facts.tools != 0),
        "runs_once" => json!(facts.runs_once),
        "preamble" => json!(facts.prefix.preamble_bytes() > 0),
        "tokens" => json!(facts.prompt_tokens()),
        "tokens_at_least" if u64::from(facts.prompt_tokens()) >= wanted.as_u64().unwrap() => {
            wanted.clone()
        }
        other => panic!("{other}: {}", facts.prompt_tokens()),
    }
}

#[test]
fn bodies_give_the_facts_or_the_error_of_the_table() {
    for case in table() {
        let scanned = scan(operation(&case.operation), &[case.body.as_bytes()]);
        match (scanned, &case.error) {
            (Ok(facts), None) => {
                for (name, wanted) in &case.facts {
                    assert_eq!(shown(&facts, name, wanted), *wanted, "{}: {name}", case.name);
                }
                assert_eq!(facts.body_len, case.body.len());
            }
            (Err(error), Some(kind)) => {
                assert!(format!("{error:?}").starts_with(kind), "{}: {error:?}", case.name);
                assert_eq!(Some(error.offset()), case.at, "{}: {error:?}", case.name);
                assert_eq!(error.field(), case.field.as_deref(), "{}: {error:?}", case.name);
            }
            (scanned, _) => panic!("{}: {scanned:?}", case.name),
        }
    }
}

#[test]
fn every_chunking_gives_the_same() {
    for case in table() {
        let operation = operation(&case.operation);
        let whole = scan(operation, &[case.body.as_bytes()]);
        if case.body.len() > 600 {
            continue;
        }
        every_chunking(case.body.as_bytes(), |chunks| {
            assert!(scan(operation, chunks) == whole, "{} in {} chunks", case.name, chunks.len());
        });
    }
}

#[test]
fn messages_that_begin_as_most_do_are_read_like_any_others() {
    let user = r#"{"role":"user","content":"Hello, caf\u00e9! What is this?"#;
    let long = "x".repeat(1025);
    let cases = [
        format!(r#"{{"messages":[{user}"}},{user}"}},{user}","name":"Ada"}}],"model":"m"}}"#),
        format!(r#"{{"messages":[{user}"}} , {user}"}} ],"model":"m","user":"{long}"}}"#),
        format!(r#"{{"messages":[{user}","role":"system"}}],"model":"m"}}"#),
        format!(r#"{{"messages":[{user}","content":null}}],"model":"m"}}"#),
        format!(r#"{{"messages":[[{user}"}}]],"model":"m"}}"#),
        format!(r#"{{"messages":{user}"}},"model":"m"}}"#),
        format!(r#"{{"messages":[{user}"]],"model":"m"}}"#),
        format!(r#"{{"messages":[{user}"}},],"model":"m"}}"#),
        format!(r#"{{"messages":[{user}"}}}},"model":"m"}}"#),
        format!(r#"{{"tools":[{user}"}},{user}"}}],"messages":[{user}"}}],"model":"m"}}"#),
        format!(r#"{{"model":"m","x":[{user}"}},{user}"}}],"input":[{user}"}}]}}"#),
        format!(r#"{{"messages":[{{"role":"tool","content":[{user}"}}]}}],"model":"m"}}"#),
        format!(r#"{{"contents":[{user}"}}],"prompt":[{user}"}}],"system":[{user}"}}]}}"#),
    ];
    for body in &cases {
        let spaced = body.replace(r#":"user","content":"#, r#": "user", "content": "#);
        for body in [body, &spaced] {
            for operation in [
                Operation::ChatCompletions,
                Operation::Responses,
                Operation::Messages,
                Operation::CountTokens,
                Operation::GenerateContent,
                Operation::Embeddings,
            ] {
                let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
                let whole = scan(operation, &[body.as_bytes()]);
                assert!(whole == scan(operation, &bytes), "{operation:?} {body}");
            }
        }
    }
    assert_eq!(chat(&cases[0]).messages, 3);
}

#[test]
fn the_model_is_known_as_soon_as_its_value_ended() {
    let body = r#"{"messages":[{"model":"x"}], "model" : "ll\u0061ma", "messages": 1"#;
    let end = body.find(", \"messages\": 1").unwrap();
    let mut scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
    for (at, byte) in body.bytes().enumerate().take(end) {
        assert_eq!(scanner.model(), None, "before byte {at}");
        scanner.feed(&[byte]).unwrap();
    }
    let model = scanner.model().unwrap();
    assert_eq!(model.name, "llama");
    assert_eq!(&body[model.span.clone()], r#""ll\u0061ma""#);
}

#[test]
fn a_refused_body_stays_refused() {
    let mut scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
    let error = Err(WireError::TrailingData { at: 2 });
    assert_eq!(scanner.feed(b"{}x"), error);
    assert_eq!(scanner.feed(b" "), error);
    assert_eq!(scanner.finish().map(|_| ()), error);
}

#[test]
fn debug_output_shows_neither_names_nor_text() {
    let facts = chat(
        r#"{"model":"secret","user":"secret","messages":[{"role":"user","content":"secret"}]}"#,
    );
    assert!(!format!("{facts:?}").contains("secret"));
    let mut scanner = RequestScanner::new(Operation::ChatCompletions, ScanLimits::default());
    scanner.feed(br#"{"messages":[{"content":"secret"#).unwrap();
    let shown = format!("{scanner:?}");
    let bytes = "secret".bytes().map(|b| b.to_string()).collect::<Vec<_>>().join(", ");
    assert!(!shown.contains("secret") && !shown.contains(&bytes), "{shown}");
}
