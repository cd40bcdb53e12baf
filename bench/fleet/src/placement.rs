//! The load of the placement benchmark through one Envoy and through two.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use crate::failure::Failure;
use crate::machine::load_average;
use crate::options::Options;

/// How the benchmark calls them.
const ROUTERS: &str = "weir,weir-two-alone,weir-two-sharing";

/// The loads: sessions a second.
const ROWS: &str = "1.5,4";

/// So many times the seconds of a cell.
const TIMES: u64 = 6;

/// Runs that benchmark with one Envoy, with two that know nothing of each other, and with two that share: its figures.
///
/// # Errors
/// When its program is not given or does not end well.
pub(crate) async fn measure(options: &Options) -> Result<Value, Failure> {
    let Some(program) = &options.placement_program else {
        return Err(Failure::Never(
            "the placement benchmark, which `cargo xtask bench fleet` builds,",
        ));
    };
    let file = tempfile::NamedTempFile::new().map_err(Failure::StandIn)?;
    let unreadable = |source| Failure::File { path: file.path().to_owned(), source };
    let seconds = (options.seconds * TIMES).to_string();
    let status = Command::new(program)
        .args(["--routers", ROUTERS, "--rows", ROWS, "--seconds", &seconds, "--json"])
        .arg(file.path())
        .status()
        .map_err(Failure::StandIn)?;
    if !status.success() {
        return Err(Failure::Placement(status));
    }
    let text = std::fs::read_to_string(file.path()).map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|error| unreadable(error.into()))
}

/// A table for people, in Markdown.
pub(crate) fn table(figures: &Value) -> String {
    let mut text = format!(
        "\nThe placement benchmark's conversations. Load average {:.1}.\n\n\
         | sessions a second | through | requests | failed | hit rate | time to first token p50, p90 in ms |\n\
         |---|---|---|---|---|---|\n",
        load_average()
    );
    for figure in figures.as_array().into_iter().flatten() {
        let number = |name: &str| figure.get(name).and_then(Value::as_f64).unwrap_or_default();
        let word = |name: &str| figure.get(name).and_then(Value::as_str).unwrap_or_default();
        let through = match word("router") {
            "weir" => "one Envoy",
            "weir-two-alone" => "two Envoys, each alone",
            "weir-two-sharing" => "two Envoys that share",
            other => other,
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {through} | {:.0} | {:.0} | {:.3} | {:.0}, {:.0} |",
            word("row"),
            number("requests"),
            number("failed"),
            number("hit_rate"),
            number("p50_ms"),
            number("p90_ms")
        );
    }
    text
}
