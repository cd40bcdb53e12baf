//! A table of what one request executed.

use super::functions::Place;
use super::tally::{Tallies, Tally};
use super::{Chain, Part, ResponseKind};

/// How many functions are listed.
const LISTED: usize = 40;

/// What was counted, and the names of the columns.
fn heading(bytes: usize, response: ResponseKind, chain: Chain) -> String {
    let with = |part: bool| if part { "with" } else { "without" };
    let (guardrail, limits) = (with(chain.guardrail), with(chain.limits));
    format!(
        "\nOne request of {bytes} bytes, {} response, {guardrail} guardrail, {limits} limits; memory in lines of 64 bytes and pages of 4 KB\n{:>12}{:>12}{:>8}{:>12}{:>8}\n",
        response.name(),
        "instructions",
        "code lines",
        "pages",
        "data lines",
        "pages"
    )
}

/// The table for one request.
pub(super) fn of(
    (bytes, response, chain): (usize, ResponseKind, Chain),
    tallies: &Tallies<Part>,
    names: &[String],
) -> String {
    let mut text = heading(bytes, response, chain);
    let parts = [
        (Part::Envoy, "Envoy"),
        (Part::HostCalls, "  of that, called by the filters"),
        (Part::Module, "the filters, of that:"),
    ];
    for (part, name) in parts {
        text += &row(&tallies.get(part), name);
    }
    let mut places: Vec<_> = tallies.order().iter().filter_map(|part| place(*part)).collect();
    places.sort_by_key(|place| std::cmp::Reverse(tallies.get(Part::In(*place)).instructions));
    let mut listed = 0;
    for place in places.iter().take(LISTED) {
        let tally = tallies.get(Part::In(*place));
        listed += tally.instructions;
        text += &row(&tally, &format!("  {}", name(*place, names)));
    }
    let (all, others) = (tallies.get(Part::Module), places.len().saturating_sub(LISTED));
    text + &format!("{:>12}  in {others} others\n", all.instructions.saturating_sub(listed))
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
