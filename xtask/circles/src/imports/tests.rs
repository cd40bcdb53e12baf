//! Imports and circles of small crates.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::*;
use crate::circles;

/// A crate of these files, `lib.rs` among them.
fn tree(files: &[(&str, &str)]) -> Tree {
    let files: HashMap<&str, &str> = files.iter().copied().collect();
    let read = |path: &Path| {
        let text = path.to_str().and_then(|path| files.get(path));
        text.map(|text| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    };
    Tree::read(Path::new("lib.rs"), &read).unwrap()
}

/// `from → to` for all imports, in order of the modules.
fn listed(files: &[(&str, &str)]) -> Vec<String> {
    let tree = tree(files);
    let line = |import: &Import| format!("{} → {}", tree.name(import.from), tree.name(import.to));
    imports(&tree).iter().map(line).collect()
}

/// The modules of each circle.
fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let tree = tree(files);
    let circles = circles::all(&tree, &imports(&tree));
    let names = |circle: &circles::Circle| circle.modules.iter().map(|m| tree.name(*m)).collect();
    circles.iter().map(names).collect()
}

const NONE: [Vec<String>; 0] = [];

#[test]
fn two_modules_that_import_each_other_are_found() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B; fn f(_: super::a::A) {}"),
    ];
    assert_eq!(circles(&files), [["crate::a", "crate::b"]]);
}

#[test]
fn a_ring_through_three_modules_is_found() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::{b::{B as Other, nothing}, d::D};"),
        ("b.rs", "pub struct B; use crate::c; fn f() { c::c() }"),
        ("c.rs", "pub fn c() { println!(\"{}\", crate::a::A) }"),
        ("d.rs", "pub struct D;"),
    ];
    assert_eq!(circles(&files), [["crate::a", "crate::b", "crate::c"]]);
}

#[test]
fn folders_whose_modules_import_each_other_are_a_circle() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "mod x; mod w;"),
        ("a/x.rs", "use crate::b::y::Y; use crate::c::C;"),
        ("a/w.rs", "pub struct W;"),
        ("b.rs", "mod y; mod z;"),
        ("b/y.rs", "pub struct Y;"),
        ("b/z.rs", "use crate::a::w::W;"),
        ("c.rs", "pub struct C;"),
    ];
    assert_eq!(circles(&files), [["crate::a", "crate::b"]]);
}

#[test]
fn a_tree_has_no_circle() {
    let files = [
        ("lib.rs", "pub mod a; mod leaf; pub use a::A; pub use leaf::Leaf;"),
        ("a.rs", "mod b; pub use b::B; use crate::Leaf; pub struct A(Leaf);"),
        ("a/b.rs", "use crate::leaf::Leaf; use super::A; pub struct B(Leaf, A);"),
        ("leaf.rs", "pub struct Leaf;"),
    ];
    assert_eq!(circles(&files), NONE);
    assert_eq!(
        listed(&files),
        ["crate::a → crate::leaf", "crate::a::b → crate::leaf", "crate::a::b → crate::a"]
    );
}

#[test]
fn re_exports_are_followed_to_where_the_thing_is_defined() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub use b::*;"),
        ("a.rs", "pub struct A(crate::B);"),
        ("b.rs", "mod inner; pub use inner::B;"),
        ("b/inner.rs", "pub struct B; fn f(_: crate::A) {}"),
    ];
    assert_eq!(circles(&files), [["crate::a", "crate::b::inner"]]);
}

#[test]
fn a_parent_that_names_what_its_child_makes_of_it_is_in_a_circle() {
    let child = ("child.rs", "use super::Thing; pub fn read() -> Thing { Thing }");
    for parent in [
        "mod child; pub struct Thing; fn f() -> Thing { child::read() }",
        "mod child; use child::read; pub struct Thing; fn f() -> Thing { read() }",
        "mod child; pub use child::read; pub struct Thing; fn f() -> Thing { read() }",
    ] {
        assert_eq!(circles(&[("lib.rs", parent), child]), [["crate", "crate::child"]], "{parent}");
    }
    let parent = ("lib.rs", "mod child; pub use child::read; pub struct Thing;");
    assert_eq!(circles(&[parent, child]), NONE, "only re-exported");
}

#[test]
fn methods_that_a_child_adds_to_its_parents_type_are_no_import() {
    let files = [
        ("lib.rs", "mod child; pub struct Thing; fn f() { let child = Thing; child.go() }"),
        ("child.rs", "use super::Thing; impl Thing { pub fn go(&self) {} }"),
    ];
    assert_eq!(circles(&files), NONE);
}

#[test]
fn blocks_and_files_with_a_path_are_modules_too() {
    let files = [
        ("lib.rs", "mod a { pub struct A; use super::b::B; } #[path = \"other.rs\"] mod b;"),
        ("other.rs", "pub struct B; use crate::a::A;"),
    ];
    assert_eq!(circles(&files), [["crate::a", "crate::b"]]);
}

#[test]
fn what_only_tests_name_does_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod tests;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        (
            "b.rs",
            "pub struct B; #[cfg(test)] mod t { use crate::a::A; } #[cfg(all(test, unix))] use crate::a::A;",
        ),
    ];
    assert_eq!(listed(&files), ["crate::a → crate::b"]);
}

#[test]
fn other_crates_and_visibilities_are_no_imports() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use std::fmt; use ::b::B; pub(in crate::b) struct A; fn f() { fmt::b(1) }"),
        ("b.rs", "pub(super) struct B; use crate::a; use super::a::A;"),
    ];
    assert_eq!(listed(&files), ["crate::b → crate::a"]);
}
