//! The tests: each says what it expects and what it saw.

mod addresses;
mod containers;
mod drift;
mod exfiltration;
mod failover;
mod isolation;
mod names;
mod partition;
mod positive;
mod prometheus;
mod restarts;
mod timeouts;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use crate::case::{Case, Seen, Wrong};
use crate::error::Error;
use crate::stack::Stack;

/// All tests, those that disturb the containers last.
fn all() -> Vec<Case> {
    let groups: [&[Case]; 10] = [
        &positive::CASES,
        &prometheus::CASES,
        &isolation::CASES,
        &names::CASES,
        &exfiltration::CASES,
        &drift::CASES,
        &containers::CASES,
        &failover::CASES,
        &partition::CASES,
        &restarts::CASES,
    ];
    let copy = |case: &Case| Case { ..*case };
    groups.into_iter().flatten().map(copy).collect()
}

/// Groups that change nothing, count nothing that others count, and mostly wait: their tests run side by side.
const QUIET: [&str; 4] = ["positive", "negative", "lateral movement", "DNS"];

/// How many at once.
const SIDE_BY_SIDE: usize = 5;

/// A test that has looked, and the seconds that it took.
type Looked = (Seen, f64);

fn look(stack: &Stack, case: &Case) -> Looked {
    let started = Instant::now();
    let seen = (case.run)(stack);
    (seen, started.elapsed().as_secs_f64())
}

/// What the quiet ones of these tests see, by their places.
fn side_by_side(stack: &Stack, cases: &[Case]) -> BTreeMap<usize, Looked> {
    let quiet = cases.iter().enumerate().filter(|(_, case)| QUIET.contains(&case.group));
    let (queue, looked) = (Mutex::new(quiet), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some((at, case)) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    let seen = look(stack, case);
                    if let Ok(mut looked) = looked.lock() {
                        looked.insert(at, seen);
                    }
                }
            });
        }
    });
    looked.into_inner().unwrap_or_default()
}

/// Runs the tests whose group or name holds `filter`, and prints each with what it saw.
///
/// # Errors
/// [`Error::Tests`] if some failed, [`Error::Unexpected`] if there is none.
pub(crate) fn run(stack: &Stack, filter: &str, nightly: bool) -> Result<(), Error> {
    let wanted = |case: &Case| {
        (nightly || !case.nightly) && (case.group.contains(filter) || case.name.contains(filter))
    };
    let cases: Vec<_> = all().into_iter().filter(wanted).collect();
    if cases.is_empty() {
        return Err(Error::unexpected("no test's group or name holds", filter));
    }
    let mut looked = side_by_side(stack, &cases);
    let (mut failed, mut skipped) = (0, 0);
    for (at, case) in cases.iter().enumerate() {
        let (seen, seconds) = looked.remove(&at).unwrap_or_else(|| look(stack, case));
        let is_skipped = matches!(seen, Err(Wrong::Skipped(_)));
        skipped += usize::from(is_skipped);
        failed += usize::from(seen.is_err() && !is_skipped);
        show(case, seen, seconds);
    }
    let all = cases.len();
    match (failed, skipped) {
        (0, 0) => {
            println!("\n{all} of {all} tests passed, none was skipped");
            Ok(())
        }
        (0, _) => {
            println!("\n{} of {all} tests passed, {skipped} skipped", all - skipped);
            Ok(())
        }
        (failed, _) => Err(Error::Tests { failed, all }),
    }
}

fn show(case: &Case, seen: Seen, seconds: f64) {
    let (state, seen) = match seen {
        Ok(seen) => ("ok", seen),
        Err(Wrong::Skipped(reason)) => ("skipped", reason.to_owned()),
        Err(wrong) => ("FAILED", wrong.to_string()),
    };
    println!("{state:<6} {}: {} ({seconds:.1} s)", case.group, case.name);
    println!("       expected: {}", case.expected);
    println!("       seen:     {}", seen.trim().replace('\n', "\n                 "));
}
