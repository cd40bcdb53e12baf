//! Round trips and arbitrary bytes.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Destination, Facts, FactsError, FilterPolicy};
use crate::path::classify;
use crate::request::{RequestScanner, ScanLimits};

const SECRET: &str = "correct horse battery staple";

fn facts(body: &str) -> Facts {
    let endpoint = classify(b"POST", b"/v1/chat/completions").unwrap();
    let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
    scanner.feed(body.as_bytes()).unwrap();
    let request = scanner.finish().unwrap();
    let to = Destination {
        model: "alias",
        upstream_model: "llama-70b",
        pool: "big",
        adapter: Some("lora-1"),
    };
    Facts::new(&endpoint, &request, to)
}

fn sample() -> Facts {
    let policy =
        |filter: &str| FilterPolicy { filter: filter.to_owned(), name: "strict".to_owned() };
    Facts { policies: vec![policy("guardrail"), policy("endpoint-picker")], ..without_policies() }
}

fn without_policies() -> Facts {
    let text = format!("{SECRET} {}", "word ".repeat(400));
    facts(&format!(
        r#"{{"model":"alias","stream":true,"max_tokens":9,"n":2,"user":"{SECRET}","cache_salt":"s",
        "session_id":"t","messages":[{{"role":"user","content":"{text}"}}]}}"#
    ))
}

#[test]
fn facts_survive_the_way_through_filter_state() {
    let facts = sample();
    assert!(facts.fingerprints.len() > 5 && facts.user.is_some() && facts.session.is_some());
    assert_eq!(Facts::decode(&facts.encode()), Ok(facts));
    let bare = self::facts("{}");
    assert_eq!(Facts::decode(&bare.encode()), Ok(bare));
}

#[test]
fn the_policies_of_a_models_entry_are_found_by_filter() {
    let facts = sample();
    assert_eq!(facts.policy_of("guardrail"), Some("strict"));
    assert_eq!(facts.policy_of("token-limit"), None);
}

#[test]
fn facts_hold_no_text_of_the_prompt() {
    let bytes = sample().encode();
    let holds = |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
    assert!(holds("llama-70b"));
    assert!(SECRET.split(' ').all(|word| !holds(word)));
}

#[test]
fn facts_that_are_cut_or_too_long_are_refused() {
    let bytes = sample().encode();
    for len in 0..bytes.len() {
        assert_eq!(Facts::decode(&bytes[..len]), Err(FactsError::Truncated), "{len}");
    }
    let longer = [&bytes[..], b"xy"].concat();
    assert_eq!(Facts::decode(&longer), Err(FactsError::TrailingBytes { len: 2 }));
}

#[test]
fn another_version_is_refused() {
    let mut bytes = sample().encode();
    bytes[0] = 200;
    assert_eq!(Facts::decode(&bytes), Err(FactsError::Version { found: 200 }));
}

#[test]
fn values_that_no_encoder_writes_are_refused() {
    let mut bytes = sample().encode();
    bytes[1] = 99;
    assert_eq!(Facts::decode(&bytes), Err(FactsError::Invalid { field: "dialect" }));
}

#[test]
fn covered_tokens_grow_with_the_index_up_to_the_prompt() {
    let facts = sample();
    let covered: Vec<u64> =
        (0..facts.fingerprints.len()).map(|index| facts.covered_tokens(index)).collect();
    assert!(covered.is_sorted() && covered[0] > 0, "{covered:?}");
    assert!(covered.last().is_some_and(|last| *last <= u64::from(facts.prompt_tokens)));
    assert_eq!(facts.covered_tokens(facts.fingerprints.len()), 0);
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use super::{Facts, sample};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(tail in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Facts::decode(&tail);
            let _ = Facts::decode(&[&[1, 0, 0, 0][..], &tail].concat());
        }

        #[test]
        fn a_changed_byte_decodes_to_what_encodes_back(at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = sample().encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(facts) = Facts::decode(&bytes) {
                prop_assert_eq!(facts.encode(), bytes);
            }
        }
    }
}
