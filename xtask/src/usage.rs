//! The command line: from words to a [`Task`], and the help texts.

mod help;

pub(crate) use help::Topic;

use std::path::PathBuf;

use crate::compile::Profile;
use crate::envoys;
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
    /// List circles of imports.
    Circles {
        /// What the program that looks for them is given.
        arguments: Vec<String>,
    },
    /// Run the tests.
    Test {
        /// The steps to run; empty means all of them.
        only: Vec<Step>,
    },
    /// Render the Helm chart and run what it renders.
    TestChart,
    /// Run the end-to-end tests in older Envoys.
    TestEnvoys(envoys::Options),
    /// Write the configurations for Envoys before the reference.
    OlderConfigs {
        /// Where to.
        folder: PathBuf,
    },
    /// Expand the shipped configurations.
    Configs {
        /// Only say which are out of date.
        check: bool,
    },
    /// Run the demo.
    Demo {
        /// What the demo's own binary is given.
        arguments: Vec<String>,
    },
    /// Make the images of the compose harness.
    ComposeImages,
    /// Run the compose harness.
    Compose {
        /// What the harness' own binary is given.
        arguments: Vec<String>,
    },
    /// Take down what the compose harness has left for a person.
    ComposeDown,
    /// Run the soak test.
    Soak {
        /// For how long.
        minutes: u32,
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
    /// What replicas use beyond a limit that many clients hammer at once.
    Limits,
    /// Cost of a limit's decision.
    Decision,
    /// Overshoot of a limit that several Envoys share, operations at Redis, placement by two Envoys.
    Fleet,
    /// Hit rate and time to the first token behind Weir and other routers.
    Placement,
    /// What faults of the sidecar, and around it, do to requests.
    Faults,
    /// How soon a change on a polled page is seen in where requests go.
    Reaction,
    /// Throughput of the guardrail's scanner.
    Scan {
        /// Whether Presidio is measured, too.
        presidio: bool,
    },
    /// Size, memory and CPU time of the sidecar.
    Sidecar,
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
        // Its own help says what counts as an import.
        "circles" => Ok(Task::Circles { arguments: rest.to_vec() }),
        "test" => unless_help(rest, Topic::Test, test),
        "test-chart" => unless_help(rest, Topic::TestChart, |words| {
            no_options("test-chart", words).map(|()| Task::TestChart)
        }),
        "test-envoys" => unless_help(rest, Topic::TestEnvoys, test_envoys),
        "configs" => unless_help(rest, Topic::Configs, configs),
        "demo" => unless_help(rest, Topic::Demo, demo),
        "compose-images" => unless_help(rest, Topic::Compose, |words| {
            no_options("compose-images", words).map(|()| Task::ComposeImages)
        }),
        "compose-test" => unless_help(rest, Topic::Compose, compose_test),
        "compose-up" => unless_help(rest, Topic::Compose, |words| {
            let arguments = vec!["up".to_owned()];
            no_options("compose-up", words).map(|()| Task::Compose { arguments })
        }),
        "compose-down" => unless_help(rest, Topic::Compose, |words| {
            no_options("compose-down", words).map(|()| Task::ComposeDown)
        }),
        "soak" => unless_help(rest, Topic::Soak, soak),
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

fn test_envoys(words: &[String]) -> Result<Task, Failure> {
    let mut options = envoys::Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let value = words.next();
            value.ok_or_else(|| Failure::Usage(format!("`{word}` takes a value")))
        };
        match word.as_str() {
            "--envoy" => options.versions.push(tested_envoy(value()?)?),
            "--only" => options.only.push(value()?.clone()),
            "--write" => options.write = true,
            other => return Err(unexpected("test-envoys", other)),
        }
    }
    Ok(Task::TestEnvoys(options))
}

fn tested_envoy(version: &str) -> Result<&'static str, Failure> {
    let version = known_envoy(version)?;
    match envoys::TESTED.contains(&version) {
        true => Ok(version),
        false => Err(Failure::Usage(format!("the wheel of Envoy {version} has no V8"))),
    }
}

