//! Sorting of few things that are nearly in order already, with one copy of the code for all of them.

use core::cmp::Ordering;

/// The numbers from 0 to `len`, in the order that `compare` gives to what they stand for. What is equal keeps its order.
pub(crate) fn order(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    order
}
