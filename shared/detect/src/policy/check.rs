//! What a policy can only say by mistake, and what to write instead.
//!
//! All of it runs once for a configuration: it is kept out of line, so that it stays small.

use std::fmt::Arguments;
use std::sync::Arc;

use super::entry::names;
use crate::error::{PolicyError, confidence};
use crate::raw::{Direction, Directions, ROLES, RawPolicy, RawRule};
use crate::rule::{Group, Rule};
use crate::scanner::{MIN_HOLD_BACK, Scanner};

/// Largest hold-back limit, in bytes.
const MAX_HOLD_BACK: usize = 65_536;

/// Checks everything but the rules themselves, which [`rules`] does, and the custom ones.
#[cold]
#[inline(never)]
pub(super) fn policy(raw: &RawPolicy) -> Result<(), PolicyError> {
    let fail = |field, problem| Err(PolicyError::new(field, problem));
    let out_of_range = |bytes: &usize| !(MIN_HOLD_BACK..=MAX_HOLD_BACK).contains(bytes);
    if let Some(bytes) = raw.hold_back_bytes.filter(out_of_range) {
        return fail(
            format_args!("hold_back_bytes"),
            format_args!("{bytes} is outside {MIN_HOLD_BACK} to {MAX_HOLD_BACK}"),
        );
    }
    if raw.max_response_bytes == Some(0) {
        return fail(
            format_args!("max_response_bytes"),
            format_args!("0 would block every response; leave it out for no limit"),
        );
    }
    if let Some(at) = raw.allow.exact.iter().position(String::is_empty) {
        return fail(format_args!("allow.exact[{at}]"), format_args!("is empty"));
    }
    roles(format_args!(""), &raw.roles)?;
    hosts("link_hosts", &raw.link_hosts)?;
    hosts("allow.domains", &raw.allow.domains)
}

/// Checks the entries of `rules`.
#[cold]
#[inline(never)]
pub(super) fn rules(scanner: &Scanner, written: &[RawRule]) -> Result<(), PolicyError> {
    written.iter().enumerate().try_for_each(|(at, entry)| rule(scanner, at, entry))
}

#[cold]
#[inline(never)]
fn rule(scanner: &Scanner, at: usize, entry: &RawRule) -> Result<(), PolicyError> {
    if entry.rules.is_empty() {
        let problem = format_args!("names nothing; {}", choices());
        return Err(PolicyError::new(format_args!("rules[{at}].rules"), problem));
    }
    for (place, name) in entry.rules.iter().enumerate() {
        if !scanner.rules().iter().any(|rule| covers(name, rule)) && !is_group(name) {
            let field = format_args!("rules[{at}].rules[{place}]");
            return Err(PolicyError::new(field, format_args!("{}", unknown(scanner, name))));
        }
    }
    for (place, name) in entry.except.iter().enumerate() {
        if let Some(problem) = exception(scanner, entry, name) {
            let field = format_args!("rules[{at}].except[{place}]");
            return Err(PolicyError::new(field, format_args!("{problem}")));
        }
    }
    confidence(format_args!("rules[{at}].min_confidence"), entry.min_confidence)?;
    if !entry.roles.is_empty() && entry.direction == Directions::Response {
        let problem = "are those of requests, and the rule looks at responses only";
        return Err(PolicyError::new(format_args!("rules[{at}].roles"), format_args!("{problem}")));
    }
    roles(format_args!("rules[{at}]."), &entry.roles)
}

/// Both directions.
const WAYS: [Direction; 2] = [Direction::Request, Direction::Response];

/// Checks that every entry of `rules`, and every rule of the operator's own, does something: what later entries name in the same
/// direction they decide, and what nobody names is not looked for.
#[cold]
#[inline(never)]
pub(super) fn effects(scanner: &Scanner, raw: &RawPolicy) -> Result<(), PolicyError> {
    for (at, entry) in raw.rules.iter().enumerate() {
        if is_overridden(scanner, entry, raw.rules.get(at + 1..).unwrap_or_default()) {
            let problem = "does nothing: later entries name all that it names, and the last one decides; put it behind them";
            return Err(PolicyError::new(format_args!("rules[{at}]"), format_args!("{problem}")));
        }
    }
    let own = |rule: &&Arc<Rule>| rule.group == Group::Custom;
    let named =
        |rule: &Rule| raw.rules.iter().any(|entry| WAYS.iter().any(|way| names(entry, rule, *way)));
    let mut rules = scanner.rules().iter().filter(own);
    match rules.find(|rule| !raw.rules.is_empty() && !named(rule)).map(AsRef::as_ref) {
        Some(Rule { id, .. }) => {
            let problem = "so nothing looks for it; add it, or `custom`, to an entry";
            let problem = format_args!("none names {id:?}, {problem}");
            Err(PolicyError::new(format_args!("rules"), problem))
        }
        None => Ok(()),
    }
}

