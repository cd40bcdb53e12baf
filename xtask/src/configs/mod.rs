//! The shipped configurations, expanded from `envoy-config/source`.
//!
//! What they share stands once in `envoy-config/source/parts`; [`template`] says how it is put together.
//! Expanded files are committed, because people read them and copy from them.

mod template;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use template::Template;

use crate::failure::Failure;
use crate::layout::Layout;

/// Where the expanded files are.
const SHIPPED: &str = "envoy-config";
/// Where their sources are, below that.
const SOURCE: &str = "source";
/// Where the parts are, below that.
const PARTS: &str = "parts";

/// Writes every expanded file that is out of date.
///
/// # Errors
/// A mistake in a source, or a file that can't be read or written.
pub(crate) fn write(layout: &Layout) -> Result<(), Failure> {
    for Expanded { path, text } in out_of_date(layout)? {
        fs::write(&path, text).map_err(Failure::file(&path))?;
        println!("  wrote {}", relative(layout, &path).display());
    }
    Ok(())
}

/// What stands in place of the filters that unpack compressed bodies for Envoys before 1.40.
const DECOMPRESSORS: &str = "decompressors";
const NO_DECOMPRESSORS: &str = "# Compressed bodies are not unpacked: the filter that bounds them came with Envoy 1.40. They get Weir's 415.\n";

/// Writes the files for an Envoy before 1.40 into `folder`.
///
/// # Errors
/// As [`write`].
pub(crate) fn write_older(layout: &Layout, folder: &Path) -> Result<(), Failure> {
    let shipped = layout.root().join(SHIPPED);
    let unused_then = ["compressed-limit", "decompressor"];
    let older = BTreeMap::from([(DECOMPRESSORS.to_owned(), NO_DECOMPRESSORS.to_owned())]);
    for Expanded { path, text } in expanded(&shipped, older, &unused_then)? {
        let path = folder.join(path.strip_prefix(&shipped).unwrap_or(&path));
        // What only unpacks is no file for them.
        if path.ends_with("istio/compressed.yaml") {
            continue;
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(Failure::file(parent))?;
        fs::write(&path, text).map_err(Failure::file(&path))?;
        println!("  wrote {}", path.display());
    }
    Ok(())
}

/// Fails when an expanded file is out of date.
///
/// # Errors
/// As [`write`], or [`Failure::Stale`] with the files.
pub(crate) fn check(layout: &Layout) -> Result<(), Failure> {
    let stale = out_of_date(layout)?.into_iter();
    let stale: Vec<PathBuf> = stale.map(|file| relative(layout, &file.path)).collect();
    match stale.is_empty() {
        true => Ok(()),
        false => Err(Failure::Stale(stale)),
    }
}

/// A file as it should be.
struct Expanded {
    path: PathBuf,
    text: String,
}

fn out_of_date(layout: &Layout) -> Result<Vec<Expanded>, Failure> {
    let files = expanded(&layout.root().join(SHIPPED), BTreeMap::new(), &[])?.into_iter();
    Ok(files
        .filter(|file| fs::read_to_string(&file.path).ok().as_ref() != Some(&file.text))
        .collect())
}

/// Every file that has a source, as it should be, with some parts `instead` of those that there are; `unused` are
/// parts that nothing needs then.
fn expanded(
    shipped: &Path,
    instead: BTreeMap<String, String>,
    unused: &[&str],
) -> Result<Vec<Expanded>, Failure> {
    let source = shipped.join(SOURCE);
    let (parts, sources): (Vec<_>, Vec<_>) =
        texts(&source)?.into_iter().partition(|(name, _)| name.starts_with(PARTS));
    let parts = parts.into_iter().chain(lists()).map(part_name).chain(instead);
    let mut template = Template::new(parts.collect());
    let mut files = Vec::new();
    for (name, text) in sources {
        let text = template.expand(&name.display().to_string(), &text);
        let body = text.map_err(|error| Failure::Source(error.to_string()))?;
        let origin = Path::new(SHIPPED).join(SOURCE).join(&name);
        let notice = "# Made by `cargo xtask configs` from ";
        let text = format!("{notice}{}, which is the file to change.\n{body}", origin.display());
        files.push(Expanded { path: shipped.join(name), text });
    }
    let left: Vec<_> =
        template.unused().into_iter().filter(|part| !unused.contains(part)).collect();
    match left.is_empty() {
        true => Ok(files),
        false => Err(Failure::Source(format!("no source uses: {}", left.join(", ")))),
    }
}

/// The parts that are made from lists in the code.
fn lists() -> [(PathBuf, String); 2] {
    let removed = |names: &[&str]| -> String {
        names.iter().map(|name| format!("- {{remove: {name}}}\n")).collect()
    };
    [
        ("remove-owned-headers.yaml".into(), removed(&weir_headers::OWNED)),
        ("remove-claims.yaml".into(), removed(&weir_headers::CLAIMS)),
    ]
}

fn part_name((path, text): (PathBuf, String)) -> (String, String) {
    (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), text)
}

