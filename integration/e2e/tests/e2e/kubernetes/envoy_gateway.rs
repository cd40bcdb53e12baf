//! `envoy-gateway`: the patches, applied to what Envoy Gateway gives a Gateway, with the routes of the HTTPRoute.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_harness::{EnvoyConfig, HarnessError, Request, workspace};

use super::{assert_mounted, documents, of_kind, on_this_machine};
use crate::stack::{LLAMA, Plan, QWEN, chat, echoed};

const SOCKET: &str = "/run/weir/intake.sock";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

/// What Envoy Gateway makes of the HTTPRoute, before the policy.
fn generated() -> Value {
    let text = fs::read_to_string(workspace::file("testdata/kubernetes/envoy-gateway.yaml"));
    let mut config: Value = serde_saphyr::from_str(&text.unwrap()).unwrap();
    let route = documents("gateway-api/httproute.yaml").pop().unwrap();
    let rules = route["spec"]["rules"].as_array().unwrap().iter().enumerate();
    let routes = rules.map(|(at, rule)| {
        let header = &rule["matches"][0]["headers"][0];
        json!({
            "name": format!("httproute/inference/inference/rule/{at}/match/0/*"),
            "match": {"prefix": "/", "headers": [
                {"name": header["name"], "string_match": {"exact": header["value"]}},
            ]},
            "route": {
                "cluster": format!("httproute/inference/inference/rule/{at}"),
                "timeout": rule["timeouts"]["request"],
                "upgrade_configs": [{"upgrade_type": "websocket"}],
            },
        })
    });
    let host = "/static_resources/listeners/0/default_filter_chain/filters/0/typed_config/route_config/virtual_hosts/0/routes";
    *config.pointer_mut(host).unwrap() = routes.collect();
    config
}

/// Applies one operation of RFC 6902, as far as the shipped ones go: `add` of a member or of an item of a list.
fn add(target: &mut Value, path: &str, value: &Value) {
    let (parent, last) = path.rsplit_once('/').unwrap();
    match target.pointer_mut(parent).unwrap_or_else(|| panic!("nothing is at {parent}")) {
        Value::Array(items) => items.insert(last.parse().unwrap(), value.clone()),
        Value::Object(members) => drop(members.insert(last.to_owned(), value.clone())),
        other => panic!("{path}: {other}"),
    }
}

fn apply(config: &mut Value, policy: &Value) {
    assert_eq!(policy["spec"]["type"], "JSONPatch");
    for patch in policy["spec"]["jsonPatches"].as_array().unwrap() {
        let operation = &patch["operation"];
        assert_eq!(operation["op"], "add", "{patch}");
        let resources = match patch["type"].as_str().unwrap() {
            LISTENER => &mut config["static_resources"]["listeners"],
            CLUSTER => &mut config["static_resources"]["clusters"],
            other => panic!("{other} is not shipped"),
        };
        let resources = resources.as_array_mut().unwrap();
        let path = operation["path"].as_str().unwrap();
        if path.is_empty() {
            assert_eq!(operation["value"]["name"], patch["name"]);
            resources.push(operation["value"].clone());
            continue;
        }
        let mut named = resources.iter_mut().filter(|one| one["name"] == patch["name"]);
        add(named.next().unwrap_or_else(|| panic!("{patch}")), path, &operation["value"]);
    }
}

fn plan(folder: &Path, change: impl FnOnce(&mut Value)) -> Plan {
    let mut policy = documents("envoy-gateway/envoypatchpolicy.yaml").pop().unwrap();
    change(&mut policy);
    let mut config = generated();
    apply(&mut config, &policy);
    let config = EnvoyConfig::from_text("envoypatchpolicy.yaml", config.to_string()).unwrap();
    Plan::of(config).replace(SOCKET, folder.join("intake.sock").to_str().unwrap())
}

/// The sidecar's file as it is mounted, with the socket in `folder`.
pub(super) fn sidecar_yaml(folder: &Path) -> String {
    let path = workspace::file("envoy-config/kubernetes/kustomize/sidecar.yaml");
    on_this_machine(&fs::read_to_string(path).unwrap(), folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patched_gateway_routes_by_model_and_places_requests_on_pods() {
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path(), |_| ()).start().await;
    crate::client_headers::assert_forgery_is_void(&stack).await;
    let _sidecar = stack.sidecar_with(&sidecar_yaml(folder.path())).await;
    for (model, pool) in [(LLAMA, "llama"), ("sql-expert", "llama"), (QWEN, "qwen")] {
        for number in 0..6 {
            let reply = stack.send(chat(model, &format!("{number} of {model}"))).await;
            assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
            let echo = &reply.json().unwrap()["weir_echo"];
            let list = echoed(echo, "x-gateway-destination-endpoint");
            assert_eq!(list.split(',').next().unwrap(), reply.header("x-weir-replica"), "{list}");
        }
    }
    assert_eq!(stack.send(chat("nope", "x")).await.status, 404);
    assert_eq!(stack.send(chat(LLAMA, &"long ".repeat(400_000))).await.status, 200);
    assert_eq!(stack.send(Request::get("/v1/models")).await.status, 200);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_of_localities_beside_the_list_is_what_the_patches_take_away() {
    let folder = TempDir::new().unwrap();
    let without = plan(folder.path(), |policy| {
        let patches = policy["spec"]["jsonPatches"].as_array_mut().unwrap();
        patches.retain(|patch| patch["operation"]["path"] != "/common_lb_config");
    });
    match without.try_start().await {
        Err(HarnessError::Ended { log, .. }) => assert!(log.contains("locality_weighted"), "{log}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[test]
fn the_pods_of_the_gateway_have_what_the_policy_names() {
    let documents = documents("envoy-gateway/gateway.yaml");
    let proxy = of_kind(&documents, "EnvoyProxy");
    let deployment = &proxy["spec"]["provider"]["kubernetes"]["envoyDeployment"];
    let (envoy, init) = (&deployment["container"], &deployment["initContainers"][0]);
    let sidecar = &deployment["patch"]["value"]["spec"]["template"]["spec"]["containers"][0];
    assert_mounted(&deployment["pod"], &[envoy, init, sidecar]);
    let policy = super::documents("envoy-gateway/envoypatchpolicy.yaml").pop().unwrap();
    let written = policy.to_string();
    assert!(written.contains(init["command"][2].as_str().unwrap()) && written.contains(SOCKET));
    let gateway = of_kind(&documents, "Gateway");
    assert_eq!(policy["spec"]["targetRef"]["name"], gateway["metadata"]["name"]);
    assert_eq!(policy["metadata"]["namespace"], gateway["metadata"]["namespace"]);
    let class = of_kind(&documents, "GatewayClass");
    assert_eq!(class["spec"]["parametersRef"]["name"], proxy["metadata"]["name"]);
    assert_eq!(gateway["spec"]["gatewayClassName"], class["metadata"]["name"]);
}
