//! Benchmarks and their options.

use super::{Task, help, known_options, unexpected};
use crate::failure::Failure;

/// A benchmark, one package in `bench/` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    /// CPU time per request of the chain beside a minimal ext_proc.
    Overhead,
    /// What replicas use beyond a limit that many clients hammer at once.
    Limits,
    /// Cost of a limit's decision.
    Decision,
    /// Hit rate and time to the first token behind Weir and other routers.
    Placement,
    /// Throughput of the guardrail's scanner.
    Scan {
        /// Whether Presidio is measured, too.
        presidio: bool,
    },
    /// Size, memory and CPU time of the sidecar.
    Sidecar,
}

/// Reads what stands after `bench`.
///
/// # Errors
/// [`Failure::Usage`], naming the word that is not understood.
pub(super) fn parse(words: &[String]) -> Result<Task, Failure> {
    match words.split_first() {
        Some((name, rest)) if name == "overhead" => {
            known_options("bench overhead", &help::of_overhead(), rest)?;
            Ok(Task::Bench { name: Bench::Overhead, arguments: rest.to_vec() })
        }
        Some((name, rest)) if name == "limits" => {
            known_options("bench limits", &help::of_limits(), rest)?;
            Ok(Task::Bench { name: Bench::Limits, arguments: rest.to_vec() })
        }
        Some((name, rest)) if name == "decision" => {
            known_options("bench decision", help::of_all(), rest)?;
            Ok(Task::Bench { name: Bench::Decision, arguments: rest.to_vec() })
        }
        Some((name, rest)) if name == "placement" => {
            known_options("bench placement", &help::of_placement(), rest)?;
            Ok(Task::Bench { name: Bench::Placement, arguments: rest.to_vec() })
        }
        Some((name, rest)) if name == "scan" => {
            known_options("bench scan", &help::of_scan(), rest)?;
            Ok(scan(rest))
        }
        Some((name, rest)) if name == "sidecar" => {
            known_options("bench sidecar", &help::of_sidecar(), rest)?;
            Ok(Task::Bench { name: Bench::Sidecar, arguments: rest.to_vec() })
        }
        Some((other, _)) => Err(unexpected("bench", other)),
        None => Err(Failure::Usage(
            "`bench` takes a name: overhead, placement, scan, limits, decision or sidecar".into(),
        )),
    }
}

fn scan(words: &[String]) -> Task {
    let (skip, arguments): (Vec<_>, Vec<_>) =
        words.iter().cloned().partition(|word| word == "--no-presidio");
    Task::Bench { name: Bench::Scan { presidio: skip.is_empty() }, arguments }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn parsed(line: &str) -> Result<Task, Failure> {
        parse(&words(line))
    }

    #[test]
    fn limits_are_measured_with_their_own_options() {
        let arguments = words("--runs 1 --json out.json");
        let task = parsed("limits --runs 1 --json out.json").unwrap();
        assert_eq!(task, Task::Bench { name: Bench::Limits, arguments });
        let task = parsed("decision").unwrap();
        assert_eq!(task, Task::Bench { name: Bench::Decision, arguments: vec![] });
    }

    #[test]
    fn presidio_is_measured_unless_it_is_refused() {
        for (line, presidio) in [("", true), ("--no-presidio", false)] {
            let task = parsed(&format!("scan --json out.json {line}")).unwrap();
            let (name, arguments) = (Bench::Scan { presidio }, words("--json out.json"));
            assert_eq!(task, Task::Bench { name, arguments }, "{line}");
        }
    }
}
