//! Tests that use real time and real processes, on a machine that may be busy: which failed, and whether they fail again alone.

use crate::command::Run;
use crate::failure::Failure;

/// More failures than these are no matter of a busy machine, and are not tried again.
const MOST_TRIED_AGAIN: usize = 5;

/// The tests that libtest reported as failed, by name.
pub(crate) fn failed(output: &str) -> Vec<String> {
    let lines = output.lines().filter_map(|line| line.strip_prefix("test "));
    let failed = lines.filter_map(|line| line.strip_suffix(" ... FAILED"));
    // What is to panic says so beside its name.
    let name = |line: &str| line.split_once(" - ").map_or(line, |(name, _)| name).to_owned();
    failed.map(name).collect()
}

/// Runs the tests; those that fail, if they are few, once more, one after the other with nothing beside them. The names of those
/// that passed only then.
///
/// # Errors
/// [`Failure::Start`] if they can't be started, and [`Failure::Tests`] with the names of those that fail twice, or of all if they
/// are many. No names: they did not end well, as when one was killed.
pub(crate) fn run(tests: impl Fn() -> Run) -> Result<Vec<String>, Failure> {
    let (ended_well, output) = tests().followed()?;
    if ended_well {
        return Ok(Vec::new());
    }
    let first = failed(&output);
    if !(1..=MOST_TRIED_AGAIN).contains(&first.len()) {
        return Err(Failure::Tests(first));
    }
    println!(
        "\nthese failed, and are tried once more with nothing beside them: {}",
        first.join(", ")
    );
    let again = tests().args(["--exact", "--test-threads", "1"]).args(&first);
    let (ended_well, output) = again.followed()?;
    let passed = output.lines().filter(|line| line.ends_with(" ... ok")).count();
    match ended_well && passed == first.len() {
        true => Ok(first),
        false => Err(Failure::Tests(failed(&output))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    /// A program that writes like libtest: `lines` whenever it is run, and fails.
    fn writes(lines: &str) -> Run {
        let script = format!("printf '{lines}'; false");
        Run::program(&Layout::of_workspace(), "sh").args(["-c", &script])
    }

    #[test]
    fn a_test_that_fails_twice_is_a_failure_with_its_name() {
        let lines = "test one::passes ... ok\\ntest two::fails ... FAILED\\n";
        let result = run(|| writes(lines));
        assert!(matches!(result, Err(Failure::Tests(names)) if names == ["two::fails"]));
    }

    #[test]
    fn a_test_that_passes_the_second_time_is_named() {
        let marks = std::env::temp_dir().join(format!("weir-steady-{}", std::process::id()));
        let file = marks.display().to_string();
        let script = format!(
            "if [ -e {file} ]; then echo 'test a::b ... ok'; else touch {file}; echo 'test a::b ... FAILED'; false; fi"
        );
        let result = run(|| Run::program(&Layout::of_workspace(), "sh").args(["-c", &script]));
        std::fs::remove_file(&marks).unwrap();
        assert_eq!(result.unwrap(), ["a::b"]);
    }

    #[test]
    fn a_test_that_is_to_panic_has_a_name_without_that() {
        let lines = "test a::b - should panic ... FAILED\ntest c ... ok\n";
        assert_eq!(failed(lines), ["a::b"]);
    }

    #[test]
    fn many_failures_and_none_that_is_named_are_not_tried_again() {
        let many = "test a ... FAILED\\n".repeat(MOST_TRIED_AGAIN + 1);
        let result = run(|| writes(&many));
        assert!(
            matches!(result, Err(Failure::Tests(names)) if names.len() == MOST_TRIED_AGAIN + 1)
        );
        let result = run(|| writes("error: could not compile\\n"));
        assert!(matches!(result, Err(Failure::Tests(names)) if names.is_empty()));
    }
}
