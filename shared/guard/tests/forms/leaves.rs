//! The strings of a stream by the place in which they stand.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::form::Form;

/// What stands in one place.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Text {
    /// Event by event.
    pub(crate) each: Vec<String>,
    pub(crate) joined: String,
}

/// All strings of a stream.
pub(crate) fn leaves(form: &Form, stream: &str) -> BTreeMap<String, Text> {
    let mut leaves = BTreeMap::new();
    for document in documents(form, stream) {
        let kind = document["type"].as_str().unwrap_or_default();
        let kind = if kind.is_empty() { String::new() } else { format!("{kind} ") };
        collect(&document, kind, &mut leaves);
    }
    leaves
}

fn documents(form: &Form, stream: &str) -> Vec<Value> {
    if stream.starts_with('[') {
        return serde_json::from_str(stream).unwrap_or_else(|error| panic!("{error}: {stream}"));
    }
    let data = |line: &str| match form.is_array() {
        true => serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")),
        false => {
            let data = line.strip_prefix("data: ").unwrap_or("null");
            serde_json::from_str(data).unwrap_or(Value::Null)
        }
    };
    stream.lines().filter(|line| !line.is_empty()).map(data).collect()
}

fn collect(value: &Value, place: String, leaves: &mut BTreeMap<String, Text>) {
    match value {
        Value::String(text) => {
            let leaf = leaves.entry(place).or_default();
            leaf.each.push(text.clone());
            leaf.joined.push_str(text);
        }
        Value::Array(elements) => {
            for (number, element) in elements.iter().enumerate() {
                let number = element["index"].as_u64().unwrap_or(number as u64);
                collect(element, format!("{place}[{number}]"), leaves);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if place.is_empty() || place.ends_with(' ') { "" } else { "." };
                collect(member, format!("{place}{dot}{name}"), leaves);
            }
        }
        _ => {}
    }
}
