//! What Istio makes of an EnvoyFilter, a VirtualService and an HTTPRoute, as far as the shipped ones go.
//!
//! Anything that is not understood fails the test, so nothing of a shipped file is left out in silence.

use serde_json::{Value, json};

/// Applies every patch of an EnvoyFilter to the configuration of a gateway: changes first, then what
/// is added, so that an added listener is not changed. Returns the extension configurations, which Istio serves by xDS.
pub(super) fn apply(config: &mut Value, filter: &Value) -> Vec<Value> {
    let mut extensions = Vec::new();
    let patches = filter["spec"]["configPatches"].as_array().unwrap();
    let adds = |patch: &&Value| patch["patch"]["operation"] == "ADD";
    for patch in patches.iter().filter(|patch| !adds(patch)).chain(patches.iter().filter(adds)) {
        assert_eq!(patch["match"]["context"], "GATEWAY", "{patch}");
        let value = &patch["patch"]["value"];
        let matched = &patch["match"];
        let applied = match (text(&patch["applyTo"]), text(&patch["patch"]["operation"])) {
            ("LISTENER", "MERGE") => merge_into(listeners(config).iter_mut(), value),
            ("LISTENER", "ADD") => {
                listeners(config).push(value.clone());
                1
            }
            ("EXTENSION_CONFIG", "ADD") => {
                extensions.push(value.clone());
                1
            }
            ("NETWORK_FILTER", "MERGE") => {
                let name = &matched["listener"]["filterChain"]["filter"]["name"];
                let chains = listeners(config).iter_mut();
                let filters = chains.flat_map(|l| list(l, "/filter_chains/0/filters").iter_mut());
                merge_into(filters.filter(|filter| filter["name"] == *name), value)
            }
            ("HTTP_FILTER", "INSERT_BEFORE") => insert_before(config, matched, value),
            ("CLUSTER", "MERGE") => {
                let clusters = list(config, "/static_resources/clusters").iter_mut();
                let wanted = cluster_name(&matched["cluster"]);
                merge_into(clusters.filter(|cluster| cluster["name"] == wanted.as_str()), value)
            }
            other => panic!("{other:?} is not shipped"),
        };
        assert_eq!(applied, 1, "{patch}");
    }
    extensions
}

/// The routes of a VirtualService that matches one header exactly.
pub(super) fn of_virtual_service(service: &Value) -> Vec<Value> {
    let routes = service["spec"]["http"].as_array().unwrap().iter().map(|http| {
        let ([condition], [target]) = (array(&http["match"]), array(&http["route"])) else {
            panic!("{http}");
        };
        let headers = condition["headers"].as_object().unwrap().iter();
        let headers = headers.map(|(name, is)| (name.as_str(), text(&is["exact"])));
        let destination = &target["destination"];
        let (host, port) = (text(&destination["host"]), &destination["port"]["number"]);
        route(text(&http["name"]), headers.collect(), &format!("outbound|{port}||{host}"))
    });
    routes.collect()
}

/// The routes of an HTTPRoute that matches one header exactly.
pub(super) fn of_http_route(http_route: &Value) -> Vec<Value> {
    let routes = http_route["spec"]["rules"].as_array().unwrap().iter().map(|rule| {
        let ([condition], [backend]) = (array(&rule["matches"]), array(&rule["backendRefs"]))
        else {
            panic!("{rule}");
        };
        let headers = array(&condition["headers"]).iter();
        let headers = headers.map(|header| (text(&header["name"]), text(&header["value"])));
        let (name, namespace) = (text(&backend["name"]), text(&backend["namespace"]));
        let cluster = format!("outbound|{}||{name}.{namespace}.svc.cluster.local", backend["port"]);
        route(text(&rule["name"]), headers.collect(), &cluster)
    });
    routes.collect()
}

/// A route with the retries and time limits that Istio gives to one that asks for none.
fn route(name: &str, headers: Vec<(&str, &str)>, cluster: &str) -> Value {
    let headers =
        headers.iter().map(|(name, value)| json!({"name": name, "string_match": {"exact": value}}));
    json!({
        "name": name,
        "match": {"prefix": "/", "case_sensitive": true, "headers": headers.collect::<Vec<_>>()},
        "decorator": {"operation": format!("{name}/*")},
        "metadata": {"filter_metadata": {"istio": {"config": format!("/{name}")}}},
        "route": {
            "cluster": cluster, "timeout": "0s", "max_grpc_timeout": "0s",
            "retry_policy": {
                "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
                "num_retries": 2, "retriable_status_codes": [503],
                "host_selection_retry_max_attempts": "5",
                "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}],
            },
        },
    })
}

/// The virtual host that has the routes.
pub(super) fn routes(config: &mut Value) -> &mut Vec<Value> {
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    list(config, &format!("{filter}/route_config/virtual_hosts/0/routes"))
}

/// Merges as protobuf does: messages member by member, lists by appending, all else by replacing.
fn merge(target: &mut Value, value: &Value) {
    match (target, value) {
        (Value::Object(target), Value::Object(value)) => {
            for (name, value) in value {
                merge(target.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(target), Value::Array(value)) => target.extend(value.iter().cloned()),
        (target, value) => *target = value.clone(),
    }
}

fn merge_into<'a>(targets: impl Iterator<Item = &'a mut Value>, value: &Value) -> usize {
    targets.map(|target| merge(target, value)).count()
}

fn insert_before(config: &mut Value, matched: &Value, value: &Value) -> usize {
    let network = &matched["listener"]["filterChain"]["filter"];
    let mut inserted = 0;
    for listener in listeners(config) {
        for filter in list(listener, "/filter_chains/0/filters") {
            if filter["name"] != network["name"] {
                continue;
            }
            let filters = list(filter, "/typed_config/http_filters");
            let named = |filter: &Value| filter["name"] == network["subFilter"]["name"];
            filters.insert(filters.iter().position(named).unwrap(), value.clone());
            inserted += 1;
        }
    }
    inserted
}

fn cluster_name(matched: &Value) -> String {
    format!("outbound|{}||{}", matched["portNumber"], text(&matched["service"]))
}

fn listeners(config: &mut Value) -> &mut Vec<Value> {
    list(config, "/static_resources/listeners")
}

/// The list at a JSON pointer.
pub(super) fn list<'a>(value: &'a mut Value, pointer: &str) -> &'a mut Vec<Value> {
    value.pointer_mut(pointer).and_then(Value::as_array_mut).unwrap()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// A string that must be there.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
