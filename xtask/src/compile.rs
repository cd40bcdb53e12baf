//! Compiling: Wasm modules into `target/weir/`, native binaries where cargo puts them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::Run;
use crate::failure::Failure;
use crate::layout::Layout;
use crate::setup;

/// What the filters run as inside Envoy.
pub(crate) const FILTER_TARGET: &str = "wasm32-wasip1";

/// The largest size of the suite, in bytes: 2 MB.
const SUITE_LIMIT: u64 = 2_000_000;

/// The modules: the name of the file in `target/weir/`, which is also that of the folder in
/// `filters/`, and of the package after `weir-`.
/// The last two are for tests.
const MODULES: [&str; 9] = [
    "suite",
    "model-router",
    "token-limit",
    "guardrail",
    "endpoint-picker",
    "intake",
    "attempt",
    "host-probe",
    "sdk-example",
];

/// The package that orders a module's functions, and the list that it goes by.
const ORDER_FUNCTIONS: &str = "weir-order-functions";
const FIRST_FUNCTIONS: &str = "filters/suite/functions.txt";

/// The packages of the native binaries that a user starts, or that the demo and the tests start.
const BINARIES: [&str; 4] = ["weir-sidecar", "weir-replica", "weir-cli", "weir-demo"];

/// The profile of `Cargo.toml` for binaries that are shipped.
const STATIC_PROFILE: &str = "static";

/// The variable that tells the harness where the native binaries are, so that it never takes those
/// of another profile.
pub(crate) const BINARIES_FOLDER: &str = "WEIR_BIN";

/// How native binaries are compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Fast to compile.
    Dev,
    /// Fast to run.
    Release,
}

impl Profile {
    /// The folder below cargo's output that binaries of this profile lie in.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Profile::Dev => "debug",
            Profile::Release => "release",
        }
    }

    /// What cargo is told.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Profile::Dev => &[],
            Profile::Release => &["--release"],
        }
    }
}

/// Compiles every module, writes it to `target/weir/NAME.wasm` and prints the sizes.
///
/// # Errors
/// [`Failure::Status`] if it does not compile, [`Failure::TooLarge`] if the suite is over 2 MB.
pub(crate) fn modules(layout: &Layout) -> Result<(), Failure> {
    println!("== Wasm modules");
    let modules = module_names(layout);
    for name in &modules {
        // One build each: a filter exports its callbacks only as a module of its own, and cargo
        // would switch that on for the suite too if both were built together.
        let run =
            Run::cargo(layout).args(["build", "--profile", "wasm", "--target", FILTER_TARGET]);
        let run = run.arg(format!("--package=weir-{name}"));
        let run = if *name == "suite" { run } else { run.args(["--features", "module"]) };
        run.shown()?;
        let bytes = place_module(layout, name)?;
        println!("  target/weir/{name}.wasm  {bytes} bytes");
    }
    check_suite(&layout.modules().join("suite.wasm"))
}

/// `--package=weir-NAME` for each module.
pub(crate) fn filter_packages(layout: &Layout) -> Vec<String> {
    let names = module_names(layout).into_iter();
    names.map(|name| format!("--package=weir-{name}")).collect()
}

fn module_names(layout: &Layout) -> Vec<&'static str> {
    let mut names = MODULES.to_vec();
    names.retain(|name| is_module(layout, name));
    names
}

/// Whether the filter's package makes a module, not only a library for the suite.
fn is_module(layout: &Layout, name: &str) -> bool {
    let manifest = layout.root().join("filters").join(name).join("Cargo.toml");
    fs::read_to_string(manifest).is_ok_and(|text| text.contains("\"cdylib\""))
}

/// Writes a module to `target/weir/` with the functions of a request side by side, and the names of
/// its functions beside it.
fn place_module(layout: &Layout, name: &str) -> Result<u64, Failure> {
    let folder = layout.modules();
    fs::create_dir_all(&folder).map_err(Failure::file(&folder))?;
    // Envoy may be reading the old file: a rename replaces it whole, writing to it would truncate it.
    let partial = folder.join(format!("{name}.wasm.partial"));
    let run = Run::cargo(layout).args(["run", "--quiet", "--package", ORDER_FUNCTIONS, "--"]);
    let run = run.arg(compiled_module(layout, name)).arg(&partial);
    let run = run.arg("--first").arg(layout.root().join(FIRST_FUNCTIONS));
    run.arg("--names").arg(folder.join(format!("{name}.functions"))).shown()?;
    let module = folder.join(format!("{name}.wasm"));
    fs::rename(&partial, &module).map_err(Failure::file(&module))?;
    Ok(fs::metadata(&module).map_err(Failure::file(&module))?.len())
}

fn compiled_module(layout: &Layout, name: &str) -> PathBuf {
    let file = format!("weir_{}.wasm", name.replace('-', "_"));
    let folder = layout.cargo_output().join(FILTER_TARGET).join("wasm");
    folder.join(file)
}

fn check_suite(path: &Path) -> Result<(), Failure> {
    let bytes = fs::metadata(path).map_err(Failure::file(path))?.len();
    println!("  the suite is {bytes} of at most {SUITE_LIMIT} bytes");
    match bytes > SUITE_LIMIT {
        true => Err(Failure::TooLarge { path: path.to_path_buf(), bytes, limit: SUITE_LIMIT }),
        false => Ok(()),
    }
}

/// Checks that most functions of the list by which modules are ordered still exist in the suite. Whoever
/// has to list them anew needs the modules, so they are compiled without this.
///
/// # Errors
/// [`Failure::StaleList`] if fewer than nine in ten do.
pub(crate) fn check_list(layout: &Layout) -> Result<(), Failure> {
    let read = |path: PathBuf| fs::read_to_string(&path).map_err(Failure::file(&path));
    let listed = read(layout.root().join(FIRST_FUNCTIONS))?;
    let existing = read(layout.modules().join("suite.functions"))?;
    check_functions(&listed, &existing)
}

