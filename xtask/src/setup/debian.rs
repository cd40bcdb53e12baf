//! Programs that no wheel has: Debian's packages, unpacked below `target/`, without root and without an installation.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::report;
use super::stamp::Stamp;
use crate::command::{Run, found_on_path};
use crate::failure::Failure;
use crate::layout::Layout;

/// A program, and the packages that it is made of.
struct Program {
    /// What Debian calls it.
    name: &'static str,
    /// What it is called in `target/tools/bin`.
    placed: &'static str,
    packages: &'static [&'static str],
}

const PROMETHEUS: Program =
    Program { name: "prometheus", placed: "prometheus", packages: &["prometheus"] };

/// A Prometheus: the one on PATH, or else that of Debian's package. `None` where neither can be had; the reason has been
/// told then, and the tests that need one say that they are skipped.
pub(super) fn prometheus(layout: &Layout) -> Option<PathBuf> {
    if let Some(program) = found_on_path(PROMETHEUS.name) {
        report(PROMETHEUS.name, &program.display().to_string(), "there");
        return Some(program);
    }
    bring(layout, &PROMETHEUS)
}

fn bring(layout: &Layout, program: &Program) -> Option<PathBuf> {
    match unpacked(layout, program) {
        Ok(program) => Some(program),
        Err(failure) => {
            let what = "skipped, and the tests that need it with it";
            report(program.placed, what, &failure.to_string());
            None
        }
    }
}

fn unpacked(layout: &Layout, program: &Program) -> Result<PathBuf, Failure> {
    let (placed, folder) = (layout.tool(program.placed), layout.debian().join(program.placed));
    let stamp = Stamp::new(folder.join("stamp"), format!("{}\n", program.packages.join(" ")));
    if stamp.is_current() && placed.is_file() {
        report(program.placed, &version(layout, &placed)?, "there");
        return Ok(placed);
    }
    let missing = ["apt-get", "dpkg-deb"].into_iter().find(|tool| found_on_path(tool).is_none());
    if let Some(tool) = missing {
        return Err(Failure::Missing {
            what: format!("`{tool}`, which brings Debian's package,"),
            remedy: format!("put `{}` on PATH", program.name),
        });
    }
    report(program.placed, "Debian's package", "downloading");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    download(layout, &folder, program)?;
    for package in packages_in(&folder)? {
        Run::program(layout, "dpkg-deb").arg("--extract").arg(&package).arg(&folder).captured()?;
        fs::remove_file(&package).map_err(Failure::file(&package))?;
    }
    start_by(&placed, &folder, program)?;
    report(program.placed, &version(layout, &placed)?, "installed");
    stamp.write()?;
    Ok(placed)
}

/// Writes a script that starts the program with the libraries that came with it.
fn start_by(placed: &Path, folder: &Path, program: &Program) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = placed.parent().unwrap_or(placed);
    fs::create_dir_all(bin).map_err(Failure::file(bin))?;
    let inside = folder.join("usr/bin").join(program.name);
    if program.packages.len() == 1 {
        return fs::rename(&inside, placed).map_err(Failure::file(&inside));
    }
    let libraries = folder.join("usr/lib/x86_64-linux-gnu");
    let script = format!(
        "#!/bin/sh\nLD_LIBRARY_PATH='{}' exec '{}' \"$@\"\n",
        libraries.display(),
        inside.display()
    );
    fs::write(placed, script).map_err(Failure::file(placed))?;
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(placed, executable).map_err(Failure::file(placed))
}

/// Downloads the packages by the machine's own lists of packages; where it has none, by lists of our own, which need no root.
fn download(layout: &Layout, folder: &Path, program: &Program) -> Result<(), Failure> {
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
    if apt(&[]).arg("download").args(program.packages).captured().is_ok() {
        return Ok(());
    }
    apt(&settings).arg("update").captured()?;
    apt(&settings).arg("download").args(program.packages).captured().map(drop)
}

fn packages_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let files = fs::read_dir(folder).map_err(Failure::file(folder))?;
    let paths = files.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|kind| kind == "deb")).collect())
}

/// What the program says of itself: `prometheus, version 2.42.0+ds`.
fn version(layout: &Layout, program: &Path) -> Result<String, Failure> {
    let told = Run::program(layout, program).arg("--version").captured()?;
    let line = told.lines().next().unwrap_or_default();
    Ok(line.split([' ', '(']).take(3).collect::<Vec<_>>().join(" ").trim().to_owned())
}
