//! Where the build and the set-up left what tests run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use crate::error::HarnessError;

/// The repository's top folder: `WEIR_ROOT`, or that of the crate that cargo runs, or where this
/// one was compiled.
pub fn root() -> PathBuf {
    let given = env::var_os("WEIR_ROOT").map(PathBuf::from);
    let compiled = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let root = given.or_else(running).unwrap_or_else(compiled);
    root.canonicalize().unwrap_or(root)
}

/// The workspace of the crate that cargo runs. A copied folder is not where its crates were compiled.
fn running() -> Option<PathBuf> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let above = manifest.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    above.map(Path::to_path_buf)
}

/// A file of the repository; an absolute path stays as it is.
pub fn file(path: impl AsRef<Path>) -> PathBuf {
    root().join(path)
}

/// The Envoy to run: `WEIR_ENVOY`, or the one in `target/venv`.
///
/// # Errors
/// When there is none.
pub fn envoy() -> Result<PathBuf, HarnessError> {
    let path =
        env::var_os("WEIR_ENVOY").map_or_else(|| file("target/venv/bin/envoy"), PathBuf::from);
    existing("Envoy", path, "cargo xtask setup")
}

/// The version of that Envoy, as (major, minor); it is asked once.
///
/// # Errors
/// When there is none, or it does not tell its version.
pub fn envoy_version() -> Result<(u32, u32), HarnessError> {
    static VERSION: OnceLock<Option<(u32, u32)>> = OnceLock::new();
    let envoy = envoy()?;
    let version = VERSION.get_or_init(|| {
        let output = Command::new(&envoy).arg("--version").output().ok()?;
        version_in(&String::from_utf8_lossy(&output.stdout))
    });
    version.ok_or_else(|| HarnessError::Answer {
        what: format!("{} --version", envoy.display()),
        problem: "it names no version".to_owned(),
    })
}

/// The version in what Envoy says of itself: `envoy  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`.
fn version_in(text: &str) -> Option<(u32, u32)> {
    let number = text.split("version: ").nth(1)?.split('/').nth(1)?;
    let mut numbers = number.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// The Python with the `openai` and `anthropic` packages: `WEIR_PYTHON`, or the one in `target/venv`.
///
/// # Errors
/// When there is none.
pub fn python() -> Result<PathBuf, HarnessError> {
    let installed = || file("target/venv/bin/python");
    let path = env::var_os("WEIR_PYTHON").map_or_else(installed, PathBuf::from);
    existing("Python", path, "cargo xtask setup")
}

/// The Python with llama.cpp's server: `WEIR_LLAMA_CPP_PYTHON`, or the one in `target/venv-llama-cpp`.
///
/// # Errors
/// When there is none.
pub fn llama_cpp_python() -> Result<PathBuf, HarnessError> {
    let installed = || file("target/venv-llama-cpp/bin/python");
    let path = env::var_os("WEIR_LLAMA_CPP_PYTHON").map_or_else(installed, PathBuf::from);
    existing("Python with llama.cpp", path, "cargo xtask setup")
}

/// The Redis to run: `WEIR_REDIS`, the one on PATH, or the one in `target/venv-redis`.
///
/// # Errors
/// When there is none.
pub fn redis() -> Result<PathBuf, HarnessError> {
    let program = env::var_os("WEIR_REDIS").map(PathBuf::from);
    let program = program.or_else(|| on_path("redis-server"));
    let program = program.unwrap_or_else(|| file("target/venv-redis/bin/redis-server"));
    existing("Redis", program, "cargo xtask setup")
}

/// What there is on PATH beside the Redis 6.2 that set-up brings: `valkey-server`, and `redis-server` from version 7 on, each with
/// what it says of its version.
pub fn newer_redis() -> Vec<(PathBuf, String)> {
    let says = |program: PathBuf| {
        let output = Command::new(&program).arg("--version").output().ok()?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let major = version.split("v=").nth(1)?.split('.').next()?.parse::<u32>().ok()?;
        (major >= 7).then_some((program, version))
    };
    let servers = ["valkey-server", "redis-server"].into_iter().filter_map(on_path);
    servers.filter_map(says).collect()
}

/// The Prometheus to run: `WEIR_PROMETHEUS`, the one on PATH, or the one in `target/tools`; `None` where set-up could not bring one.
pub fn prometheus() -> Option<PathBuf> {
    let known = env::var_os("WEIR_PROMETHEUS").map(PathBuf::from).into_iter();
    let installed = file("target/tools/bin/prometheus");
    known.chain(on_path("prometheus")).chain([installed]).find(|program| program.is_file())
}

/// The program of that name on PATH.
fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut programs = env::split_paths(&path).map(|folder| folder.join(name));
    programs.find(|program| program.is_file())
}

