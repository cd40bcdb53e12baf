//! Ids, entity types and terms of custom rules: what can be told apart, and shown in metrics.

use std::sync::Arc;

use super::dictionary::MAX_TERM;
use crate::error::PolicyError;
use crate::rule::{BuiltIn, Group, Rule};

/// What stands before the id of a custom rule.
pub(super) const PREFIX: &str = "custom.";

/// Longest id or entity type, in bytes; what a placeholder may be made of.
const MAX_NAME: usize = 48;

/// Said of what already has another meaning in `rules`.
const TAKEN: &str = "is the name of a built-in rule or group; write another";

/// Checks the id of the entry `field`, before which `known` were taken.
#[cold]
#[inline(never)]
pub(super) fn id(field: &str, id: &str, known: &[Arc<Rule>]) -> Result<(), PolicyError> {
    let fail = |problem| Err(PolicyError::new(format_args!("{field}.id"), problem));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if id.is_empty() || id.len() > MAX_NAME || !id.bytes().all(plain) {
        return fail(format_args!(
            "{id:?} must be 1 to {MAX_NAME} of a to z, A to Z, 0 to 9, `_`, `-` and `.`: it is part of metrics"
        ));
    }
    if let Some(own) = id.strip_prefix(PREFIX) {
        return fail(format_args!("{id:?}: Weir puts `{PREFIX}` before it; write {own:?}"));
    }
    if is_taken(id) {
        return fail(format_args!("{id:?} {TAKEN}"));
    }
    let same = |rule: &Arc<Rule>| rule.id.strip_prefix(PREFIX) == Some(id);
    if known.iter().any(same) {
        return fail(format_args!(
            "{id:?} is the id of another regex or dictionary; write another"
        ));
    }
    Ok(())
}

/// Checks the entity type of the entry `field`.
#[cold]
#[inline(never)]
pub(super) fn entity(field: &str, entity: &str) -> Result<(), PolicyError> {
    let fail = |problem| Err(PolicyError::new(format_args!("{field}.entity"), problem));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || byte >= 0x80;
    if entity.is_empty() || entity.len() > MAX_NAME || !entity.bytes().all(plain) {
        return fail(format_args!(
            "{entity:?} must be 1 to {MAX_NAME} bytes of letters, digits, `_` and `-`, as in `PROJECT`: it becomes `[PROJECT]`"
        ));
    }
    if is_taken(entity) {
        return fail(format_args!("{entity:?} {TAKEN}"));
    }
    Ok(())
}

/// Checks the terms of the entry `field`. The terms themselves may be secret: they are not shown.
#[cold]
#[inline(never)]
pub(super) fn terms(field: &str, terms: &[String]) -> Result<(), PolicyError> {
    if terms.is_empty() {
        let problem = format_args!("is empty: without a term nothing is found");
        return Err(PolicyError::new(format_args!("{field}.terms"), problem));
    }
    for (at, term) in terms.iter().enumerate() {
        let problem = match term.trim() {
            "" => "is empty",
            trimmed if trimmed.len() < term.len() => "begins or ends with white space",
            _ if term.len() > MAX_TERM => "is longer than 256 bytes",
            _ => continue,
        };
        let field = format_args!("{field}.terms[{at}]");
        return Err(PolicyError::new(field, format_args!("{problem}")));
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn is_taken(name: &str) -> bool {
    Group::ALL.iter().any(|group| group.name() == name)
        || BuiltIn::table().iter().any(|rule| rule.id == name)
}
