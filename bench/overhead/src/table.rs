//! The figures as a table for people.

use std::fmt::Write;

use crate::figures::Figure;
use crate::setup::Setup;

const HEAD: &str = "
bare: Envoy alone; chain: with Weir's router and picker, and the guardrail if asked for; ext_proc: with a
server that only finds the model; added: to bare; chain's share: of what ext_proc adds

CPU time per request, µs: Envoy, and the ext_proc server where there is one
    body  response    bare    chain   added   ext_proc   added   chain's share
";

const LATENCY_HEAD: &str = "
latency, µs: p50 / p99
    body  response        bare             chain            ";

const HEAD_BEFORE: &str = "
bare: Envoy alone; chain: with Weir's router and picker, and the guardrail if asked for; before: the same of an
earlier build; added: to bare; change: of the CPU time of the whole request, chain against before

CPU time per request of Envoy, µs
    body  response    bare    chain   added     before   added        change
";

const HEAD_LIMITED: &str = "
bare: Envoy alone; chain: with Weir's router and picker, and the guardrail if asked for; limited: the same with a
limit on tokens and one on requests; added: to bare; change: of the CPU time of the whole request, limited against chain

CPU time per request of Envoy, µs
    body  response    bare    chain   added    limited   added    limits add        change
";

const HEAD_ATTEMPT: &str = "
bare: Envoy alone; chain: with Weir's router and picker; attempt: the same with the filter of an attempt in its
clusters; added: to bare; attempt adds: to the chain

CPU time per request of Envoy, µs
    body  response    bare    chain   added    attempt   added  attempt adds
";

/// Two tables: CPU time with what each setup adds, and latencies.
pub(crate) fn of(figures: &[Figure]) -> String {
    let mut text = String::from(match other(figures) {
        Setup::Before => HEAD_BEFORE,
        Setup::Limited => HEAD_LIMITED,
        Setup::Attempt => HEAD_ATTEMPT,
        _ => HEAD,
    });
    for row in rows(figures) {
        text.push_str(&cpu_row(row));
    }
    text.push_str(LATENCY_HEAD);
    text.push_str(other(figures).name());
    text.push('\n');
    for row in rows(figures) {
        let latencies =
            row.map(|figure| format!("{:>6.0} / {:<6.0}", figure.p50_us, figure.p99_us));
        let [first, ..] = row;
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}  {}", label(first), latencies.join("  "));
    }
    text
}

/// CPU time of one kind of request, with what each setup adds.
fn cpu_row([bare, chain, other]: [&Figure; 3]) -> String {
    let (chain_adds, other_adds) = (chain.cpu_us - bare.cpu_us, other.cpu_us - bare.cpu_us);
    let more = other.cpu_us - chain.cpu_us;
    let (difference, last, unit) = match other.setup {
        Setup::Before => (String::new(), 100.0 * (chain.cpu_us / other.cpu_us - 1.0), "%"),
        Setup::Limited => {
            (format!("{more:>13.1}"), 100.0 * (other.cpu_us / chain.cpu_us - 1.0), "%")
        }
        Setup::Attempt => (String::new(), more, "µs"),
        _ => (String::new(), 100.0 * chain_adds / other_adds, "%"),
    };
    format!(
        "{} {:>7.1}  {:>7.1} {:>7.1}    {:>7.1} {:>7.1}{difference}   {:>11.1} {unit}\n",
        label(bare),
        bare.cpu_us,
        chain.cpu_us,
        chain_adds,
        other.cpu_us,
        other_adds,
        last,
    )
}

/// What stands beside the chain.
fn other(figures: &[Figure]) -> Setup {
    rows(figures).next().map_or(Setup::ExtProc, |[.., other]| other.setup)
}

/// The figures of the three setups that belong together.
fn rows(figures: &[Figure]) -> impl Iterator<Item = [&Figure; 3]> {
    let (rows, _) = figures.as_chunks::<{ Setup::ALL.len() }>();
    rows.iter().map(<[Figure; 3]>::each_ref)
}

fn label(figure: &Figure) -> String {
    format!("{:>5} KB  {:<8}", figure.body_bytes >> 10, figure.response.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::ResponseKind;

    fn figure(setup: Setup, cpu_us: f64) -> Figure {
        let (body_bytes, response, requests) = (1024, ResponseKind::Json, 9);
        Figure { setup, body_bytes, response, requests, cpu_us, p50_us: 100.0, p99_us: 200.0 }
    }

    #[test]
    fn an_earlier_build_is_compared_as_a_whole() {
        let cpu = [30.0, 41.2, 40.0];
        let setups = Setup::BESIDE_BEFORE.into_iter().zip(cpu);
        let figures: Vec<_> = setups.map(|(setup, cpu)| figure(setup, cpu)).collect();
        let text = of(&figures);
        let row = text.lines().find(|line| line.contains("1 KB")).unwrap();
        assert!(row.ends_with("3.0 %"), "{row}");
    }

    #[test]
    fn what_limits_add_is_shown_by_itself() {
        let setups = Setup::BESIDE_LIMITED.into_iter().zip([30.0, 40.0, 46.0]);
        let figures: Vec<_> = setups.map(|(setup, cpu)| figure(setup, cpu)).collect();
        let text = of(&figures);
        let row = text.lines().find(|line| line.contains("1 KB")).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        let expected =
            ["1", "KB", "json", "30.0", "40.0", "10.0", "46.0", "16.0", "6.0", "15.0", "%"];
        assert_eq!(words, expected);
        assert!(text.contains("limits add"), "{text}");
    }

    #[test]
    fn what_the_filter_of_an_attempt_adds_is_told_in_microseconds() {
        let setups = Setup::WITH_ATTEMPT.into_iter().zip([30.0, 41.2, 45.0]);
        let figures: Vec<_> = setups.map(|(setup, cpu)| figure(setup, cpu)).collect();
        let text = of(&figures);
        let row = text.lines().find(|line| line.contains("1 KB")).unwrap();
        assert!(row.ends_with("3.8 µs"), "{row}");
    }

    #[test]
    fn what_is_added_and_its_share_are_shown() {
        let cpu = [30.0, 40.0, 80.0];
        let figures: Vec<_> =
            Setup::ALL.into_iter().zip(cpu).map(|(setup, cpu)| figure(setup, cpu)).collect();
        let text = of(&figures);
        let row = text.lines().find(|line| line.contains("1 KB")).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words, ["1", "KB", "json", "30.0", "40.0", "10.0", "80.0", "50.0", "20.0", "%"]);
    }
}
