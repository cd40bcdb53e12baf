//! The figures as tables for people.

use std::fmt::Write;

use serde_json::Value;

use crate::request;

/// What the project wants to reach in V8, in MB/s: ordinary chat, and text full of digits.
const GOALS: [(&str, f64); 2] = [("chat", 250.0), ("digits", 100.0)];

/// Characters an event, as the figures name them.
const EVENT_SIZES: [&str; 3] = ["1", "5", "20"];

/// Throughput, a benign stream, requests: of the object that `--json` writes.
pub(crate) fn of(all: &Value) -> String {
    [throughput(all), stream(all), requests(all)].join("\n")
}

fn throughput(all: &Value) -> String {
    let mut text = format!("\n{:<39}{:>8}{:>8}{:>6}", "MB/s", "native", "V8", "goal");
    // Writing to a string can't fail.
    let _ = writeln!(text, "{:>11}{:>15}", "Presidio", "V8 / Presidio");
    text += &throughput_rows(all, "texts", "text");
    text.push_str("rules of the operator's own, and the same by crates that only find\n");
    text += &throughput_rows(all, "custom", "rules and text");
    text + ANY_PROCESSOR + &presidio(all)
}

/// Why V8 may be the faster one: the scanner has another block test where there are no shuffles.
const ANY_PROCESSOR: &str = if cfg!(all(target_arch = "x86_64", not(target_feature = "ssse3"))) {
    "native is compiled for any x86-64 processor, so without the byte shuffles that V8 uses\n"
} else {
    ""
};

/// A row for each entry of a list, whose name stands under `key`.
fn throughput_rows(all: &Value, list: &str, key: &str) -> String {
    let names = members(all, "native", list).filter_map(|row| row.get(key)?.as_str());
    names.map(|name| throughput_row(all, list, key, name)).collect()
}

fn throughput_row(all: &Value, list: &str, key: &str, name: &str) -> String {
    let of = |target| number(entry(all, target, list, key, name)?, &["whole_mb_per_s"]);
    let (native, v8) = (of("native"), of("v8"));
    let presidio = number(all, &["presidio", "texts", name, "mb_per_s"]);
    let ratio = v8.zip(presidio).map(|(v8, presidio)| v8 / presidio);
    let goal = GOALS.iter().find(|(text, _)| *text == name).map(|(_, goal)| *goal);
    let goal = goal.map_or(String::new(), |goal| goal.to_string());
    format!(
        "{name:<39}{}{}{goal:>6}{}{}\n",
        cell(native, 8, 1),
        cell(v8, 8, 1),
        cell(presidio, 11, 3),
        cell(ratio, 15, 0),
    )
}

/// What Presidio's figures are of, or why there are none.
fn presidio(all: &Value) -> String {
    let presidio = at(all, &["presidio"]).unwrap_or(&Value::Null);
    let version = at(presidio, &["version"]).and_then(Value::as_str);
    let failed = at(presidio, &["failed"]).and_then(Value::as_str);
    match (version, failed) {
        (Some(version), _) => {
            let recognisers = number(presidio, &["recognisers"]).unwrap_or_default();
            format!(
                "Presidio {version}: {recognisers} recognisers that work by pattern, on each text's beginning\n"
            )
        }
        (None, Some(reason)) => format!("Presidio is left out: {reason}\n"),
        (None, None) => "Presidio is left out\n".to_owned(),
    }
}

/// What an event of ordinary chat costs, and what is held back after it.
fn stream(all: &Value) -> String {
    let mut text = format!("{:<39}", "a stream of chat, characters an event");
    EVENT_SIZES.iter().for_each(|size| text += &format!("{size:>8}"));
    text.push('\n');
    let cost = |target, size| {
        number(entry(all, target, "texts", "text", "chat")?, &["stream_us_per_event", size])
    };
    text += &stream_row("µs an event, native", 2, |size| cost("native", size));
    text += &stream_row("µs an event, V8", 2, |size| cost("v8", size));
    let held = |kind, size| number(all, &["native", "hold_back", size, kind]);
    text += &stream_row("held back after it, characters, mean", 1, |size| held("mean", size));
    text + &stream_row("held back after it, characters, most", 0, |size| held("most", size))
}

