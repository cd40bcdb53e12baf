//! Where things are in an Envoy configuration, for tests that change one as data.

use serde_json::Value;

/// The item called `name` of a list of things with names.
fn named<'a>(list: &'a mut Value, name: &str) -> &'a mut Value {
    let items = list.as_array_mut().unwrap().iter_mut();
    let mut found = items.filter(|item| item["name"] == name);
    found.next().unwrap_or_else(|| panic!("nothing is called {name}"))
}

/// The listener called `name`.
pub(crate) fn listener<'a>(config: &'a mut Value, name: &str) -> &'a mut Value {
    named(&mut config["static_resources"]["listeners"], name)
}

/// The cluster called `name`.
pub(crate) fn cluster<'a>(config: &'a mut Value, name: &str) -> &'a mut Value {
    named(&mut config["static_resources"]["clusters"], name)
}

/// The connection manager of the listener for clients.
pub(crate) fn connection_manager(config: &mut Value) -> &mut Value {
    &mut listener(config, "clients")["filter_chains"][0]["filters"][0]["typed_config"]
}

/// The filters for clients' requests, in order.
pub(crate) fn http_filters(config: &mut Value) -> &mut Vec<Value> {
    connection_manager(config)["http_filters"].as_array_mut().unwrap()
}

/// Puts a filter, written as YAML, before the one called `name`.
pub(crate) fn insert_filter(config: &mut Value, name: &str, yaml: &str) {
    let filters = http_filters(config);
    let at = filters.iter().position(|filter| filter["name"] == name).unwrap();
    filters.insert(at, serde_saphyr::from_str(yaml).unwrap());
}

/// The settings of a Weir filter, such as `weir.gateway`.
pub(crate) fn settings<'a>(config: &'a mut Value, filter: &str) -> &'a mut Value {
    let filters = &mut connection_manager(config)["http_filters"];
    &mut named(filters, filter)["typed_config"]["config"]["configuration"]["value"]
}

/// The virtual host for clients.
pub(crate) fn virtual_host(config: &mut Value) -> &mut Value {
    &mut connection_manager(config)["route_config"]["virtual_hosts"][0]
}

/// A route for clients.
pub(crate) fn route<'a>(config: &'a mut Value, name: &str) -> &'a mut Value {
    named(&mut virtual_host(config)["routes"], name)
}

/// The entry of a model in model-router's settings.
pub(crate) fn model<'a>(router: &'a mut Value, name: &str) -> &'a mut Value {
    named(&mut router["policies"]["default"]["models"], name)
}

/// Metadata in which a policy is named.
pub(crate) fn policy_metadata(name: &str) -> Value {
    serde_json::json!({"filter_metadata": {"weir": {"policy": name}}})
}
