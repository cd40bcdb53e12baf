//! Circles in a graph of imports.

use std::collections::VecDeque;

use crate::tree::Tree;

/// One module's import of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// Who imports, as an index into the tree's modules.
    pub(crate) from: usize,
    /// The module in which the thing is defined.
    pub(crate) to: usize,
    /// The path as it is written.
    pub(crate) path: String,
    /// Where, counted from 1.
    pub(crate) line: usize,
}

/// Modules each of which imports all others, directly or through some of them.
#[derive(Debug)]
pub(crate) struct Circle {
    /// The modules, ascending.
    pub(crate) modules: Vec<usize>,
    /// The imports among them.
    pub(crate) imports: Vec<Import>,
}

/// All circles of a crate: among its modules, then among the modules of each, taken with all that is
/// in them, unless one between single modules goes through all of those.
pub(crate) fn all(tree: &Tree, imports: &[Import]) -> Vec<Circle> {
    let mut circles = of(tree.modules.len(), imports);
    for module in &tree.modules {
        let children: Vec<usize> = module.children.values().copied().collect();
        for circle in among(tree, &children, imports) {
            let shows = |other: &Circle| {
                let has =
                    |folder| other.modules.iter().any(|module| tree.is_within(*module, folder));
                circle.modules.iter().copied().all(has)
            };
            if !circles.iter().any(shows) {
                circles.push(circle);
            }
        }
    }
    circles
}

/// The circles among these modules, each with all that is in it.
fn among(tree: &Tree, folders: &[usize], imports: &[Import]) -> Vec<Circle> {
    let folder_of = |module: usize| folders.iter().copied().find(|f| tree.is_within(module, *f));
    let between = |import: &Import| {
        let (from, to) = (folder_of(import.from)?, folder_of(import.to)?);
        (from != to).then(|| Import { from, to, ..import.clone() })
    };
    let (wide, imports): (Vec<_>, Vec<_>) =
        imports.iter().filter_map(|import| Some((between(import)?, import))).unzip();
    let mut circles = of(tree.modules.len(), &wide);
    for circle in &mut circles {
        let is_in = |module: usize| folder_of(module).is_some_and(|f| circle.modules.contains(&f));
        let within = imports.iter().filter(|import| is_in(import.from) && is_in(import.to));
        circle.imports = within.copied().cloned().collect();
    }
    circles
}

/// The circles among `modules` modules, without those that lie within another.
fn of(modules: usize, imports: &[Import]) -> Vec<Circle> {
    let mut next = vec![Vec::new(); modules];
    for import in imports {
        next[import.from].push(import.to);
    }
    let reached: Vec<Vec<bool>> = (0..modules).map(|from| reached_from(from, &next)).collect();
    let mut circles: Vec<Circle> = Vec::new();
    for module in (0..modules).filter(|module| reached[*module][*module]) {
        if circles.iter().any(|circle| circle.modules.contains(&module)) {
            continue;
        }
        let members: Vec<usize> = (0..modules)
            .filter(|other| reached[module][*other] && reached[*other][module])
            .collect();
        let within =
            |import: &&Import| members.contains(&import.from) && members.contains(&import.to);
        let imports = imports.iter().filter(within).cloned().collect();
        circles.push(Circle { modules: members, imports });
    }
    circles
}

/// Which modules can be reached in one step or more.
fn reached_from(from: usize, next: &[Vec<usize>]) -> Vec<bool> {
    let mut reached = vec![false; next.len()];
    let mut ahead = VecDeque::from([from]);
    while let Some(module) = ahead.pop_front() {
        for &other in &next[module] {
            if !std::mem::replace(&mut reached[other], true) {
                ahead.push_back(other);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(modules: usize, imports: &[(usize, usize)]) -> Vec<Vec<usize>> {
        let import = |&(from, to)| Import { from, to, path: String::new(), line: 1 };
        let imports: Vec<Import> = imports.iter().map(import).collect();
        of(modules, &imports).into_iter().map(|circle| circle.modules).collect()
    }

    #[test]
    fn two_that_import_each_other_are_a_circle() {
        assert_eq!(circles(3, &[(0, 1), (1, 2), (2, 1)]), [[1, 2]]);
    }

    #[test]
    fn a_ring_through_three_is_one_circle() {
        assert_eq!(circles(4, &[(0, 1), (1, 2), (2, 0), (2, 3)]), [[0, 1, 2]]);
    }

    #[test]
    fn circles_apart_are_told_apart() {
        assert_eq!(circles(5, &[(0, 4), (4, 0), (4, 1), (1, 2), (2, 1)]), [[0, 4], [1, 2]]);
    }

    #[test]
    fn a_tree_has_none() {
        assert!(circles(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]).is_empty());
    }
}
