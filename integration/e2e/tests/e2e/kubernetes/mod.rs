//! The files for Kubernetes, as far as they can be tried without one: what controllers should make of them, in real Envoy.

mod envoy_gateway;
mod helm;
mod kustomize;

use std::fs;
use std::path::Path;

use serde_json::Value;
use weir_harness::workspace;

/// The documents of a file of `envoy-config/kubernetes`.
fn documents(path: &str) -> Vec<Value> {
    let text = fs::read_to_string(workspace::file(format!("envoy-config/kubernetes/{path}")));
    parsed(&text.unwrap())
}

/// The documents of a text, each of which has a kind and a name.
fn parsed(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").filter(|part| part.contains("kind:"));
    let documents: Vec<Value> = parts.map(|part| serde_saphyr::from_str(part).unwrap()).collect();
    for document in &documents {
        assert!(document["kind"].is_string() && document["metadata"]["name"].is_string());
    }
    documents
}

/// The one of a kind.
fn of_kind<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    let document = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "two of kind {kind}");
    document
}

#[test]
fn a_pool_without_a_picker_is_what_the_route_names() {
    let documents = documents("gateway-api/inferencepool.yaml");
    let pool = of_kind(&documents, "InferencePool");
    assert!(pool["spec"].get("endpointPickerRef").is_none());
    assert!(pool["spec"]["selector"]["matchLabels"].is_object());
    assert_eq!(pool["spec"]["targetPorts"].as_array().unwrap().len(), 1);
    let route = of_kind(&documents, "HTTPRoute");
    let backend = &route["spec"]["rules"][0]["backendRefs"][0];
    let named = [&backend["group"], &backend["kind"], &backend["name"]];
    let group = pool["apiVersion"].as_str().unwrap().split('/').next().unwrap();
    assert_eq!(named, [&Value::from(group), &pool["kind"], &pool["metadata"]["name"]]);
}

/// A sidecar's file with the socket in `folder`, and replicas on this machine in place of the pods.
fn on_this_machine(yaml: &str, folder: &Path) -> String {
    let mut yaml = yaml.to_owned();
    let pods = ["10.0.1.11", "10.0.1.12", "10.0.1.13", "10.0.2.11", "10.0.2.12", "10.0.2.13"];
    for (pod, port) in pods.into_iter().zip(9001..) {
        let address = format!("{pod}:8000");
        assert!(yaml.contains(&address), "{yaml}");
        yaml = yaml.replace(&address, &format!("127.0.0.1:{port}"));
    }
    yaml.replace("/run/weir/intake.sock", folder.join("intake.sock").to_str().unwrap())
}

/// Whether the volumes that containers mount are volumes of the pod.
fn assert_mounted(pod: &Value, containers: &[&Value]) {
    let volumes = pod["volumes"].as_array().unwrap().iter();
    let names: Vec<&Value> = volumes.map(|volume| &volume["name"]).collect();
    for container in containers {
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().all(|mount| names.contains(&&mount["name"])), "{container}");
    }
}
