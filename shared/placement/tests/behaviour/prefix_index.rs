//! What the prefix index remembers, forgets, and corrects.

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::support::{idle, prompt, view};
use weir_fingerprint::{Prefix, PrefixChain, Seed};
use weir_placement::{CachedTokens, LoadView, PickRequest, PrefixIndex};

fn request(fingerprints: &[u64]) -> PickRequest<'_> {
    let prompt_tokens = u32::try_from(fingerprints.len() * 64).unwrap();
    let prompt_bytes = u64::from(prompt_tokens) * 4;
    PickRequest { fingerprints, prompt_tokens, prompt_bytes, ..PickRequest::default() }
}

fn pool(replicas: u8) -> (PrefixIndex, LoadView) {
    let mut prefixes = PrefixIndex::with_capacity(1 << 12);
    let view = view((1..=replicas).map(idle).collect(), 1, &mut prefixes);
    (prefixes, view)
}

/// Sends a prompt to an endpoint and lets it answer with this many tokens cached.
fn serve(prefixes: &mut PrefixIndex, view: &LoadView, index: usize, text: &[u64], cached: u32) {
    let request = request(text);
    let expectation = prefixes.learn(&request, view.id(index).unwrap());
    prefixes.correct(&expectation, CachedTokens { cached, prompt: request.prompt_tokens });
}

fn matches(prefixes: &PrefixIndex, view: &LoadView, text: &[u64]) -> Vec<u32> {
    prefixes.matches(&request(text), view).as_slice().to_vec()
}

#[test]
fn longest_match_of_every_replica_is_found() {
    let (mut prefixes, view) = pool(5);
    let long = prompt(1, 50);
    for (index, blocks) in [(0, 50), (1, 10), (2, 49), (3, 1)] {
        serve(&mut prefixes, &view, index, &long[..blocks], 0);
    }
    assert_eq!(matches(&prefixes, &view, &long), [50 * 64, 10 * 64, 49 * 64, 64, 0]);
    assert_eq!(matches(&prefixes, &view, &long[..20]), [20 * 64, 10 * 64, 20 * 64, 64, 0]);
    assert_eq!(matches(&prefixes, &view, &prompt(2, 50)), [0; 5]);
    assert_eq!(matches(&prefixes, &view, &[]), [0; 5]);
}

#[test]
fn conversations_share_their_system_prompt_only() {
    let (mut prefixes, view) = pool(2);
    let system = prompt(1, 8);
    let first = [system.clone(), prompt(2, 4)].concat();
    let second = [system, prompt(3, 4)].concat();
    serve(&mut prefixes, &view, 0, &first, 0);
    assert_eq!(matches(&prefixes, &view, &second), [8 * 64, 0]);
    serve(&mut prefixes, &view, 1, &second, 0);
    assert_eq!(matches(&prefixes, &view, &second), [8 * 64, 12 * 64]);
}

#[test]
fn conversations_that_share_a_system_prompt_do_not_drive_each_other_out() {
    // The fingerprints after the system prompt are neighbours of its first, all of them.
    for system_blocks in [1, 10, 15, 20] {
        let (mut prefixes, view) = pool(2);
        let system = prompt(1, system_blocks);
        let conversation = |text: u64| [system.clone(), prompt(text, 6)].concat();
        for text in 2..150 {
            serve(&mut prefixes, &view, 1, &conversation(text), u32::MAX);
        }
        let whole = u32::try_from(system_blocks + 6).unwrap() * 64;
        let known = (2..150)
            .filter(|text| matches(&prefixes, &view, &conversation(*text)) == [0, whole])
            .count();
        assert!(known > 140, "system prompt of {system_blocks} blocks: {known} of 148");
    }
}

#[test]
fn matches_survive_snapshots_in_another_order() {
    let (mut prefixes, first) = pool(3);
    serve(&mut prefixes, &first, 2, &prompt(1, 4), 0);
    let next = view([3, 7, 1].map(idle).to_vec(), 2, &mut prefixes);
    assert_eq!(matches(&prefixes, &next, &prompt(1, 4)), [4 * 64, 0, 0]);
}

#[test]
fn pools_of_many_groups_keep_their_replicas_apart() {
    let (mut prefixes, view) = pool(200);
    let text = prompt(1, 6);
    for index in [0, 63, 64, 130, 199] {
        serve(&mut prefixes, &view, index, &text, 0);
    }
    let matched = matches(&prefixes, &view, &text);
    let holders: Vec<usize> = (0..200).filter(|index| matched[*index] == 6 * 64).collect();
    assert_eq!(holders, [0, 63, 64, 130, 199]);
    assert_eq!(matched.iter().filter(|tokens| **tokens > 0).count(), 5);
}