/// The Wasm module `name` (`suite`, `model-router`, …) in `target/weir`, or in `WEIR_MODULES`.
///
/// # Errors
/// When it is missing, or older than one of the sources that cargo built it from (set
/// `WEIR_ALLOW_STALE=1` to take it nevertheless).
pub fn module(name: &str) -> Result<PathBuf, HarnessError> {
    let folder = env::var_os("WEIR_MODULES").map_or_else(|| file("target/weir"), PathBuf::from);
    let what = format!("the module {name}");
    let module = existing(&what, folder.join(format!("{name}.wasm")), "cargo xtask build")?;
    if env::var_os("WEIR_ALLOW_STALE").is_none() {
        let list = format!("wasm32-wasip1/wasm/weir_{}.d", name.replace('-', "_"));
        refuse_stale(&module, &cargo_output().join(list))?;
    }
    Ok(module)
}

/// The native binary `name`: in `WEIR_BIN`, or the newest of the release and debug builds.
///
/// # Errors
/// When it has not been built.
pub fn binary(name: &str) -> Result<PathBuf, HarnessError> {
    let folders = match env::var_os("WEIR_BIN") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => ["release", "debug"].map(|profile| cargo_output().join(profile)).into(),
    };
    let built = folders.iter().map(|folder| folder.join(name)).filter(|path| path.exists());
    let newest = built.max_by_key(|path| modified(path));
    let looked = folders.first().map(|folder| folder.join(name)).unwrap_or_default();
    existing(&format!("the binary {name}"), newest.unwrap_or(looked), "cargo xtask build")
}

/// What cargo compiles into.
fn cargo_output() -> PathBuf {
    file(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

fn existing(what: &str, path: PathBuf, remedy: &'static str) -> Result<PathBuf, HarnessError> {
    if path.exists() {
        return Ok(path);
    }
    Err(HarnessError::Missing { what: what.to_owned(), path, remedy })
}

/// Compares `module` with the sources in cargo's own list; without a list nothing is known.
fn refuse_stale(module: &Path, list: &Path) -> Result<(), HarnessError> {
    let Ok(list) = fs::read_to_string(list) else { return Ok(()) };
    let built = modified(module);
    let newer = sources(&list).into_iter().find(|source| modified(source) > built);
    match newer {
        Some(source_file) => Err(HarnessError::Stale { module: module.to_owned(), source_file }),
        None => Ok(()),
    }
}

/// The sources in a dependency file: `output: source source …`, spaces in names escaped.
fn sources(list: &str) -> Vec<PathBuf> {
    let lines = list.lines().filter_map(|line| line.split_once(": "));
    let joined: Vec<String> = lines.map(|(_, names)| names.replace("\\ ", "\0")).collect();
    let names = joined.iter().flat_map(|names| names.split(' '));
    names.filter(|name| !name.is_empty()).map(|name| name.replace('\0', " ").into()).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn sources_are_read_from_cargos_list() {
        let list = "/t/suite.wasm: /a/lib.rs /b\\ c/x.rs\n";
        assert_eq!(sources(list), [PathBuf::from("/a/lib.rs"), PathBuf::from("/b c/x.rs")]);
    }

    #[test]
    fn envoys_version_is_read_from_what_it_says() {
        let text = "\n/venv/envoy  version: abc/1.39.3/Clean/RELEASE/BoringSSL\n";
        assert_eq!((version_in(text), version_in("1.2.3")), (Some((1, 39)), None));
    }

    #[test]
    fn a_module_older_than_a_source_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["suite.wasm", "lib.rs"] {
            fs::write(at(name), "").unwrap();
        }
        fs::write(at("suite.d"), format!("suite.wasm: {}\n", at("lib.rs").display())).unwrap();
        let now = SystemTime::now();
        let age = |name: &str, seconds| {
            let file = fs::File::options().write(true).open(at(name)).unwrap();
            file.set_modified(now - Duration::from_secs(seconds)).unwrap();
        };
        for (module_age, source_age, fresh) in [(10, 20, true), (20, 10, false)] {
            age("suite.wasm", module_age);
            age("lib.rs", source_age);
            assert_eq!(refuse_stale(&at("suite.wasm"), &at("suite.d")).is_ok(), fresh);
        }
    }

    #[test]
    fn what_is_missing_says_how_to_make_it() {
        let error = module("no-such-module").unwrap_err().to_string();
        assert!(error.contains("cargo xtask build"), "{error}");
    }
}