fn stream_row(
    label: &str,
    decimals: usize,
    of_size: impl Fn(&'static str) -> Option<f64>,
) -> String {
    let cells = EVENT_SIZES.map(|size| cell(of_size(size), 8, decimals));
    format!("{label:<39}{}\n", cells.concat())
}

/// What a body costs: read for routing, and scanned by the guardrail.
fn requests(all: &Value) -> String {
    let mut text = format!("{:<39}{:>8}{:>8}\n", "µs", "native", "V8");
    for size in request::SIZES.map(request::name) {
        text += &request_row(all, &format!("read for routing: {size}"), &["request_us", &size]);
    }
    let guard = at(all, &["native", "guard"]).and_then(Value::as_object);
    for key in guard.into_iter().flat_map(|guard| guard.keys()) {
        let label = key.trim_end_matches("_us").replace('_', " ").replace(" kb", " KB");
        text += &request_row(all, &format!("guard: {label}"), &["guard", key]);
    }
    text
}

fn request_row(all: &Value, label: &str, path: &[&str]) -> String {
    let of = |target| at(all, &[target]).and_then(|figures| number(figures, path));
    format!("{label:<39}{}{}\n", cell(of("native"), 8, 1), cell(of("v8"), 8, 1))
}

/// A number to the right, or a dash where there is none.
fn cell(number: Option<f64>, width: usize, decimals: usize) -> String {
    match number {
        Some(number) => format!("{number:>width$.decimals$}"),
        None => format!("{:>width$}", "–"),
    }
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn number(value: &Value, path: &[&str]) -> Option<f64> {
    at(value, path)?.as_f64()
}

/// The entry of a target's list whose `key` is `name`.
fn entry<'v>(all: &'v Value, target: &str, list: &str, key: &str, name: &str) -> Option<&'v Value> {
    members(all, target, list).find(|row| row.get(key).is_some_and(|found| found == name))
}

/// The entries of a target's list; none of a target that was not measured.
fn members<'v>(
    all: &'v Value,
    target: &str,
    list: &str,
) -> impl Iterator<Item = &'v Value> + use<'v> {
    at(all, &[target, list]).and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn figures(mb_per_s: f64, us: f64) -> Value {
        let stream = json!({ "1": us, "5": us * 2.0, "20": us * 4.0 });
        let held = |most| json!({ "most": most, "mean": 3.12 });
        json!({
            "texts": [
                {"text": "chat", "whole_mb_per_s": mb_per_s, "stream_us_per_event": stream},
                {"text": "adversarial: escapes", "whole_mb_per_s": 5.0},
            ],
            "custom": [{"rules and text": "to the line's end: chat", "whole_mb_per_s": 7.0}],
            "hold_back": {"1": held(17), "5": held(15), "20": held(12)},
            "request_us": {"1 KB": us, "32 KB": us, "256 KB": us},
            "guard": {"request_of_1_kb_us": us},
        })
    }

    fn row<'t>(text: &'t str, label: &str) -> Vec<&'t str> {
        let line = text.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("{label} in {text}")).split_whitespace().collect()
    }

    #[test]
    fn each_text_stands_beside_its_goal_and_presidio() {
        let presidio = json!({"version": "2.2", "recognisers": 18,
            "texts": {"chat": {"mb_per_s": 0.25}, "adversarial: escapes": {"mb_per_s": 0.01}}});
        let text = of(&json!({
            "native": figures(400.0, 1.0), "v8": figures(200.0, 2.0), "presidio": presidio}));
        assert_eq!(row(&text, "chat"), ["400.0", "200.0", "250", "0.250", "800"]);
        assert_eq!(row(&text, "adversarial: escapes"), ["5.0", "5.0", "0.010", "500"]);
        assert_eq!(row(&text, "to the line's end: chat"), ["7.0", "7.0", "–", "–"]);
        assert!(text.contains("Presidio 2.2: 18 recognisers"), "{text}");
    }

    #[test]
    fn a_stream_and_requests_have_a_row_each() {
        let text = of(&json!({"native": figures(400.0, 1.0), "v8": figures(200.0, 2.0)}));
        assert_eq!(row(&text, "µs an event, native"), ["1.00", "2.00", "4.00"]);
        assert_eq!(row(&text, "µs an event, V8"), ["2.00", "4.00", "8.00"]);
        assert_eq!(row(&text, "held back after it, characters, mean"), ["3.1"; 3]);
        assert_eq!(row(&text, "held back after it, characters, most"), ["17", "15", "12"]);
        assert_eq!(row(&text, "read for routing: 256 KB"), ["1.0", "2.0"]);
        assert_eq!(row(&text, "guard: request of 1 KB"), ["1.0", "2.0"]);
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_presidio_says_why() {
        let failed = json!({"failed": "python failed"});
        let text = of(&json!({"native": figures(400.0, 1.0), "v8": null, "presidio": failed}));
        assert_eq!(row(&text, "chat"), ["400.0", "–", "250", "–", "–"]);
        assert_eq!(row(&text, "µs an event, V8"), ["–"; 3]);
        assert!(text.contains("Presidio is left out: python failed"), "{text}");
    }

    /// The tables look figures up by name: one that is renamed would leave a column of dashes.
    #[test]
    fn every_goal_is_of_a_text_that_is_measured() {
        let texts = crate::texts::all(1000);
        for (goal, _) in GOALS {
            assert!(texts.iter().any(|(name, _)| *name == goal), "{goal}");
        }
    }
}