/// Whether `later` entries decide about all that an entry names; not where that is nothing, as a group without rules.
#[cold]
#[inline(never)]
fn is_overridden(scanner: &Scanner, entry: &RawRule, later: &[RawRule]) -> bool {
    let places = || scanner.rules().iter().flat_map(|rule| WAYS.map(|way| (rule, way)));
    let mut named = places().filter(|(rule, way)| names(entry, rule, *way)).peekable();
    let all_roles = |other: &RawRule| {
        let has = |role: &String| other.roles.contains(role);
        other.roles.is_empty() || !entry.roles.is_empty() && entry.roles.iter().all(has)
    };
    let takes = |(rule, way): (&Arc<Rule>, Direction)| {
        later.iter().any(|other| names(other, rule, way) && all_roles(other))
    };
    named.peek().is_some() && named.all(takes)
}

/// What is wrong with a name in `except`.
#[cold]
#[inline(never)]
fn exception(scanner: &Scanner, entry: &RawRule, name: &str) -> Option<String> {
    if is_group(name) {
        let problem = "is a group; leave it out of `rules`, or name rule ids or entity types";
        return Some(format!("{name:?} {problem}"));
    }
    let mut excepted = scanner.rules().iter().filter(|rule| covers(name, rule)).peekable();
    if excepted.peek().is_none() {
        return Some(unknown(scanner, name));
    }
    let included = excepted.any(|rule| entry.rules.iter().any(|name| covers(name, rule)));
    (!included).then(|| format!("{name:?} is not among what `rules` names"))
}

/// Whether a name that a policy uses stands for the rule.
#[inline(never)]
fn covers(name: &str, rule: &Rule) -> bool {
    name == rule.group.name() || name == rule.id || name == rule.entity
}

#[inline(never)]
fn is_group(name: &str) -> bool {
    Group::ALL.iter().any(|group| group.name() == name)
}

#[cold]
#[inline(never)]
fn roles(below: Arguments<'_>, written: &[String]) -> Result<(), PolicyError> {
    for (at, role) in written.iter().enumerate() {
        if !ROLES.contains(&role.as_str()) {
            let roles = ROLES.join(", ");
            let problem = format_args!("{role:?} is no message role; the roles are {roles}");
            return Err(PolicyError::new(format_args!("{below}roles[{at}]"), problem));
        }
    }
    Ok(())
}

/// Host names as [`crate::hosts::Hosts`] compares them: anything else would never match.
#[cold]
#[inline(never)]
fn hosts(field: &str, written: &[String]) -> Result<(), PolicyError> {
    for (at, host) in written.iter().enumerate() {
        let name = host.strip_prefix("*.").unwrap_or(host).as_bytes();
        let foreign = |byte: &u8| byte.is_ascii_whitespace() || b"/:?#@\\*".contains(byte);
        if name.split(|byte| *byte == b'.').any(<[u8]>::is_empty) || name.iter().any(foreign) {
            let problem = "is no host name; write it without scheme, port and path, as in \
                           `example.com`, which stands for its subdomains, too";
            let problem = format_args!("{host:?} {problem}");
            return Err(PolicyError::new(format_args!("{field}[{at}]"), problem));
        }
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn choices() -> String {
    let groups = Group::ALL.map(Group::name).join(", ");
    format!("write groups ({groups}), rule ids or entity types (`weir rules` lists them)")
}

/// What is wrong with a name that stands for nothing.
#[cold]
#[inline(never)]
fn unknown(scanner: &Scanner, name: &str) -> String {
    let near = Group::ALL.iter().map(|group| group.name()).find(|known| is_near(name, known));
    let near = near.or_else(|| {
        let rule = scanner.rules().iter().find(|rule| is_near(name, &rule.id));
        rule.map(|rule| rule.id.as_ref())
    });
    let problem = "is no group, rule id or entity type";
    match near {
        Some(near) => format!("{name:?} {problem}; did you mean {near:?}?"),
        None => format!("{name:?} {problem}; {}", choices()),
    }
}

/// Whether a name is meant for another: the same in another case or without its group, or with one
/// stretch of at most two letters wrong.
#[cold]
#[inline(never)]
fn is_near(written: &str, known: &str) -> bool {
    let own = known.rsplit('.').next().unwrap_or(known);
    [known, own].iter().any(|known| {
        let (a, b) = (written.as_bytes(), known.as_bytes());
        let same = |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b);
        let head = a.iter().zip(b).take_while(|pair| same(*pair)).count();
        let tail = a.iter().rev().zip(b.iter().rev()).take_while(|pair| same(*pair)).count();
        let longest = a.len().max(b.len());
        // Of a short name one letter at most: two would be most of it.
        longest.saturating_sub(head + tail) <= longest.min(6) / 3 && a.len().abs_diff(b.len()) <= 1
    })
}
