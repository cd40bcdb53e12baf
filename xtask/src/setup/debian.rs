//! Prometheus, which no wheel has: Debian's package, unpacked below `target/`, without root and without an installation.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::report;
use super::stamp::Stamp;
use crate::command::{Run, found_on_path};
use crate::failure::Failure;
use crate::layout::Layout;

/// What Debian calls the package and its program.
const PACKAGE: &str = "prometheus";

/// A Prometheus: the one on PATH, or else that of Debian's package. `None` where neither can be had; the reason has been
/// told then, and the tests that need one say that they are skipped.
pub(super) fn prometheus(layout: &Layout) -> Option<PathBuf> {
    if let Some(program) = found_on_path(PACKAGE) {
        report(PACKAGE, &program.display().to_string(), "there");
        return Some(program);
    }
    match unpacked(layout) {
        Ok(program) => Some(program),
        Err(failure) => {
            report(PACKAGE, "skipped, and the tests that need one with it", &failure.to_string());
            None
        }
    }
}

fn unpacked(layout: &Layout) -> Result<PathBuf, Failure> {
    let (program, folder) = (layout.tool(PACKAGE), layout.debian());
    let stamp = Stamp::new(folder.join("stamp"), format!("{PACKAGE}\n"));
    if stamp.is_current() && program.is_file() {
        report(PACKAGE, &version(layout, &program)?, "there");
        return Ok(program);
    }
    let missing = ["apt-get", "dpkg-deb"].into_iter().find(|tool| found_on_path(tool).is_none());
    if let Some(tool) = missing {
        return Err(Failure::Missing {
            what: format!("`{tool}`, which brings Debian's package,"),
            remedy: format!("put `{PACKAGE}` on PATH"),
        });
    }
    report(PACKAGE, "Debian's package", "downloading");
    let _ = fs::remove_dir_all(&folder);
    let bin = layout.tools().join("bin");
    for needed in [&folder, &bin] {
        fs::create_dir_all(needed).map_err(Failure::file(needed))?;
    }
    let package = download(layout, &folder)?;
    Run::program(layout, "dpkg-deb").arg("--extract").arg(&package).arg(&folder).captured()?;
    let inside = folder.join("usr/bin").join(PACKAGE);
    fs::rename(&inside, &program).map_err(Failure::file(&inside))?;
    report(PACKAGE, &version(layout, &program)?, "installed");
    stamp.write()?;
    Ok(program)
}

/// Downloads the package by the machine's own lists of packages; where it has none, by lists of our own, which need no root.
fn download(layout: &Layout, folder: &Path) -> Result<PathBuf, Failure> {
    for part in ["lists/partial", "cache/archives/partial"] {
        let part = folder.join(part);
        fs::create_dir_all(&part).map_err(Failure::file(&part))?;
    }
    let setting = |name: &str, part: &str| format!("{name}={}", folder.join(part).display());
    let lists = setting("Dir::State::lists", "lists");
    let settings = [lists, setting("Dir::Cache", "cache"), "Debug::NoLocking=1".into()];
    let apt = |settings: &[String]| {
        let run = Run::program(layout, "apt-get").folder(folder).arg("--quiet");
        settings.iter().fold(run, |run, setting| run.args(["--option", setting.as_str()]))
    };
    if apt(&[]).args(["download", PACKAGE]).captured().is_err() {
        apt(&settings).arg("update").captured()?;
        apt(&settings).args(["download", PACKAGE]).captured()?;
    }
    let files = fs::read_dir(folder).map_err(Failure::file(folder))?;
    let mut paths = files.flatten().map(|entry| entry.path());
    let package = paths.find(|path| path.extension().is_some_and(|kind| kind == "deb"));
    package.ok_or_else(|| Failure::Missing {
        what: "the package that `apt-get download` was to bring".into(),
        remedy: format!("put `{PACKAGE}` on PATH"),
    })
}

/// What the program says of itself: `prometheus, version 2.42.0+ds`.
fn version(layout: &Layout, program: &Path) -> Result<String, Failure> {
    let told = Run::program(layout, program).arg("--version").captured()?;
    let line = told.lines().next().unwrap_or_default();
    Ok(line.split([' ', '(']).take(3).collect::<Vec<_>>().join(" ").trim().to_owned())
}
