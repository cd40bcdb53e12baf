//! What the guardrail costs per event of a benign stream, in Envoy.
//!
//! The same Envoy configuration with and without it answers streams of one event and of many. What
//! it adds to the long ones beyond what it adds to the short ones, by event: neither the request nor
//! Envoy's own work on an event is in that, nor the system calls when each comes alone.

use serde::Serialize;
use weir_harness::HttpClient;

use crate::Options;
use crate::body::Chats;
use crate::failure::Failure;
use crate::figures::Cell;
use crate::measurement::{WARM_UP, background, one_round};
use crate::path::{Chain, Paths, Streams};
use crate::setup::Setup;

/// Without and with the guardrail.
const PAIR: [(Setup, Chain); 2] = [
    (Setup::Chain, Chain { guardrail: false, patient: false }),
    (Setup::Chain, Chain { guardrail: true, patient: false }),
];

/// How events come, how many, and how many streams there are in a round.
const SHAPES: [(&str, Streams, usize); 2] = [
    ("at once", Streams { events: 400, event_ms: None }, 40),
    // A round takes as long as its pauses.
    ("one by one", Streams { events: 40, event_ms: Some(1.0) }, 10),
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
    /// CPU time of Envoy for a long stream, in µs.
    chain_us: f64,
    /// The same with the guardrail.
    guarded_us: f64,
    /// What the guardrail costs per event, in µs.
    per_event_us: f64,
}

/// Measures streams whose events come at once, and one by one.
///
/// # Errors
/// When something does not start or a request is not answered properly.
pub(crate) async fn run(options: &Options) -> Result<Vec<EventCost>, Failure> {
    let mut costs = Vec::new();
    for (arrival, streams, requests) in SHAPES {
        println!("measuring streams whose events come {arrival} …");
        let short = Streams { events: SHORT, ..streams };
        let [short_chain, short_guarded] = pair(short, requests, options).await?;
        let [chain_us, guarded_us] = pair(streams, requests, options).await?;
        let added = (guarded_us - chain_us) - (short_guarded - short_chain);
        let per_event_us = added / (streams.events - SHORT) as f64;
        let events = streams.events;
        costs.push(EventCost { arrival, events, chain_us, guarded_us, per_event_us });
    }
    Ok(costs)
}

/// CPU time per request of both, in µs, with rounds in turns.
async fn pair(streams: Streams, requests: usize, options: &Options) -> Result<[f64; 2], Failure> {
    let mut paths = Paths::start(&PAIR, streams).await?;
    let http = HttpClient::http1();
    let idle = background(paths.all()).await?;
    let mut chats = Chats::new(1024, true, options.fresh);
    let mut cells: [Cell; 2] = Default::default();
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
        "\nCPU time of Envoy, µs\n{:<12}{:>8}{:>12}{:>16}{:>22}\n",
        "events come", "events", "chain", "with guardrail", "guardrail per event"
    );
    let rows = costs.iter().map(|cost| {
        let EventCost { arrival, events, chain_us, guarded_us, per_event_us } = cost;
        format!("{arrival:<12}{events:>8}{chain_us:>12.1}{guarded_us:>16.1}{per_event_us:>22.2}\n")
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
            chain_us: 200.0,
            guarded_us: 640.0,
            per_event_us: 1.25,
        });
        let text = table(&costs);
        let row = text.lines().find(|line| line.starts_with("at once")).unwrap();
        let words: Vec<_> = row.split_whitespace().collect();
        assert_eq!(words, ["at", "once", "400", "200.0", "640.0", "1.25"]);
        assert!(text.lines().any(|line| line.starts_with("one by one")));
    }
}