#[test]
fn two_shortfalls_in_a_row_forget_what_was_used_before_both() {
    let (mut prefixes, view) = pool(2);
    let texts = [1, 2, 3, 4].map(|text| prompt(text, 10));
    for text in &texts {
        serve(&mut prefixes, &view, 0, text, 0);
        serve(&mut prefixes, &view, 1, text, 0);
    }
    let [oldest, middle, later, new] = &texts;
    serve(&mut prefixes, &view, 0, later, 0);
    serve(&mut prefixes, &view, 0, middle, 0);
    assert_eq!(matches(&prefixes, &view, oldest), [0, 640], "older than what was evicted");
    assert_eq!(matches(&prefixes, &view, middle), [640, 640], "computed again just now");
    assert_eq!(matches(&prefixes, &view, new), [640, 640], "used after it");
    serve(&mut prefixes, &view, 1, oldest, 640);
    assert_eq!(matches(&prefixes, &view, oldest), [0, 640], "others do not bring it back");
}

#[test]
fn one_odd_report_does_not_forget_a_replica() {
    let (mut prefixes, view) = pool(1);
    let (old, text) = (prompt(1, 10), prompt(2, 10));
    serve(&mut prefixes, &view, 0, &old, 0);
    serve(&mut prefixes, &view, 0, &text, 0);
    for _ in 0..5 {
        // Such as a request for log probabilities of the prompt, which vLLM serves without its cache.
        serve(&mut prefixes, &view, 0, &text, 0);
        serve(&mut prefixes, &view, 0, &text, 640);
    }
    assert_eq!(matches(&prefixes, &view, &old), [640]);
}

#[test]
fn what_failed_is_taken_back_and_what_was_there_before_stays() {
    let (mut prefixes, view) = pool(2);
    let (system, replica) = (prompt(1, 8), view.id(0).unwrap());
    let long = [system.clone(), prompt(2, 4)].concat();
    serve(&mut prefixes, &view, 0, &system, 0);
    serve(&mut prefixes, &view, 1, &long, 0);
    let failed = prefixes.learn(&request(&long), replica);
    assert_eq!(matches(&prefixes, &view, &long), [12 * 64, 12 * 64]);
    prefixes.take_back(&request(&long), &failed);
    assert_eq!(matches(&prefixes, &view, &long), [8 * 64, 12 * 64]);
}

#[test]
fn a_request_that_was_never_served_is_not_confirmed_by_the_next_answer() {
    let (mut prefixes, view) = pool(1);
    let (old, text, replica) = (prompt(1, 10), prompt(2, 10), view.id(0).unwrap());
    serve(&mut prefixes, &view, 0, &old, 0);
    let hanging = prefixes.learn(&request(&text), replica);
    // Others are answered, so that their tick is beyond that of the one which hangs.
    serve(&mut prefixes, &view, 0, &prompt(3, 10), 0);
    let again = [&text, &text].map(|text| {
        serve(&mut prefixes, &view, 0, &prompt(4, 10), 0);
        prefixes.learn(&request(text), replica)
    });
    for expectation in again {
        assert_eq!(expectation.matched_tokens(), 640);
        prefixes.correct(&expectation, CachedTokens { cached: 0, prompt: 640 });
    }
    assert_eq!(matches(&prefixes, &view, &old), [640], "no evidence of an eviction");
    prefixes.take_back(&request(&text), &hanging);
}

#[test]
fn small_shortfalls_are_put_down_to_the_token_estimate() {
    let (mut prefixes, view) = pool(1);
    let (old, text) = (prompt(1, 10), prompt(2, 40));
    serve(&mut prefixes, &view, 0, &old, 0);
    serve(&mut prefixes, &view, 0, &text, 0);
    for _ in 0..2 {
        serve(&mut prefixes, &view, 0, &text, 40 * 64 * 4 / 5);
    }
    assert_eq!(matches(&prefixes, &view, &old), [640]);
    // The replica counts half as many tokens as estimated, and has all of them.
    let expectation = prefixes.learn(&request(&text), view.id(0).unwrap());
    prefixes.correct(&expectation, CachedTokens { cached: 1280, prompt: 1280 });
    assert_eq!(matches(&prefixes, &view, &old), [640]);
    for _ in 0..2 {
        serve(&mut prefixes, &view, 0, &text, 40 * 64 / 2);
    }
    assert_eq!(matches(&prefixes, &view, &old), [0]);
}