fn known_step(name: &str) -> Result<Step, Failure> {
    Step::ALL.into_iter().find(|step| step.name() == name).ok_or_else(|| {
        let names = Step::ALL.map(Step::name).join(", ");
        Failure::Usage(format!("no step `{name}`: one of {names}"))
    })
}

fn configs(words: &[String]) -> Result<Task, Failure> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => Ok(Task::Configs { check: false }),
        ["--check"] => Ok(Task::Configs { check: true }),
        ["--older", folder] => Ok(Task::OlderConfigs { folder: PathBuf::from(folder) }),
        ["--older"] => Err(Failure::Usage("`--older` takes a folder".into())),
        [other, ..] => Err(unexpected("configs", other)),
    }
}

fn demo(words: &[String]) -> Result<Task, Failure> {
    known_options("demo", help::DEMO, words)?;
    let arguments = words.to_vec();
    Ok(Task::Demo { arguments })
}

fn compose_test(words: &[String]) -> Result<Task, Failure> {
    known_options("compose-test", help::COMPOSE, words)?;
    let first = std::iter::once("test".to_owned());
    Ok(Task::Compose { arguments: first.chain(words.iter().cloned()).collect() })
}

fn no_options(command: &str, words: &[String]) -> Result<(), Failure> {
    words.first().map_or(Ok(()), |word| Err(unexpected(command, word)))
}

/// Refuses options that the help text does not list, before anything is installed or built for them.
fn known_options(command: &str, help: &str, words: &[String]) -> Result<(), Failure> {
    let name = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
    let unknown =
        |word: &&String| word.starts_with('-') && !help.contains(&format!("\n  {} ", name(word)));
    match words.iter().find(unknown) {
        Some(word) => Err(unexpected(command, word)),
        None => Ok(()),
    }
}

fn soak(words: &[String]) -> Result<Task, Failure> {
    let minutes = match values_of("soak", "--minutes", words)?.last() {
        None => 10,
        Some(text) => match text.parse() {
            Ok(minutes) if minutes > 0 => minutes,
            _ => return Err(Failure::Usage(format!("`--minutes` takes a number, not `{text}`"))),
        },
    };
    Ok(Task::Soak { minutes })
}

/// The benchmarks by their names.
const BENCHES: [(&str, Bench); 9] = [
    ("overhead", Bench::Overhead),
    ("placement", Bench::Placement),
    ("scan", Bench::Scan { presidio: true }),
    ("limits", Bench::Limits),
    ("decision", Bench::Decision),
    ("fleet", Bench::Fleet),
    ("faults", Bench::Faults),
    ("reaction", Bench::Reaction),
    ("sidecar", Bench::Sidecar),
];

fn bench(words: &[String]) -> Result<Task, Failure> {
    let Some((name, rest)) = words.split_first() else {
        let names = BENCHES.map(|(name, _)| name).join(", ");
        return Err(Failure::Usage(format!("`bench` takes a name: one of {names}")));
    };
    let known = BENCHES.into_iter().find(|(known, _)| known == name);
    let (_, bench) = known.ok_or_else(|| unexpected("bench", name))?;
    known_options(&format!("bench {name}"), &help::of_bench(name), rest)?;
    Ok(match bench {
        Bench::Scan { .. } => bench_scan(rest),
        name => Task::Bench { name, arguments: rest.to_vec() },
    })
}

