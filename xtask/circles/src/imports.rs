//! Which module imports which.

use std::collections::HashSet;

use crate::circles::Import;
use crate::mentions::{Mention, Use};
use crate::tree::Tree;

/// Re-exports of re-exports that are followed; only a circle of them is longer.
const MAX_STEPS: usize = 32;

/// All imports between modules, one for each pair.
pub(crate) fn imports(tree: &Tree) -> Vec<Import> {
    let mut imports = Vec::new();
    for (from, module) in tree.modules.iter().enumerate() {
        let mut seen = HashSet::from([from]);
        let uses = module.mentions.uses.iter().filter(|used| !is_facade(tree, from, used));
        let uses = uses.map(|used| &used.path);
        let paths = module.mentions.paths.iter().filter(|path| !is_local(tree, from, path));
        for mention in uses.chain(paths) {
            let Some(to) = resolve(tree, from, &mention.segments, MAX_STEPS) else { continue };
            if seen.insert(to) {
                let (path, line) = (mention.segments.join("::"), mention.line);
                imports.push(Import { from, to, path, line });
            }
        }
    }
    imports
}

/// Whether a `use` only offers to others what is defined further down.
fn is_facade(tree: &Tree, from: usize, used: &Use) -> bool {
    let target = || resolve(tree, from, &used.path.segments, MAX_STEPS);
    used.reexport && target().is_some_and(|to| tree.is_within(to, from))
}

/// Whether a name alone cannot mean the module that is called like it.
fn is_local(tree: &Tree, from: usize, path: &Mention) -> bool {
    match path.segments.as_slice() {
        [name] => tree.modules[from].children.contains_key(name),
        _ => false,
    }
}

/// The module that a path leads to, or in which what it names is defined; `None` outside the crate.
fn resolve(tree: &Tree, from: usize, segments: &[String], steps: usize) -> Option<usize> {
    let (first, rest) = segments.split_first()?;
    let steps = steps.checked_sub(1)?;
    match first.as_str() {
        "crate" => descend(tree, 0, rest, steps),
        "self" => descend(tree, from, rest, steps),
        "super" => {
            let parent = tree.modules[from].parent?;
            match rest.first().map(String::as_str) {
                Some("super") => resolve(tree, parent, rest, steps),
                _ => descend(tree, parent, rest, steps),
            }
        }
        _ => look_up(tree, from, first, rest, steps),
    }
}

/// The same below the module `at`; what is not found there is taken to be there.
fn descend(tree: &Tree, at: usize, segments: &[String], steps: usize) -> Option<usize> {
    match segments.split_first() {
        None => Some(at),
        Some((first, rest)) => look_up(tree, at, first, rest, steps).or(Some(at)),
    }
}

/// Where a name of the module `at` comes from, and then `rest` of the path.
fn look_up(tree: &Tree, at: usize, name: &str, rest: &[String], steps: usize) -> Option<usize> {
    let module = &tree.modules[at];
    if let Some(child) = module.children.get(name) {
        return descend(tree, *child, rest, steps);
    }
    if module.items.contains(name) {
        return Some(at);
    }
    let through = |path: &[String], rest: &[String]| {
        let path = [path, rest].concat();
        // The name of another crate is not looked for here again.
        let itself = path.first().is_some_and(|first| first == name);
        if itself { None } else { resolve(tree, at, &path, steps.checked_sub(1)?) }
    };
    if let Some(used) = named(tree, at, name).next() {
        return through(&used.path.segments, rest);
    }
    let all = module.mentions.uses.iter().filter(|used| used.name == "*");
    all.filter_map(|used| resolve(tree, at, &used.path.segments, steps.checked_sub(1)?))
        .filter(|other| *other != at)
        .find_map(|other| look_up(tree, other, name, rest, steps.checked_sub(1)?))
}

fn named<'t>(tree: &'t Tree, at: usize, name: &str) -> impl Iterator<Item = &'t Use> {
    tree.modules[at].mentions.uses.iter().filter(move |used| used.name == name)
}

#[cfg(test)]
mod tests;
