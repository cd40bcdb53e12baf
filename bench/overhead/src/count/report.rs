//! A table of what one request executed.

use super::functions::Place;
use super::tally::{Tallies, Tally};
use super::{Chain, Part, ResponseKind};

/// How many functions are listed.
const LISTED: usize = 40;

/// The table for one request.
pub(super) fn of(
    (bytes, response, chain): (usize, ResponseKind, Chain),
    tallies: &Tallies<Part>,
    names: &[String],
) -> String {
    let with = if chain.guardrail { "with" } else { "without" };
    let mut text = format!(
        "\nOne request of {bytes} bytes, {} response, {with} guardrail; memory in lines of 64 bytes and pages of 4 KB\n{:>12}{:>12}{:>8}{:>12}{:>8}\n",
        response.name(),
        "instructions",
        "code lines",
        "pages",
        "data lines",
        "pages"
    );
    let parts = [
        (Part::Envoy, "Envoy"),
        (Part::HostCalls, "Envoy, called by the filters"),
        (Part::Module, "the filters"),
    ];
    for (part, name) in parts {
        text += &row(&tallies.get(part), name);
    }
    let mut places: Vec<_> = tallies.order().iter().filter_map(|part| place(*part)).collect();
    places.sort_by_key(|place| std::cmp::Reverse(tallies.get(Part::In(*place)).instructions));
    for place in places.into_iter().take(LISTED) {
        text += &row(&tallies.get(Part::In(place)), &format!("  {}", name(place, names)));
    }
    text
}

fn place(part: Part) -> Option<Place> {
    match part {
        Part::In(place) => Some(place),
        _ => None,
    }
}

fn name(place: Place, names: &[String]) -> &str {
    match place {
        Place::Function(function) => names.get(function).map_or("a function", String::as_str),
        Place::JumpTable => "V8's table of jumps",
        Place::Glue => "V8's way to the host",
    }
}

fn row(tally: &Tally, name: &str) -> String {
    let [code_lines, code_pages] = tally.code.counts();
    let [data_lines, data_pages] = tally.data.counts();
    let instructions = tally.instructions;
    format!(
        "{instructions:>12}{code_lines:>12}{code_pages:>8}{data_lines:>12}{data_pages:>8}  {name}\n"
    )
}
