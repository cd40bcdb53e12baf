//! Reading what Weir's filters write, with a map for shared data.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::Duration;

use weir_snapshot::{
    Directory, EndpointReport, EndpointState, SnapshotMessage, VersionStamp, encode, keys,
};
use weir_wire::facts::{Destination, Facts, FactsError};
use weir_wire::path::{Dialect, Endpoint, Operation};
use weir_wire::request::{RequestScanner, ScanLimits};

use crate::host::SharedData;
use crate::request::{FACTS, read_facts};
use crate::{Pools, State, Unreadable};

#[derive(Default)]
struct Shared {
    values: HashMap<String, Vec<u8>>,
    reads: Cell<usize>,
}

impl SharedData for Shared {
    fn read(&self, key: &str) -> Option<Vec<u8>> {
        self.reads.set(self.reads.get() + 1);
        self.values.get(key).cloned()
    }
}

impl Shared {
    fn set(&mut self, key: &str, value: &[u8]) {
        self.values.insert(key.to_owned(), value.to_owned());
    }

    /// Writes as the intake filter does.
    fn store(&mut self, slot: usize, message: &SnapshotMessage) {
        let stored = self.values.get(keys::POOLS).cloned().unwrap_or_default();
        self.set(keys::POOLS, &Directory::new(&stored).with(slot, &message.pool));
        self.set(&keys::stamp(slot), &VersionStamp::of(message, 5_000_000).encode());
        self.set(&keys::view(slot), &encode(message, 5_000_000).unwrap());
    }

    /// The sequence of the pool's view, 2 ms after it was received.
    fn sequence(&self, pools: &Pools, pool: &str) -> Option<u64> {
        let load = pools.load_from(self, pool, || 7_000_000).unwrap()?;
        assert_eq!(load.age(), Duration::from_millis(2));
        Some(load.stamp().sequence)
    }
}

fn message(pool: &str, sequence: u64) -> SnapshotMessage {
    let endpoints = vec![EndpointReport::new("10.0.0.1:80", EndpointState::Ready)];
    SnapshotMessage::new(pool, (1, sequence), 7, endpoints)
}

#[test]
fn a_view_is_decoded_once_for_each_push() {
    let (mut shared, pools) = (Shared::default(), Pools::default());
    assert_eq!(shared.sequence(&pools, "llama"), None);
    shared.store(0, &message("llama", 1));
    assert_eq!(shared.sequence(&pools, "llama"), Some(1));
    shared.reads.set(0);
    assert_eq!(shared.sequence(&pools.clone(), "llama"), Some(1));
    assert_eq!(shared.reads.get(), 1, "the stamp alone");
    shared.store(0, &message("llama", 2));
    assert_eq!(shared.sequence(&pools, "llama"), Some(2));
}

#[test]
fn a_pool_is_found_again_when_its_slot_was_given_to_another() {
    let (mut shared, pools) = (Shared::default(), Pools::default());
    shared.store(0, &message("llama", 1));
    assert_eq!(shared.sequence(&pools, "llama"), Some(1));
    shared.store(0, &message("qwen", 9));
    assert_eq!(shared.sequence(&pools, "llama"), None, "its slot is another's");
    shared.store(1, &message("llama", 2));
    assert_eq!(shared.sequence(&pools, "llama"), Some(2));
    assert_eq!(shared.sequence(&pools, "qwen"), Some(9));
    // Its stamp is there, but the view is still that of the pool before.
    shared.store(1, &message("mistral", 3));
    let view = encode(&message("llama", 3), 5_000_000).unwrap();
    shared.set(&keys::view(1), &view);
    assert_eq!(shared.sequence(&pools, "mistral"), None);
}

