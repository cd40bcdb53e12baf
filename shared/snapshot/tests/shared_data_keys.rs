//! Keys of shared data, and the lists of pools in it.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use weir_snapshot::keys::{self, outstanding, pool_key, stamp, view};
use weir_snapshot::limits::{MAX_SERVED_POOLS, MAX_SLOTS};
use weir_snapshot::{Directory, DirectoryError, SAID_AGAIN_MS, ServedPools};

#[test]
fn every_key_has_the_version_and_none_a_name_from_outside() {
    assert_eq!(view(7), "weir/v2/view/7");
    for key in [view(0), stamp(0), outstanding(0)] {
        assert!(key.starts_with(keys::PREFIX), "{key}");
    }
    for key in [keys::POOLS, keys::SERVED, keys::CHALLENGE, keys::CANARIES] {
        assert!(key.starts_with(keys::PREFIX), "{key}");
    }
    assert_ne!(pool_key("llama"), pool_key("lamal"));
}

#[test]
fn pools_keep_their_slots_and_a_slot_can_be_given_to_another() {
    let stored = Directory::new(b"").with(0, "llama");
    assert_eq!(Directory::new(&stored).free_slot(), Some(1));
    let stored = Directory::new(&stored).with(1, "team/qwen");
    let stored = Directory::new(&stored).with(3, "late");
    let directory = Directory::new(&stored);
    assert_eq!((directory.slot("team/qwen"), directory.slot("late")), (Some(1), Some(3)));
    assert_eq!((directory.slot("lama"), directory.free_slot()), (None, Some(2)));
    let stored = directory.with(0, "new");
    let directory = Directory::new(&stored);
    assert_eq!((directory.slot("new"), directory.slot("llama")), (Some(0), None));
    assert_eq!((directory.slot("team/qwen"), directory.check()), (Some(1), Ok(())));
}

#[test]
fn there_are_as_many_slots_as_that_and_any_number_of_names_over_time() {
    let mut stored = Vec::new();
    for index in 0..MAX_SLOTS {
        let directory = Directory::new(&stored);
        let slot = directory.free_slot().unwrap();
        assert_eq!(slot, index);
        stored = directory.with(slot, &format!("pool-{index}"));
    }
    assert_eq!(Directory::new(&stored).free_slot(), None);
    for index in 0..10_000 {
        stored = Directory::new(&stored).with(index % MAX_SLOTS, &format!("other-{index}"));
    }
    assert!(stored.len() < MAX_SLOTS * 12, "{}", stored.len());
    assert_eq!(Directory::new(&stored).pools().count(), MAX_SLOTS);
}

#[test]
fn broken_directories_lose_only_what_is_broken_and_say_so() {
    let directory = Directory::new(b"a\n\xff\nb c\n\nd");
    assert_eq!(directory.pools().collect::<Vec<_>>(), [(0, "a"), (4, "d")]);
    assert_eq!(directory.check(), Err(DirectoryError::Name(1)));
    assert_eq!(directory.free_slot(), Some(1));
    assert_eq!(directory.with(1, "e"), b"a\ne\n\n\nd");
    let long = vec![b'\n'; MAX_SLOTS];
    assert_eq!(Directory::new(&long).check(), Err(DirectoryError::Slots));
    assert_eq!(Directory::new(b"").check(), Ok(()));
}

fn said(stored: &[u8], names: &[&str], now_ms: u64) -> Option<Vec<u8>> {
    ServedPools::read(stored).say(names.iter().copied(), now_ms)
}

fn names(stored: &[u8], now_ms: u64) -> Vec<String> {
    ServedPools::read(stored).names(now_ms).map(str::to_owned).collect()
}

#[test]
fn what_policies_name_holds_while_it_is_said_again() {
    let stored = said(b"", &["llama", "qwen"], 100_000).unwrap();
    assert_eq!(names(&stored, 100_000), ["llama", "qwen"]);
    // Another worker of the same configuration has nothing to add.
    assert_eq!(said(&stored, &["qwen", "llama"], 110_000), None);
    let stored = said(&stored, &["llama"], 120_000).unwrap();
    let end = 100_000 + SAID_AGAIN_MS;
    assert_eq!(names(&stored, end - 1), ["llama", "qwen"]);
    assert_eq!(names(&stored, end), ["llama"]);
    // What holds no more is written no more.
    let stored = said(&stored, &["mistral"], end).unwrap();
    assert_eq!(stored, b"120000 llama\n160000 mistral\n");
}

#[test]
fn a_clock_that_was_set_back_forgets_nobody_who_says_it_again() {
    let stored = said(b"", &["llama", "gone"], 10_000_000).unwrap();
    let stored = said(&stored, &["llama"], 5_000).unwrap();
    assert_eq!(names(&stored, 5_000), ["llama"]);
}

#[test]
fn names_are_bounded_and_none_that_could_break_the_list_is_taken() {
    let many: Vec<String> = (0..2 * MAX_SERVED_POOLS).map(|index| format!("p{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let stored = said(b"", &many, 1).unwrap();
    assert_eq!(names(&stored, 1).len(), MAX_SERVED_POOLS);
    assert_eq!(said(b"", &["a b", "a\nb", ""], 1), None);
}

#[test]
fn broken_lists_of_served_pools_lose_only_what_is_broken_and_say_so() {
    let stored = b"5 a\nx b\n6\n7 c d\n\xff\n8 e\n";
    assert_eq!(names(stored, 9), ["a", "e"]);
    let error = ServedPools::read(stored).check().unwrap_err().to_string();
    assert_eq!(error, "served pools: 4 lines are no `TIME NAME`");
    assert_eq!(said(stored, &["a"], 9), Some(b"5 a\n8 e\n".to_vec()), "mended");
    assert_eq!(ServedPools::read(b"5 a\n").check(), Ok(()));
}