fn bench_scan(words: &[String]) -> Task {
    let (skip, arguments): (Vec<_>, Vec<_>) =
        words.iter().cloned().partition(|word| word == "--no-presidio");
    Task::Bench { name: Bench::Scan { presidio: skip.is_empty() }, arguments }
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
            ("circles", Task::Circles { arguments: vec![] }),
            ("circles weir-wire --help", Task::Circles { arguments: words("weir-wire --help") }),
            ("configs", Task::Configs { check: false }),
            ("configs --check", Task::Configs { check: true }),
            ("configs --older out", Task::OlderConfigs { folder: "out".into() }),
            ("test-chart", Task::TestChart),
            ("test-envoys", Task::TestEnvoys(envoys::Options::default())),
            (
                "test-envoys --envoy 1.37.0 --only routing --write",
                Task::TestEnvoys(envoys::Options {
                    versions: vec!["1.37.0"],
                    only: words("routing"),
                    write: true,
                }),
            ),
            ("test", Task::Test { only: vec![] }),
            ("test --only lint", Task::Test { only: vec![Step::Lint] }),
            ("test --only lint --help", Task::Help(Topic::Test)),
            ("compose-images", Task::ComposeImages),
            ("compose-up", Task::Compose { arguments: words("up") }),
            ("compose-down", Task::ComposeDown),
            ("soak", Task::Soak { minutes: 10 }),
            ("soak --minutes 2", Task::Soak { minutes: 2 }),
            ("compose-down --help", Task::Help(Topic::Compose)),
            (
                "compose-test --only DNS --nightly",
                Task::Compose { arguments: words("test --only DNS --nightly") },
            ),
        ];
        for (line, task) in table {
            assert_eq!(parsed(line).unwrap(), task, "{line}");
        }
    }

    #[test]
    fn options_of_the_binaries_are_handed_on_untouched() {
        let arguments = words("--check --keep");
        assert_eq!(parsed("demo --check --keep").unwrap(), Task::Demo { arguments });
        let line = "--json out.json --functions f --body-kb=1,32";
        let (name, arguments) = (Bench::Overhead, words(line));
        let task = parsed(&format!("bench overhead {line}")).unwrap();
        assert_eq!(task, Task::Bench { name, arguments });
    }

    #[test]
    fn limits_are_measured_with_their_own_options() {
        let arguments = words("--runs 1 --json out.json");
        let task = parsed("bench limits --runs 1 --json out.json").unwrap();
        assert_eq!(task, Task::Bench { name: Bench::Limits, arguments });
        let task = parsed("bench decision").unwrap();
        assert_eq!(task, Task::Bench { name: Bench::Decision, arguments: vec![] });
        let arguments = words("--tables overshoot --runs 3");
        let task = parsed("bench fleet --tables overshoot --runs 3").unwrap();
        assert_eq!(task, Task::Bench { name: Bench::Fleet, arguments });
    }

    #[test]
    fn presidio_is_measured_unless_it_is_refused() {
        for (line, presidio) in [("", true), ("--no-presidio", false)] {
            let task = parsed(&format!("bench scan --json out.json {line}")).unwrap();
            let (name, arguments) = (Bench::Scan { presidio }, words("--json out.json"));
            assert_eq!(task, Task::Bench { name, arguments }, "{line}");
        }
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
            ("configs quickstart.yaml", "`quickstart.yaml`"),
            ("configs --older", "takes a folder"),
            ("test-envoys --envoy 1.38.3", "no V8"),
            ("test-envoys --only", "takes a value"),
            ("bench", "takes a name"),
            ("bench speed", "`speed`"),
            ("demo --check --seconds 3", "`--seconds`"),
            ("compose-test --fast", "`--fast`"),
            ("compose-up --fast", "`--fast`"),
            ("soak --minutes none", "`none`"),
            ("bench scan --guardrail", "`--guardrail`"),
            ("bench placement --guardrail", "`--guardrail`"),
            ("bench scan --quick", "`--quick`"),
            ("bench overhead --no-presidio", "`--no-presidio`"),
            ("bench decision --runs 3", "`--runs`"),
            ("bench fleet --clients 3", "`--clients`"),
            ("bench reaction --runs 3", "`--runs`"),
            ("bench faults --runs 3", "`--runs`"),
            ("bench limits --no-presidio", "`--no-presidio`"),
        ] {
            let text = parsed(line).unwrap_err().to_string();
            assert!(text.contains(named), "{line}: {text}");
        }
    }
}
