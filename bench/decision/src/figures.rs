//! The figures, and a table of them.

use std::fmt::Write;
use std::time::Instant;

use serde_json::{Map, Value, json};

use crate::cases::Case;

/// Requests in one run, of which the best of several is taken, so that the neighbours on the machine do not count.
const REQUESTS: u32 = 20_000;
const RUNS: usize = 9;

/// What is measured: name, limits, consumers with slots, whether they have nothing left, whether what was let go is
/// settled.
const CASES: [(&str, u32, u32, bool, bool); 6] = [
    ("one limit, one consumer: decided", 1, 1, false, false),
    ("one limit, one consumer: decided and settled", 1, 1, false, true),
    ("one limit, 40,000 consumers: decided and settled", 1, 40_000, false, true),
    ("two limits, 20,000 consumers: decided and settled", 2, 20_000, false, true),
    ("four limits, 10,000 consumers: decided and settled", 4, 10_000, false, true),
    ("one limit, 40,000 consumers: refused", 1, 40_000, true, false),
];

/// Mean cost of each case in µs.
pub(crate) fn measure() -> Value {
    let costs = CASES.map(|(name, limits, consumers, full, settle)| {
        let mut case = Case::new(limits, consumers, full);
        (name.to_owned(), json!(cost(|| case.request(settle))))
    });
    Value::Object(Map::from_iter(costs))
}

fn cost(mut call: impl FnMut()) -> f64 {
    let run = |_| {
        let started = Instant::now();
        (0..REQUESTS).for_each(|_| call());
        started.elapsed().as_secs_f64() * 1e6 / f64::from(REQUESTS)
    };
    let best = (0..RUNS).map(run).fold(f64::MAX, f64::min);
    (best * 100.0).round() / 100.0
}

/// The figures side by side.
pub(crate) fn table(all: &Value) -> String {
    let mut text = format!("\n{:<56}{:>10}{:>10}\n", "µs of CPU a request", "native", "V8");
    for (name, ..) in CASES {
        let of = |target: &str| {
            all.get(target)
                .and_then(|figures| figures.get(name))
                .map_or("-".to_owned(), Value::to_string)
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<56}{:>10}{:>10}", of("native"), of("v8"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_was_not_measured_is_a_dash() {
        let (name, ..) = CASES[0];
        let text = table(&json!({"native": {name: 1.25}, "v8": null}));
        let row = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(row.ends_with("1.25         -"), "{row}");
    }
}
