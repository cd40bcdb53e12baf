//! The timeouts of a running Envoy, from its `config_dump`.

use serde_json::Value;

/// What a model may think without a word, in seconds.
const SILENCE: f64 = 300.0;

/// Members by which Envoy ends a request or stream, wherever they stand. Without `stream_idle_timeout` it is 300 s, without
/// a route's `timeout` 15 s; without the others there is none that would end a stream in so short a time.
const NAMES: [&str; 8] = [
    "stream_idle_timeout",
    "timeout",
    "idle_timeout",
    "per_try_timeout",
    "per_try_idle_timeout",
    "max_stream_duration",
    "request_timeout",
    "stream_flush_timeout",
];

/// What the timeouts are, one a line, if none ends a stream that is silent for 300 s.
///
/// # Errors
/// Those that do, or are missing.
pub(super) fn of_dump(text: &str) -> Result<String, String> {
    let dump: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let clients = find(&dump, &|value| value["stat_prefix"] == "clients");
    let clients = clients.ok_or("no connection manager for clients")?;
    let mut found = Vec::new();
    timeouts(clients, "clients", &mut found);
    let mut short: Vec<String> =
        found.iter().filter(|(_, value)| ends_early(value)).map(shown).collect();
    let has = |end: &str| found.iter().any(|(path, _)| path.ends_with(end));
    if !has("clients.stream_idle_timeout") {
        short.push("clients.stream_idle_timeout is missing: 300 s".to_owned());
    }
    for route in ["llama", "qwen"] {
        if !has(&format!("{route}.route.timeout")) {
            short.push(format!("the route {route} has no timeout: 15 s"));
        }
    }
    let found: Vec<_> = found.iter().map(shown).collect();
    if short.is_empty() { Ok(found.join(", ")) } else { Err(short.join(", ")) }
}

fn shown((path, value): &(String, String)) -> String {
    format!("{path} {value}")
}

/// 0 stands for none.
fn ends_early(value: &str) -> bool {
    let seconds: f64 = value.trim_end_matches('s').parse().unwrap_or(0.1);
    seconds > 0.0 && seconds <= SILENCE
}

/// The first object that is the one.
fn find<'a>(value: &'a Value, is_it: &dyn Fn(&Value) -> bool) -> Option<&'a Value> {
    if value.is_object() && is_it(value) {
        return Some(value);
    }
    match value {
        Value::Object(members) => members.values().find_map(|member| find(member, is_it)),
        Value::Array(items) => items.iter().find_map(|item| find(item, is_it)),
        _ => None,
    }
}

fn timeouts(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if NAMES.contains(&name.as_str()) => {
                        found.push((format!("{path}.{name}"), text.to_owned()));
                    }
                    _ => timeouts(member, &format!("{path}.{name}"), found),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let name = item["name"].as_str().unwrap_or("item");
                timeouts(item, name, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dump(idle: Value, qwen: Value) -> String {
        let routes = json!([
            {"name": "llama", "route": {"timeout": "0s"}},
            {"name": "qwen", "route": qwen},
        ]);
        let mut manager = json!({"stat_prefix": "clients", "route_config": {"routes": routes}});
        if !idle.is_null() {
            manager["stream_idle_timeout"] = idle;
        }
        let other = json!({"stat_prefix": "intake", "stream_idle_timeout": "5s"});
        json!({"configs": [other, {"filters": [manager]}]}).to_string()
    }

    #[test]
    fn what_ends_a_silent_stream_is_named() {
        let long = json!({"timeout": "0s"});
        assert!(of_dump(&dump(json!("3600s"), long.clone())).is_ok());
        for (idle, qwen, named) in [
            (json!("300s"), long.clone(), "clients.stream_idle_timeout 300s"),
            (Value::Null, long, "stream_idle_timeout is missing"),
            (json!("3600s"), json!({}), "qwen has no timeout"),
            (json!("3600s"), json!({"timeout": "15s"}), "qwen.route.timeout 15s"),
            (json!("0s"), json!({"timeout": "0s", "idle_timeout": "60.5s"}), "idle_timeout 60.5s"),
        ] {
            let problem = of_dump(&dump(idle, qwen)).unwrap_err();
            assert!(problem.contains(named), "{problem}");
        }
        assert!(of_dump("{}").is_err());
    }
}