#[test]
fn a_miss_during_the_first_prefill_is_no_evidence() {
    let (mut prefixes, view) = pool(1);
    let text = prompt(2, 10);
    serve(&mut prefixes, &view, 0, &prompt(1, 10), 0);
    let replica = view.id(0).unwrap();
    let first = prefixes.learn(&request(&text), replica);
    let others = [0; 2].map(|_| prefixes.learn(&request(&text), replica));
    assert_eq!((first.matched_tokens(), others[0].matched_tokens()), (0, 640));
    for other in others {
        prefixes.correct(&other, CachedTokens { cached: 0, prompt: 640 });
    }
    assert_eq!(matches(&prefixes, &view, &prompt(1, 10)), [640]);
}

#[test]
fn a_forgotten_replica_starts_anew() {
    let (mut prefixes, view) = pool(2);
    let text = prompt(1, 10);
    serve(&mut prefixes, &view, 0, &text, 0);
    serve(&mut prefixes, &view, 1, &text, 0);
    prefixes.forget(view.id(0).unwrap());
    assert_eq!(matches(&prefixes, &view, &text), [0, 640]);
    serve(&mut prefixes, &view, 0, &text[..5], 0);
    assert_eq!(matches(&prefixes, &view, &text), [320, 640]);
}

#[test]
fn memory_is_bounded_and_the_recent_stays() {
    let mut prefixes = PrefixIndex::with_capacity(1 << 10);
    assert_eq!(prefixes.bytes(), 24 << 10);
    let view = view(vec![idle(1)], 1, &mut prefixes);
    for text in 0..1000 {
        serve(&mut prefixes, &view, 0, &prompt(text, 16), 0);
    }
    assert_eq!(prefixes.bytes(), 24 << 10);
    let found = |texts: std::ops::Range<u64>| {
        texts.map(|text| matches(&prefixes, &view, &prompt(text, 16))[0]).sum::<u32>()
    };
    assert!(found(980..1000) > 20 * 1024 * 9 / 10, "{}", found(980..1000));
    assert_eq!(found(0..500), 0);
}

#[test]
fn default_memory_is_as_documented() {
    assert_eq!(PrefixIndex::default().bytes(), 1536 * 1024);
}

#[test]
fn replicas_beyond_the_places_take_those_of_the_longest_gone() {
    let mut prefixes = PrefixIndex::with_capacity(1 << 12);
    let page = |page: u8| -> Vec<_> {
        let address = |host: u16| format!("10.{page}.{}.{}:80", host / 250, host % 250);
        (0..4096)
            .map(|host| {
                let mut report = idle(1);
                report.address = address(host);
                report
            })
            .collect()
    };
    let old = view(page(1), 1, &mut prefixes);
    serve(&mut prefixes, &old, 7, &prompt(1, 4), 0);
    let new = view(page(2), 2, &mut prefixes);
    serve(&mut prefixes, &new, 9, &prompt(2, 4), 0);
    let holders = |view: &LoadView, text: u64| -> Vec<usize> {
        let matched = matches(&prefixes, view, &prompt(text, 4));
        (0..matched.len()).filter(|index| matched[*index] > 0).collect()
    };
    assert_eq!(holders(&new, 1), [0_usize; 0], "no replica inherits what another one had");
    assert_eq!(holders(&new, 2), [9]);
    assert_eq!(holders(&old, 1), [0_usize; 0], "an old view does not see its successors' matches");
    assert_eq!(holders(&old, 2), [0_usize; 0]);
}

