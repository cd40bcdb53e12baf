//! What an entry of `rules` is about.

use crate::raw::{Direction, RawRule};
use crate::rule::Rule;

/// Whether an entry says what happens to findings of a rule in `direction`.
pub(super) fn names(entry: &RawRule, rule: &Rule, direction: Direction) -> bool {
    let is = |name: &String| *name == rule.id || *name == rule.entity;
    let matches = |name: &String| name == rule.group.name() || is(name);
    entry.direction.include(direction)
        && entry.rules.iter().any(matches)
        && !entry.except.iter().any(is)
}
