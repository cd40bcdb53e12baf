//! `/usage`: what was spent, by consumer and model, for whoever writes the bills.

use std::collections::BTreeMap;
use std::fmt::Write;

use hyper::StatusCode;
use hyper::header::{ACCEPT, HeaderMap};
use serde::Serialize;
use tokio::time::Instant;

use super::page::{Page, State};
use crate::spending::{Spender, Spent};

/// What a unit of cost is a part of: 10⁻¹² of the currency.
const COST_UNITS: u128 = 1_000_000_000_000;

#[derive(Serialize)]
struct Usage<'a> {
    gateways: Vec<GatewayUsage<'a>>,
    usage: Vec<RowView<'a>>,
}

#[derive(Serialize)]
struct GatewayUsage<'a> {
    gateway: &'a str,
    /// Since when its Envoy counts, in ms since 1970; absent before it has told.
    #[serde(skip_serializing_if = "Option::is_none")]
    counts_since_ms: Option<u64>,
}

#[derive(Serialize)]
struct RowView<'a> {
    /// `null` where nobody is named: the policy does not show names, or nobody vouches for one.
    consumer: Option<&'a str>,
    model: &'a str,
    requests: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
    completion_tokens: u64,
    reasoning_tokens: u64,
    /// In the currency of the policy's prices.
    cost: f64,
}

/// Whether the client asks for CSV.
pub(super) fn wants_csv(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).map(hyper::header::HeaderValue::as_bytes);
    let kind = |part: &[u8]| part.split(|byte| *byte == b';').next().unwrap_or_default().to_vec();
    let mut parts = accepted.unwrap_or_default().split(|byte| *byte == b',');
    parts.any(|part| kind(part).trim_ascii().eq_ignore_ascii_case(b"text/csv"))
}

/// What was spent at all gateways together, and since when each of them counts.
pub(super) fn json(state: &State, _now: Instant) -> Page {
    let sums = sums(state);
    let spending = state.spending.all();
    let gateways = spending.iter().map(|spending| GatewayUsage {
        gateway: spending.gateway(),
        counts_since_ms: spending.since_ms(),
    });
    let usage = sums.iter().map(|((consumer, model), spent)| RowView {
        consumer: (!consumer.is_empty()).then_some(consumer.as_str()),
        model,
        requests: spent.requests,
        prompt_tokens: spent.prompt_tokens,
        cached_tokens: spent.cached_tokens,
        completion_tokens: spent.completion_tokens,
        reasoning_tokens: spent.reasoning_tokens,
        cost: spent.cost as f64 / COST_UNITS as f64,
    });
    let view = Usage { gateways: gateways.collect(), usage: usage.collect() };
    Page::of(StatusCode::OK, &view)
}

/// The same rows as CSV (RFC 4180), costs in full.
pub(super) fn csv(state: &State, _now: Instant) -> Page {
    let mut text = String::from(
        "consumer,model,requests,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,cost\r\n",
    );
    for ((consumer, model), spent) in &sums(state) {
        let Spent { requests, prompt_tokens, cached_tokens, completion_tokens, .. } = spent;
        let (consumer, model, cost) = (field(consumer), field(model), decimal(spent.cost));
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{consumer},{model},{requests},{prompt_tokens},{cached_tokens},{completion_tokens},{},{cost}\r\n",
            spent.reasoning_tokens
        );
    }
    let content_type = "text/csv; charset=utf-8";
    Page { status: StatusCode::OK, content_type, body: text.into_bytes() }
}

fn sums(state: &State) -> BTreeMap<Spender, Spent> {
    let mut sums = BTreeMap::new();
    state.spending.all().iter().for_each(|spending| spending.add_to(&mut sums));
    sums
}

/// A name as a field. Clients choose names of models where a policy has a `*`, and a spreadsheet takes what
/// begins with one of these signs for a formula.
fn field(name: &str) -> String {
    let formula = name.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let name = if formula { format!("'{name}") } else { name.to_owned() };
    match name.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", name.replace('"', "\"\"")),
        false => name,
    }
}