/// Both are names of functions, one a line.
fn check_functions(listed: &str, existing: &str) -> Result<(), Failure> {
    let listed: BTreeSet<&str> = listed.lines().collect();
    let existing: BTreeSet<&str> = existing.lines().collect();
    let missing: Vec<&str> = listed.difference(&existing).copied().collect();
    let (found, listed) = (listed.len() - missing.len(), listed.len());
    println!("  {found} of the {listed} functions in {FIRST_FUNCTIONS} exist");
    if found * 10 >= listed * 9 {
        return Ok(());
    }
    missing.iter().for_each(|name| println!("  gone: {name}"));
    Err(Failure::StaleList { path: FIRST_FUNCTIONS.into(), found, listed })
}

/// Compiles the native binaries.
///
/// # Errors
/// [`Failure::Status`] if they don't compile.
pub(crate) fn binaries(layout: &Layout, profile: Profile) -> Result<(), Failure> {
    packages(layout, profile, &BINARIES)
}

/// Compiles the binaries of these packages.
///
/// # Errors
/// [`Failure::Status`] if they don't compile.
pub(crate) fn packages(layout: &Layout, profile: Profile, names: &[&str]) -> Result<(), Failure> {
    println!("== native binaries");
    let run = Run::cargo(layout).arg("build").args(profile.flags());
    let packages = names.iter().map(|name| format!("--package={name}"));
    run.args(packages).arg("--bins").shown()
}

/// Compiles a package's binary of the same name without a libc to load and without names, and returns its file.
///
/// # Errors
/// [`Failure::Status`] if it does not compile.
pub(crate) fn static_binary(layout: &Layout, name: &str) -> Result<PathBuf, Failure> {
    println!("== static binary");
    let target = setup::static_target(layout)?;
    let run = Run::cargo(layout).args(["build", "--profile", STATIC_PROFILE, "--target", target]);
    static_compiler(run.arg(format!("--package={name}")).arg("--bins")).shown()?;
    Ok(layout.cargo_output().join(target).join(STATIC_PROFILE).join(name))
}

/// A dependency (`ring`) has C in it that needs no library, so the machine's own compiler will do where there is no
/// `musl-gcc`. Ubuntu's would call functions of glibc, though, if it were not told otherwise.
pub(crate) fn static_compiler(run: Run) -> Run {
    let given = ["CC_x86_64_unknown_linux_musl", "CC_x86_64-unknown-linux-musl", "TARGET_CC", "CC"];
    if given.iter().any(|name| std::env::var_os(name).is_some()) {
        return run;
    }
    let run = run.env("CC_x86_64_unknown_linux_musl", "cc");
    run.env("CFLAGS_x86_64_unknown_linux_musl", "-U_FORTIFY_SOURCE")
}

/// Compiles a package's binary of the same name as a module that runs by itself, the way the
/// filters are compiled, and returns its file.
///
/// # Errors
/// [`Failure::Status`] if it does not compile.
pub(crate) fn standalone_module(layout: &Layout, name: &str) -> Result<PathBuf, Failure> {
    println!("== Wasm module");
    let run = Run::cargo(layout).args(["build", "--profile", "wasm", "--target", FILTER_TARGET]);
    run.arg(format!("--package={name}")).arg("--bins").shown()?;
    Ok(layout.cargo_output().join(FILTER_TARGET).join("wasm").join(format!("{name}.wasm")))
}

/// A run of a binary that [`packages`] has compiled.
pub(crate) fn compiled(layout: &Layout, profile: Profile, name: &str) -> Run {
    let folder = layout.binaries(profile.folder());
    Run::program(layout, folder.join(name)).env(BINARIES_FOLDER, folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_over_the_limit_is_refused_with_both_numbers() {
        let path = std::env::temp_dir().join(format!("weir-suite-{}", std::process::id()));
        let file = fs::File::create(&path).unwrap();
        file.set_len(SUITE_LIMIT).unwrap();
        assert!(check_suite(&path).is_ok());
        file.set_len(SUITE_LIMIT + 1).unwrap();
        let text = check_suite(&path).unwrap_err().to_string();
        assert!(text.contains("2000001") && text.contains("2000000"), "{text}");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_list_of_functions_that_are_gone_is_refused_with_what_lists_them_anew() {
        let listed: String = (0..20).map(|number| format!("weir::f{number}\n")).collect();
        let existing = |from: usize| -> String {
            (from..40).map(|number| format!("weir::f{number}\n")).collect()
        };
        assert!(check_functions(&listed, &existing(0)).is_ok());
        assert!(check_functions(&listed, &existing(2)).is_ok(), "nine in ten");
        let text = check_functions(&listed, &existing(3)).unwrap_err().to_string();
        assert!(text.contains("17 of 20") && text.contains("bench overhead --count"), "{text}");
    }

    #[test]
    fn the_command_that_lists_functions_is_that_of_the_house_rules() {
        let rules = include_str!("../../CONTRIBUTING.md").replace("\n  ", " ");
        let failure = Failure::StaleList { path: FIRST_FUNCTIONS.into(), found: 1, listed: 2 };
        let text = failure.to_string();
        let command = text.split('`').nth(1).unwrap();
        assert!(rules.contains(command), "{command}");
    }

    #[test]
    fn every_module_is_a_package_of_the_workspace() {
        let layout = Layout::of_workspace();
        for name in MODULES {
            assert!(layout.root().join("filters").join(name).is_dir(), "{name}");
        }
    }
}
