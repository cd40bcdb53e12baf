//! What chain and guardrail cost per event of a benign stream, in Envoy.
//!
//! Envoy alone, with the chain, and with the chain and the guardrail answers streams of one event and
//! of many. What each adds to the long ones beyond what it adds to the short ones, by event: neither
//! the request nor Envoy's own work on an event is in that, nor the system calls when each comes alone.

use serde::Serialize;
use weir_harness::HttpClient;

use crate::body::Chats;
use crate::failure::Failure;
use crate::figures::Cell;
use crate::measurement::{WARM_UP, background, one_round};
use crate::options::Options;
use crate::path::{Chain, Paths, Streams};
use crate::processors::Processors;
use crate::setup::Setup;

/// Envoy alone, the chain, and the chain with the guardrail.
const SETUPS: [(Setup, Chain); 3] = [
    (Setup::Bare, Chain { guardrail: false, limits: false, failover: false, patient: false }),
    (Setup::Chain, Chain { guardrail: false, limits: false, failover: false, patient: false }),
    (Setup::Chain, Chain { guardrail: true, limits: false, failover: false, patient: false }),
];

/// How events come, how many, and how many streams there are in a round.
const SHAPES: [(&str, Streams, usize); 2] = [
    ("at once", Streams { events: 400, event_us: 0 }, 40),
    ("one by one", Streams { events: 100, event_us: 50 }, 20),
];

/// Events of a stream that is nearly nothing but its request.
const SHORT: usize = 1;

/// What was measured of one kind of stream.
#[derive(Debug, Serialize)]
pub(crate) struct EventCost {
    /// How the events come.
    arrival: &'static str,
    /// Events of a long stream.
    events: usize,
    /// CPU time of Envoy alone for a long stream, in µs.
    bare_us: f64,
    /// The same with the chain.
    chain_us: f64,
    /// The same with the guardrail, too.
    guarded_us: f64,
    /// What the chain adds per event, in µs.
    chain_per_event_us: f64,
    /// What the guardrail adds per event to that, in µs.
    guardrail_per_event_us: f64,
}

/// Measures streams whose events come at once, and one by one.
///
/// # Errors
/// When something does not start or a request is not answered properly.
pub(crate) async fn run(
    options: &Options,
    processors: &Processors,
) -> Result<Vec<EventCost>, Failure> {
    let mut costs = Vec::new();
    for (arrival, streams, requests) in SHAPES {
        println!("measuring streams whose events come {arrival} …");
        let short = Streams { events: SHORT, ..streams };
        let short = all(short, requests, (options, processors)).await?;
        let long = all(streams, requests, (options, processors)).await?;
        let [bare_us, chain_us, guarded_us] = long;
        let [bare, chain, guarded] = [0, 1, 2].map(|setup| {
            let added = long.get(setup).zip(short.get(setup)).map(|(long, short)| long - short);
            added.unwrap_or(0.0) / (streams.events - SHORT) as f64
        });
        costs.push(EventCost {
            arrival,
            events: streams.events,
            bare_us,
            chain_us,
            guarded_us,
            chain_per_event_us: chain - bare,
            guardrail_per_event_us: guarded - chain,
        });
    }
    Ok(costs)
}

/// CPU time per request of all three, in µs, with rounds in turns.
async fn all(
    streams: Streams,
    requests: usize,
    (options, processors): (&Options, &Processors),
) -> Result<[f64; SETUPS.len()], Failure> {
    let mut paths = Paths::start(&SETUPS, None, streams).await?;
    paths.seat(processors)?;
    let http = HttpClient::http1();
    let idle = background(paths.all()).await?;
    let mut chats = Chats::new(1024, true, options.fresh);
    let mut cells: [Cell; SETUPS.len()] = Default::default();
    for round in 0..=options.rounds.max(1) {
        let bodies = chats.take(if round == 0 { WARM_UP } else { requests });
        let shape = (options.clients.max(1), bodies.len());
        for ((path, cell), share) in paths.all().iter_mut().zip(&mut cells).zip(&idle) {
            let mut warm_up = Cell::default();
            let cell = if round == 0 { &mut warm_up } else { cell };
            one_round(&http, path, &bodies, shape, (cell, *share)).await?;
        }
    }
    Ok(cells.each_ref().map(Cell::cpu_us))
}

/// A table for people.
pub(crate) fn table(costs: &[EventCost]) -> String {
    let head = format!(
        "\nCPU time of Envoy, µs\n{:<12}{:>7}{:>10}{:>10}{:>12}{:>18}{:>22}\n",
        "events come",
        "events",
        "bare",
        "chain",
        "guardrail",
        "chain per event",
        "guardrail per event"
    );
    let rows = costs.iter().map(|cost| {
        let EventCost { arrival, events, bare_us, chain_us, guarded_us, .. } = cost;
        format!(
            "{arrival:<12}{events:>7}{bare_us:>10.1}{chain_us:>10.1}{guarded_us:>12.1}{:>18.2}{:>22.2}\n",
            cost.chain_per_event_us, cost.guardrail_per_event_us
        )
    });
    std::iter::once(head).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_kind_of_stream() {
        let costs = SHAPES.map(|(arrival, streams, _)| EventCost {
            arrival,
            events: streams.events,
            bare_us: 150.0,
            chain_us: 200.0,
            guarded_us: 640.0,
            chain_per_event_us: 2.0,
            guardrail_per_event_us: 1.25,
        });
        let text = table(&costs);
        let row = text.lines().find(|line| line.starts_with("at once")).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words, ["at", "once", "400", "150.0", "200.0", "640.0", "2.00", "1.25"]);
        assert!(text.lines().any(|line| line.starts_with("one by one")));
    }
}