/// A cost with as many digits as it has.
fn decimal(cost: u128) -> String {
    let (whole, part) = (cost / COST_UNITS, cost % COST_UNITS);
    match part {
        0 => whole.to_string(),
        part => format!("{whole}.{part:012}").trim_end_matches('0').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use weir_snapshot::{Spending as Told, SpendingRow};

    fn state() -> State {
        let state = State::default();
        let row = |consumer: &str, model: &str, cost| SpendingRow {
            consumer: consumer.to_owned(),
            model: model.to_owned(),
            changed: 1,
            requests: 2,
            prompt_tokens: 30,
            cached_tokens: 10,
            completion_tokens: 7,
            reasoning_tokens: 3,
            cost,
        };
        for (gateway, epoch) in [("http://a", 5), ("http://b", 6)] {
            let rows = vec![row("ann", "m", 1_500_000_000_001), row("", "=1+1", 0)];
            state.spending.of(gateway).record(Told { epoch, version: 1, rows });
        }
        state.spending.of("http://silent");
        state
    }

    #[test]
    fn what_was_spent_is_summed_over_gateways_and_nobody_is_null() {
        let page = json(&state(), Instant::now());
        let found: serde_json::Value = serde_json::from_slice(&page.body).unwrap();
        let spent = serde_json::json!({"requests": 4, "prompt_tokens": 60, "cached_tokens": 20,
            "completion_tokens": 14, "reasoning_tokens": 6});
        let row = |consumer: Option<&str>, model: &str, cost: f64| {
            let mut row = spent.clone();
            row["consumer"] = serde_json::json!(consumer);
            row["model"] = serde_json::json!(model);
            row["cost"] = serde_json::json!(cost);
            row
        };
        let expected = [row(None, "=1+1", 0.0), row(Some("ann"), "m", 3.000_000_000_002)];
        assert_eq!(found["usage"], serde_json::json!(expected));
        let gateways = serde_json::json!([{"gateway": "http://a", "counts_since_ms": 5},
            {"gateway": "http://b", "counts_since_ms": 6}, {"gateway": "http://silent"}]);
        assert_eq!(found["gateways"], gateways);
    }

    #[test]
    fn a_name_can_neither_break_out_of_its_field_nor_be_a_formula() {
        let page = csv(&state(), Instant::now());
        let lines = [
            "consumer,model,requests,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,cost",
            ",'=1+1,4,60,20,14,6,0",
            "ann,m,4,60,20,14,6,3.000000000002",
            "",
        ];
        assert_eq!(String::from_utf8(page.body).unwrap(), lines.join("\r\n"));
        for (name, written) in
            [("a,b", "\"a,b\""), ("a\"b", "\"a\"\"b\""), ("-x\n", "\"'-x\n\""), ("é", "é")]
        {
            assert_eq!(field(name), written);
        }
        assert_eq!(decimal(COST_UNITS * 12), "12");
    }

    #[test]
    fn a_gateway_keeps_what_it_told_under_another_configuration_and_is_counted_once() {
        let before = state();
        let after = State { spending: before.spending.clone(), ..State::default() };
        let again = after.spending.of("http://b");
        assert!(Arc::ptr_eq(&again, &before.spending.all()[1]));
        assert_eq!(csv(&after, Instant::now()).body, csv(&before, Instant::now()).body);
    }

    #[test]
    fn csv_is_for_those_who_ask_for_it() {
        for (accepted, csv) in
            [(None, false), (Some("application/json"), false), (Some("a/b, text/CSV;q=0.9"), true)]
        {
            let value = accepted.map(|text| (ACCEPT, text.parse().unwrap()));
            assert_eq!(wants_csv(&value.into_iter().collect()), csv, "{accepted:?}");
        }
    }
}
