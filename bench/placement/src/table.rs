//! The figures as a table for people.

use std::fmt::Write;

use crate::figures::Figure;

const HEAD: &str = "
hit: prompt tokens that replicas had cached, of all; TTFT in ms

row     router         requests failed    hit    mean    p50    p90    p99
";

/// All figures.
pub(crate) fn of(figures: &[Figure]) -> String {
    let mut text = String::from(HEAD);
    for figure in figures {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", line(figure));
    }
    text
}

/// One of them.
pub(crate) fn line(figure: &Figure) -> String {
    format!(
        "{:<7} {:<14} {:>8} {:>6}   {:.3} {:>7.0} {:>6.0} {:>6.0} {:>6.0}",
        figure.row,
        figure.router,
        figure.requests,
        figure.failed,
        figure.hit_rate,
        figure.mean_ms,
        figure.p50_ms,
        figure.p90_ms,
        figure.p99_ms,
    )
}
