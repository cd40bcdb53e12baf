//! The figures of each way to reserve.

use std::fmt::Write;

use serde::Serialize;

use crate::hammer::Run;
use crate::policy::{LIMIT, Policy};

/// What all runs of one way to reserve came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    policy: Policy,
    runs: usize,
    /// Requests that were let go, in all runs.
    admitted: usize,
    refused: usize,
    /// Tokens that replicas used beyond the limit: the worst run, and the mean of all.
    beyond_worst: f64,
    beyond_mean: f64,
    /// Tokens of the limit that nobody got: the worst run.
    left_worst: f64,
    /// The most that was spent and reserved beyond the limit at any look.
    held_beyond: f64,
    /// How far what was charged is from what was used, at most.
    charge_off: f64,
    /// Requests that were let go although the limit had been used up before they were sent.
    wrong: usize,
    /// Decisions in a second: requests, and settlements of those that were let go.
    decisions_per_second: f64,
    /// Writes in a second that another worker was faster than.
    lost_per_second: f64,
    /// Requests that nobody could decide about.
    unknown: u64,
}

impl Row {
    /// Sums up the runs; `lost` writes and `unknown` requests are of all of them.
    pub(crate) fn new(policy: Policy, runs: Vec<Run>, (lost, unknown): (u64, u64)) -> Self {
        let limit = LIMIT as f64;
        let worst = |of: fn(&Run) -> f64| runs.iter().map(of).fold(0.0, f64::max);
        let seconds: f64 = runs.iter().map(|run| run.took.as_secs_f64()).sum();
        let sum = |of: fn(&Run) -> usize| runs.iter().map(of).sum::<usize>();
        let beyond: f64 = runs.iter().map(|run| (run.used - limit).max(0.0)).sum();
        let (admitted, refused) = (sum(|run| run.admitted), sum(|run| run.refused));
        Self {
            policy,
            runs: runs.len(),
            admitted,
            refused,
            beyond_worst: worst(|run| run.used - LIMIT as f64),
            beyond_mean: beyond / runs.len().max(1) as f64,
            left_worst: worst(|run| LIMIT as f64 - run.used),
            held_beyond: worst(|run| run.held - LIMIT as f64),
            charge_off: worst(|run| (run.charged - run.used).abs()),
            wrong: sum(|run| run.wrong),
            decisions_per_second: (2 * admitted + refused) as f64 / seconds.max(1e-9),
            lost_per_second: lost as f64 / seconds.max(1e-9),
            unknown,
        }
    }
}

/// A table for people.
pub(crate) fn of(rows: &[Row]) -> String {
    let mut text = format!(
        "
A limit of {LIMIT} tokens; max_tokens 100, of which answers use 10 to 100. beyond: what replicas used beyond the limit;
held: the most that was spent and reserved beyond it at any look; wrong: let go although the limit had been used up
before; lost: writes that another worker was faster than

reserved   runs  admitted  refused  beyond: worst   mean   left: worst   held  charge off  wrong  unknown  decisions/s  lost/s
"
    );
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<10} {:>4}  {:>8}  {:>7}  {:>13.0}  {:>5.0}  {:>12.0}  {:>5.0}  {:>10.1}  {:>5}  {:>7}  {:>11.0}  {:>6.1}",
            row.policy.name(),
            row.runs,
            row.admitted,
            row.refused,
            row.beyond_worst,
            row.beyond_mean,
            row.left_worst,
            row.held_beyond,
            row.charge_off,
            row.wrong,
            row.unknown,
            row.decisions_per_second,
            row.lost_per_second,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_worst_run_is_told_and_what_is_below_the_limit_is_not_beyond_it() {
        let run = |used: f64| Run {
            admitted: 100,
            refused: 50,
            used,
            charged: used - 1.5,
            held: used,
            wrong: 0,
            took: Duration::from_secs(1),
        };
        let limit = LIMIT as f64;
        let runs = vec![run(limit + 30.0), run(limit - 40.0)];
        let row = Row::new(Policy::Full, runs, (8, 0));
        assert_eq!((row.beyond_worst, row.beyond_mean, row.left_worst), (30.0, 15.0, 40.0));
        assert_eq!(
            (row.charge_off, row.decisions_per_second, row.lost_per_second),
            (1.5, 250.0, 4.0)
        );
        let line = of(&[row]).lines().last().unwrap().to_owned();
        assert!(
            line.starts_with("full          2       200      100             30     15"),
            "{line}"
        );
    }
}
