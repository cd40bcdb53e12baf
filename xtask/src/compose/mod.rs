//! The compose harness: images that no registry has, then the harness' own binary.

mod images;

use std::process::ExitCode;

use crate::command::Run;
use crate::compile::{self, Profile};
use crate::failure::Failure;
use crate::layout::Layout;

/// The package that brings the containers up, tests them and takes them down.
const HARNESS: &str = "weir-compose";

/// Makes the images.
///
/// # Errors
/// When a part is missing or does not compile, or no engine answers.
pub(crate) fn images(layout: &Layout) -> Result<(), Failure> {
    needed(layout)?;
    images::make(layout).map(drop)
}

/// Brings the containers up, tests them, takes them down; or what else the harness is told to do. Its exit code becomes xtask's.
///
/// # Errors
/// As [`images`].
pub(crate) fn run(layout: &Layout, arguments: &[String]) -> Result<ExitCode, Failure> {
    needed(layout)?;
    harness(layout, arguments)?.handed_over()
}

/// Takes down what a person has brought up.
///
/// # Errors
/// As [`images`].
pub(crate) fn down(layout: &Layout) -> Result<ExitCode, Failure> {
    needed(layout)?;
    compile::packages(layout, Profile::Dev, &[HARNESS])?;
    compile::compiled(layout, Profile::Dev, HARNESS).arg("down").handed_over()
}

/// The step of the tests: why it was skipped, if it was.
///
/// # Errors
/// As [`images`], or when a test fails.
pub(crate) fn step(layout: &Layout) -> Result<Option<String>, Failure> {
    if let Some(reason) = cannot(layout) {
        return Ok(Some(reason));
    }
    // With the features of the whole workspace, as the step before: nothing is compiled twice.
    Run::cargo(layout).args(["build", "--workspace", "--bins"]).shown()?;
    let images = images::make(layout)?;
    with_images(compile::compiled(layout, Profile::Dev, HARNESS).arg("test"), layout, images)
        .shown()?;
    Ok(None)
}

fn harness(layout: &Layout, arguments: &[String]) -> Result<Run, Failure> {
    compile::modules(layout)?;
    compile::packages(layout, Profile::Dev, &[HARNESS])?;
    let images = images::make(layout)?;
    println!("== compose");
    let run = compile::compiled(layout, Profile::Dev, HARNESS).args(arguments);
    Ok(with_images(run, layout, images))
}

fn with_images(run: Run, layout: &Layout, images: Vec<(String, String)>) -> Run {
    let run = run.env("WEIR_ROOT", layout.root());
    images.into_iter().fold(run, |run, (variable, image)| run.env(&variable, image))
}

fn needed(layout: &Layout) -> Result<(), Failure> {
    match cannot(layout) {
        None => Ok(()),
        Some(reason) => Err(Failure::Missing {
            what: format!("what containers need: {reason};"),
            remedy: "install Docker with its compose plugin, or docker-compose, start its engine, \
                     and be allowed to use it"
                .into(),
        }),
    }
}

/// Why no containers can be run here, if none can.
fn cannot(layout: &Layout) -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the images are for Linux on x86-64, made of this machine's own parts".into());
    }
    let answers = |words: [&str; 2]| {
        let [program, word] = words;
        Run::program(layout, program).arg(word)
    };
    let engine = answers(["docker", "version"]).args(["--format", "{{.Server.Version}}"]);
    if engine.captured().is_err() {
        return Some("no engine answers `docker version`".into());
    }
    let plugin = answers(["docker", "compose"]).arg("version").captured();
    let program = answers(["docker-compose", "version"]).captured();
    let there = plugin.is_ok() || program.is_ok();
    (!there).then(|| "there is neither `docker compose` nor `docker-compose`".into())
}
