//! What is admitted beyond a limit, by what fails meanwhile.

use std::fmt::Write as _;

use serde::Serialize;

use crate::failure::Failure;
use crate::fault::Fault;
use crate::fleet::{FIRST, Fleet, LIMIT};
use crate::machine::load_average;
use crate::run::{Run, run};

/// What all runs with one fault came to, in tokens.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    fault: Fault,
    runs: usize,
    /// The most that may be used beyond the limit.
    bound: f64,
    /// What was used beyond it: the worst run.
    beyond_worst: f64,
    /// Of the limit, what nobody got: the worst run.
    left_worst: f64,
    /// How far what Redis has charged is from what was used, at most; `None` where an Envoy has died with grants.
    charge_off: Option<f64>,
    /// Seconds that a run took, on average.
    seconds: f64,
    /// Of what was used, what is counted although no answer says so: the worst run.
    perhaps_worst: f64,
}

impl Row {
    fn new(fault: Fault, runs: &[Run]) -> Self {
        let limit = f64::from(LIMIT);
        let worst = |of: &dyn Fn(&Run) -> f64| runs.iter().map(of).fold(f64::MIN, f64::max);
        let seconds: f64 = runs.iter().map(|run| run.took.as_secs_f64()).sum();
        let off = worst(&|run| (run.charged - run.used).abs());
        Self {
            fault,
            runs: runs.len(),
            bound: f64::from(fault.gateways()) * f64::from(FIRST),
            beyond_worst: worst(&|run| run.used - limit),
            left_worst: worst(&|run| limit - run.used),
            charge_off: (fault != Fault::EnvoyKilled).then_some(off),
            seconds: seconds / runs.len().max(1) as f64,
            perhaps_worst: worst(&|run| run.perhaps),
        }
    }
}

/// Measures so many runs of each fault.
///
/// # Errors
/// When something does not start or answer.
pub(crate) async fn measure(runs: u32) -> Result<Vec<Row>, Failure> {
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        eprintln!("overshoot, {}: starting three Envoys", fault.name());
        let mut fleet = Fleet::start().await?;
        let mut done = Vec::new();
        for number in 0..runs {
            let one = run(&mut fleet, fault, number).await?;
            eprintln!(
                "  run {} of {runs}: {:.0} used, {:.0} charged, {:.1} s",
                number + 1,
                one.used,
                one.charged,
                one.took.as_secs_f64()
            );
            done.push(one);
        }
        rows.push(Row::new(fault, &done));
    }
    Ok(rows)
}

/// A table for people, in Markdown.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "\nThree Envoys have a limit of {LIMIT} tokens together, each may use {FIRST} before its first grant, and \
         `on_unavailable: deny`. Load average {:.1}.\n\n\
         | fault | runs | bound beyond the limit | worst seen | left over, worst | charged wrongly, worst | a run took |\n\
         |---|---|---|---|---|---|---|\n",
        load_average()
    );
    for row in rows {
        let off = row.charge_off.map_or("-".to_owned(), |off| format!("{off:.1}"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.0} | {:.0} | {off} | {:.1} s |",
            row.fault.name(),
            row.runs,
            row.bound,
            row.beyond_worst.max(0.0),
            row.left_worst.max(0.0),
            row.seconds
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_worst_run_is_told() {
        let limit = f64::from(LIMIT);
        let run = |used: f64| Run {
            used,
            perhaps: 0.0,
            charged: used - 1.5,
            took: Duration::from_secs(2),
        };
        let runs = [run(limit + 30.0), run(limit - 40.0)];
        let row = Row::new(Fault::None, &runs);
        assert_eq!((row.bound, row.beyond_worst, row.left_worst), (1_500.0, 30.0, 40.0));
        let killed = Row::new(Fault::EnvoyKilled, &runs);
        assert_eq!((killed.bound, killed.charge_off), (2_000.0, None));
        let text = table(&[row, killed]);
        assert!(text.contains("| none | 2 | 1500 | 30 | 40 | 1.5 | 2.0 s |"), "{text}");
        assert!(text.ends_with("| an Envoy killed | 2 | 2000 | 30 | 40 | - | 2.0 s |\n"), "{text}");
    }
}