#[test]
fn a_view_that_is_older_than_its_stamp_is_read_again() {
    let (mut shared, pools) = (Shared::default(), Pools::default());
    shared.store(0, &message("llama", 1));
    shared.set(&keys::stamp(0), &VersionStamp::of(&message("llama", 2), 5_000_000).encode());
    assert_eq!(shared.sequence(&pools, "llama"), Some(1));
    shared.store(0, &message("llama", 2));
    assert_eq!(shared.sequence(&pools, "llama"), Some(2));
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_key_and_does_not_stay_one() {
    let (mut shared, pools) = (Shared::default(), Pools::default());
    shared.store(3, &message("llama", 1));
    shared.set(&keys::view(3), b"WVS\x09");
    let error = pools.load_from(&shared, "llama", || 0).unwrap_err();
    assert_eq!(
        error.to_string(),
        "weir/v2/view/3: view: format 9 is unknown, this build reads format 2 only"
    );
    shared.set(&keys::stamp(3), &[0; 24]);
    let error = pools.load_from(&shared, "llama", || 0).unwrap_err();
    assert_eq!(error, Unreadable::Stamp { key: "weir/v2/stamp/3".into(), bytes: 24 });
    shared.store(3, &message("llama", 2));
    assert_eq!(shared.sequence(&pools, "llama"), Some(2));
}

#[test]
fn more_names_than_there_can_be_pools_do_not_grow_what_is_kept() {
    let (mut shared, pools) = (Shared::default(), Pools::default());
    shared.store(0, &message("llama", 1));
    for name in 0..1000 {
        assert_eq!(shared.sequence(&pools, &format!("pool-{name}")), None);
        assert!(pools.len() <= weir_snapshot::limits::MAX_SLOTS);
    }
    assert_eq!(shared.sequence(&pools, "llama"), Some(1));
}

fn facts_of_a_chat() -> Facts {
    let endpoint = Endpoint {
        dialect: Dialect::OpenAi,
        operation: Operation::ChatCompletions,
        path_model: None,
        stream_by_path: false,
    };
    let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
    scanner.feed(br#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#).unwrap();
    let to = Destination { model: "m", upstream_model: "base", pool: "llama", adapter: None };
    Facts::new(&endpoint, &scanner.finish().unwrap(), to)
}

#[test]
fn facts_are_read_as_the_router_writes_them_and_those_of_another_version_are_an_error() {
    let facts = facts_of_a_chat();
    assert_eq!(read_facts(Some(facts.encode())), Ok(Some(facts)));
    assert_eq!(read_facts(None), Ok(None));
    let error = read_facts(Some(vec![250, 1, 2])).unwrap_err();
    assert_eq!(error, Unreadable::Facts(FactsError::Version { found: 250 }));
}

#[test]
fn the_keys_are_those_that_weirs_filters_write() {
    assert_eq!(FACTS, weir_request::FACTS);
    let names = State::ALL.map(State::key);
    for name in ["model", "pool", "endpoint", "decision", "tokens", "tokens-total"] {
        assert!(weir_request::StateKey::by_name(name).is_some(), "{name}");
        assert!(names.contains(&format!("weir.{}", name.replace('-', "_")).as_str()), "{name}");
    }
}

/// The page, which says what other languages have to read.
const PAGE: &str = include_str!("../README.md");

#[test]
fn the_page_names_the_keys_and_versions_of_this_build() {
    for name in State::ALL.map(State::key) {
        assert!(PAGE.contains(&format!("`{name}`")), "{name}");
    }
    let slots = [keys::stamp(7), keys::view(7)].map(|key| key.replace('7', "SLOT"));
    for key in slots.iter().map(String::as_str).chain([keys::POOLS]) {
        assert!(PAGE.contains(&format!("shared data `{key}`")), "{key}");
    }
    let view = encode(&message("llama", 1), 1).unwrap();
    assert!(PAGE.contains(&format!("the fourth byte, {} |", view[3])));
    assert!(PAGE.contains(&format!("the first byte, {} |", facts_of_a_chat().encode()[0])));
    assert!(PAGE.contains(&format!("| {} bytes: epoch", VersionStamp::BYTES)));
}

#[test]
fn the_pages_filter_is_the_example_that_a_test_runs_in_envoy() {
    let example = include_str!("../../sdk-example/src/lib.rs");
    let (_, code) = example.split_once("\n\n").unwrap();
    assert!(PAGE.contains(&format!("```rust,no_run\n{code}```")));
}
