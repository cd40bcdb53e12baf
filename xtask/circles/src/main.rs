//! Lists circles of imports between the modules of each crate of the workspace.
//!
//! Modules that import each other can only be read, tested and changed together. This program reads
//! the sources of every library, binary, example and benchmark, and ends with 1 if modules of one of
//! them import each other, directly or through others.

#![allow(clippy::indexing_slicing, reason = "every index is that of a module of the same tree")]

mod circles;
mod imports;
mod mentions;
mod metadata;
mod tree;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use crate::circles::Circle;
use crate::imports::imports;
use crate::tree::{ReadError, Tree};

/// Lists circles of imports between the modules of each crate; the exit status is 1 if there are any.
///
/// A module imports another if its code, outside `#[cfg(test)]`, names something that is defined
/// there: in a `use`, in a path (`crate::a::Thing`, `super::Thing`, `child::function`), or in the
/// arguments of a macro. Re-exports are followed, so what counts is the module in whose file, or
/// block, the thing is defined. A parent and its children are modules like any others. Modules side by
/// side are also taken with all that is in them: a::x → b::y and b::z → a::w is a circle of a and b.
///
/// Three things are no imports: `mod child;`, the re-export of something by a module above it (`pub use
/// child::Thing`, while the module's own code does not name it), and the call of a method.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask circles", verbatim_doc_comment)]
struct Options {
    /// The workspace's folder.
    #[arg(long, value_name = "FOLDER", default_value = ".", hide = true)]
    root: PathBuf,
    /// Only these packages.
    #[arg(value_name = "PACKAGE")]
    packages: Vec<String>,
}

/// Why the sources could not be looked at.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Metadata(#[from] metadata::MetadataError),
    #[error(transparent)]
    Source(#[from] ReadError),
    #[error("the workspace has no package `{0}`")]
    UnknownPackage(String),
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("circles: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the circles, and returns how many there are.
fn run(options: &Options) -> Result<usize, Failure> {
    let targets = metadata::targets(&options.root)?;
    // Cargo's paths are absolute.
    let root = options.root.canonicalize().unwrap_or_else(|_| options.root.clone());
    if let Some(name) =
        options.packages.iter().find(|name| !targets.iter().any(|t| t.package == **name))
    {
        return Err(Failure::UnknownPackage(name.clone()));
    }
    let (mut found, mut modules) = (0, 0);
    for target in &targets {
        if !options.packages.is_empty() && !options.packages.contains(&target.package) {
            continue;
        }
        let tree = Tree::read(&target.root, &|path| std::fs::read_to_string(path))?;
        modules += tree.modules.len();
        for circle in circles::all(&tree, &imports(&tree)) {
            print_circle(&root, target, &tree, &circle);
            found += 1;
        }
    }
    match found {
        0 => println!("no circle of imports between {modules} modules"),
        1 => println!("1 circle of imports between {modules} modules"),
        _ => println!("{found} circles of imports between {modules} modules"),
    }
    Ok(found)
}

fn print_circle(root: &Path, target: &metadata::Target, tree: &Tree, circle: &Circle) {
    let names: Vec<String> = circle.modules.iter().map(|module| tree.name(*module)).collect();
    println!("{}, {}: {}", target.package, target.kind, names.join(", "));
    for import in &circle.imports {
        let from = &tree.modules[import.from];
        let file = from.file.strip_prefix(root).unwrap_or(&from.file).display();
        let (name, to) = (tree.name(import.from), tree.name(import.to));
        println!("  {name} → {to}  {file}:{} {}", import.line, import.path);
    }
}
