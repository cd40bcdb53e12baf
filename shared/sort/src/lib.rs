//! A sort whose code is small.
//!
//! The suite of filters must stay below 1.5 MB, and the sorts of the standard library take 6 KB of
//! WebAssembly for every type and key (12 of them took 75 KB). This heap sort takes 0.3 KB, needs
//! no memory, and no input makes it quadratic. It takes two to three times as long, which
//! does not matter for what filters sort: findings, edits, replicas, the terms of a configuration.

use core::cmp::Ordering;

/// Sorts `items`. What compares as equal may change places.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, Ord::cmp);
}

/// Sorts `items` by what `key` makes of them. What has equal keys may change places.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Sorts `items` as `order` says. What compares as equal may change places.
pub fn sort_by<T>(items: &mut [T], mut order: impl FnMut(&T, &T) -> Ordering) {
    // Nearly always it comes in order.
    if items.is_sorted_by(|a, b| order(a, b) != Ordering::Greater) {
        return;
    }
    let length = items.len();
    // First all parents from the last one down, which makes a heap; then the largest goes behind
    // the heap again and again.
    for step in (0..length + length / 2).rev() {
        let (root, end) = match step.checked_sub(length) {
            Some(parent) => (parent, length),
            None => {
                items.swap(0, step);
                (0, step)
            }
        };
        if let Some(heap) = items.get_mut(..end) {
            sink(heap, root, &mut order);
        }
    }
}

/// Moves the item at `at` of a heap down until no child is larger.
fn sink<T>(heap: &mut [T], mut at: usize, order: &mut impl FnMut(&T, &T) -> Ordering) {
    loop {
        let left = 2 * at + 1;
        let larger = match (heap.get(left), heap.get(left + 1)) {
            (None, _) => return,
            (Some(a), Some(b)) if order(a, b) == Ordering::Less => left + 1,
            _ => left,
        };
        match (heap.get(at), heap.get(larger)) {
            (Some(parent), Some(child)) if order(parent, child) == Ordering::Less => {}
            _ => return,
        }
        heap.swap(at, larger);
        at = larger;
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Numbers below `below` without a pattern.
    fn numbers(count: usize, below: u64) -> Vec<u64> {
        let mut state = count as u64;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn every_length_and_pattern_is_sorted() {
        for count in 0..200 {
            for below in [1, 2, 10, 1_000_000] {
                let mut items = numbers(count, below);
                let mut expected = items.clone();
                expected.sort_unstable();
                sort(&mut items);
                assert_eq!(items, expected);
                sort_by_key(&mut items, |item| core::cmp::Reverse(*item));
                expected.reverse();
                assert_eq!(items, expected);
            }
        }
    }

    #[test]
    fn no_input_makes_it_quadratic() {
        let count = 1 << 12;
        let rising = 0..count as u64 / 2;
        let organ_pipe = rising.clone().chain(rising.rev()).collect();
        for mut items in [numbers(count, 50), (0..count as u64).rev().collect(), organ_pipe] {
            let mut compared = 0;
            sort_by(&mut items, |a, b| {
                compared += 1;
                a.cmp(b)
            });
            assert!(items.is_sorted());
            // Two a level, and the look whether it is sorted.
            assert!(compared <= 2 * 12 * count * 2, "{compared}");
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn it_sorts_like_the_standard_library(items: Vec<(u8, String)>) {
            let (mut items, mut expected) = (items.clone(), items);
            sort(&mut items);
            expected.sort();
            proptest::prop_assert_eq!(items, expected);
        }
    }
}