/// The YAML files below `folder`, by their paths in it, in order.
fn texts(folder: &Path) -> Result<BTreeMap<PathBuf, String>, Failure> {
    let (mut folders, mut texts) = (vec![folder.to_path_buf()], BTreeMap::new());
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).map_err(Failure::file(&current))? {
            let path = entry.map_err(Failure::file(&current))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml") {
                let text = fs::read_to_string(&path).map_err(Failure::file(&path))?;
                texts.insert(path.strip_prefix(folder).unwrap_or(&path).to_path_buf(), text);
            }
        }
    }
    Ok(texts)
}

fn relative(layout: &Layout, path: &Path) -> PathBuf {
    path.strip_prefix(layout.root()).unwrap_or(path).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_files_are_what_their_sources_make_of_them() {
        check(&Layout::of_workspace()).unwrap();
    }

    #[test]
    fn every_file_with_a_source_is_made_and_says_so() {
        let layout = Layout::of_workspace();
        let files = expanded(&layout.root().join(SHIPPED), BTreeMap::new(), &[]).unwrap();
        assert!(files.len() >= 4);
        for Expanded { path, text } in files {
            let first = text.lines().next().unwrap();
            assert!(first.contains("cargo xtask configs"), "{first}");
            assert!(!text.contains("#>") && !text.contains("{{"), "{}", path.display());
        }
    }

    #[test]
    fn files_for_older_envoys_have_nothing_that_came_with_the_reference() {
        let folder = std::env::temp_dir().join(format!("weir-older-{}", std::process::id()));
        write_older(&Layout::of_workspace(), &folder).unwrap();
        let text = fs::read_to_string(folder.join("quickstart.yaml")).unwrap();
        assert!(!text.contains("body_size_limit") && !text.contains("decompressor.v3"), "{text}");
        assert!(
            text.contains("root_id: model-router")
                && !folder.join("istio/compressed.yaml").exists()
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_was_changed_by_hand_is_named() {
        let folder = std::env::temp_dir().join(format!("weir-configs-{}", std::process::id()));
        let shipped = folder.join(SHIPPED);
        fs::create_dir_all(shipped.join(SOURCE).join(PARTS)).unwrap();
        fs::write(shipped.join(SOURCE).join("a.yaml"), LISTS).unwrap();
        let layout = Layout::at(folder.clone());
        assert!(
            matches!(check(&layout), Err(Failure::Stale(files)) if files == [Path::new("envoy-config/a.yaml")])
        );
        write(&layout).unwrap();
        check(&layout).unwrap();
        let path = shipped.join("a.yaml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("  - {remove: x-gateway-model-name}\n"), "{text}");
        fs::write(&path, text.replace("x-gateway", "y-gateway")).unwrap();
        assert!(matches!(check(&layout), Err(Failure::Stale(_))));
        fs::remove_dir_all(folder).unwrap();
    }

    /// A source that uses what is made from lists.
    const LISTS: &str = "a:\n  #> remove-owned-headers\n  #> remove-claims\n";
}