#[test]
fn real_prompts_match_by_the_tokens_that_they_share() {
    let chain = |turns: &[&str]| {
        let mut chain = PrefixChain::new();
        chain.push_preamble(&[b's'; 3000]);
        turns.iter().for_each(|turn| chain.push_turns(turn.as_bytes()));
        chain.finish()
    };
    let (hello, more) = ("hello ".repeat(500), "more ".repeat(400));
    let (first, second) = (chain(&[&hello]), chain(&[&hello, &more]));
    let seed = Seed::new("llama", None, None, 0);
    let (mut prefixes, view) = pool(2);
    let marks = first.fingerprints(seed);
    // Three bytes to a token: the match has to come out in tokens of the prompt at hand.
    let request = |prefix: &Prefix| PickRequest {
        preamble_bytes: prefix.preamble_bytes(),
        prompt_bytes: prefix.bytes(),
        prompt_tokens: u32::try_from(prefix.bytes() / 3).unwrap(),
        ..PickRequest::default()
    };
    let served = PickRequest { fingerprints: &marks, ..request(&first) };
    prefixes.learn(&served, view.id(1).unwrap());
    let marks = second.fingerprints(seed);
    let asked = PickRequest { fingerprints: &marks, ..request(&second) };
    let matched = prefixes.matches(&asked, &view);
    assert_eq!(matched.tokens(0), 0);
    let shared = 6000 / 3;
    assert!((shared - 256 / 3..=shared).contains(&matched.tokens(1)), "{matched:?}");
    let unknown_length = PickRequest { prompt_bytes: 0, preamble_bytes: 0, ..asked };
    let tokens = prefixes.matches(&unknown_length, &view).tokens(1);
    assert!((1350..=1550).contains(&tokens), "about 6000 / 4: {tokens}");
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;

    /// The prompt `text`, which leaves its common path after `fork` blocks.
    fn forked(text: u64, blocks: u64, fork: u64) -> Vec<u64> {
        let mut chain = prompt(text, blocks);
        let leaves = chain.iter_mut().skip(usize::try_from(fork).unwrap());
        leaves.for_each(|mark| *mark |= 1 << 60);
        chain
    }

    fn common(left: &[u64], right: &[u64]) -> usize {
        left.iter().zip(right).take_while(|(left, right)| left == right).count()
    }

    /// Endpoint, text, blocks, and where the prompt forks.
    fn served() -> impl Strategy<Value = (usize, u64, u64, u64)> {
        (0..70_usize, 0..3_u64, 1..20_u64, 0..20_u64)
    }

    /// Kind, endpoint, fingerprints, and two numbers.
    fn operation() -> impl Strategy<Value = (u8, usize, Vec<u64>, u32, u32)> {
        let fingerprints = proptest::collection::vec(0..9_u64, 0..6);
        (0..5_u8, 0..3_usize, fingerprints, any::<u32>(), any::<u32>())
    }

    proptest! {
        /// Without eviction, a match is the longest prefix in common with anything served; only
        /// where prompts fork at more than eight depths may it be less.
        #[test]
        fn matches_are_the_longest_common_prefixes(
            served in proptest::collection::vec(served(), 0..40),
            (text, blocks) in (0..3_u64, 1..20_u64),
        ) {
            let (mut prefixes, view) = pool(70);
            let asked = prompt(text, blocks);
            let mut model = [0; 70];
            let mut depths = std::collections::BTreeSet::new();
            for (index, text, blocks, fork) in served {
                let chain = forked(text, blocks, fork);
                serve(&mut prefixes, &view, index, &chain, u32::MAX);
                let shared = common(&chain, &asked);
                model[index] = shared.max(model[index]);
                depths.insert(shared);
            }
            for (matched, longest) in matches(&prefixes, &view, &asked).into_iter().zip(model) {
                let matched = usize::try_from(matched).unwrap();
                prop_assert!(matched <= longest * 64);
                prop_assert!(matched == longest * 64 || depths.len() > 8);
            }
        }

        #[test]
        fn arbitrary_operations_never_panic(
            operations in proptest::collection::vec(operation(), 0..60)
        ) {
            let mut prefixes = PrefixIndex::with_capacity(0);
            let view = view((1..=3).map(idle).collect(), 1, &mut prefixes);
            for (operation, index, fingerprints, cached, tokens) in operations {
                let request = PickRequest {
                    fingerprints: &fingerprints,
                    prompt_tokens: tokens,
                    prompt_bytes: u64::from(cached),
                    preamble_bytes: u64::from(tokens),
                    ..PickRequest::default()
                };
                let replica = view.id(index).unwrap();
                match operation {
                    0 => drop(prefixes.matches(&request, &view)),
                    1 => prefixes.forget(replica),
                    2 => {
                        let expectation = prefixes.learn(&request, replica);
                        prefixes.take_back(&request, &expectation);
                    }
                    _ => {
                        let expectation = prefixes.learn(&request, replica);
                        prop_assert!(expectation.matched_tokens() <= tokens);
                        let reported = CachedTokens { cached, prompt: tokens / 2 };
                        prefixes.correct(&expectation, reported);
                    }
                }
                prop_assert_eq!(prefixes.bytes(), 8 * 24);
            }
        }
    }
}
