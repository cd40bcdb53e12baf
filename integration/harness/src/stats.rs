//! Envoy's counters and gauges.

use std::collections::BTreeMap;

use serde_json::Value;

/// Counters and gauges by name, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats(BTreeMap<String, u64>);

impl Stats {
    /// The numbers in what `/stats?format=json` answers; histograms are left out.
    pub(crate) fn of_document(document: &Value) -> Self {
        let entries = document.get("stats").and_then(Value::as_array);
        let number = |entry: &Value| {
            let name = entry.get("name")?.as_str()?;
            Some((name.to_owned(), entry.get("value")?.as_u64()?))
        };
        Self(entries.into_iter().flatten().filter_map(number).collect())
    }

    /// Those whose names begin with `prefix`.
    pub(crate) fn starting_with(mut self, prefix: &str) -> Self {
        self.0.retain(|name, _| name.starts_with(prefix));
        self
    }

    /// The value of `name`; a counter that Envoy has not made yet is 0.
    pub fn value(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// The sum of all whose names contain `part`.
    pub fn sum(&self, part: &str) -> u64 {
        self.0.iter().filter(|(name, _)| name.contains(part)).map(|(_, value)| value).sum()
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_kept_and_everything_else_is_not() {
        let document = json!({"stats": [
            {"name": "wasm.a.vm_reload", "value": 2},
            {"name": "wasm.b.vm_reload", "value": 3},
            {"name": "server.state", "value": "LIVE"},
            {"histograms": {}},
        ]});
        let stats = Stats::of_document(&document);
        assert_eq!((stats.value("wasm.a.vm_reload"), stats.value("none")), (2, 0));
        assert_eq!(stats.sum("vm_reload"), 5);
        let names: Vec<_> = stats.starting_with("wasm.b").0.into_keys().collect();
        assert_eq!(names, ["wasm.b.vm_reload"]);
        assert_eq!(Stats::of_document(&Value::Null), Stats::default());
    }
}
