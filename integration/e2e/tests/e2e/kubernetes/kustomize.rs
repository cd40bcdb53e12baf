//! `kustomize`: an Envoy of its own.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_harness::workspace;

use super::envoy_gateway::sidecar_yaml;
use super::{assert_mounted, documents, of_kind, parsed};
use crate::stack::{LLAMA, Plan, QWEN, chat};

const SOCKET: &str = "/run/weir/intake.sock";

/// The endpoints of a cluster, on this machine in place of those that the Service's name has.
pub(super) fn here(cluster: &mut Value, ports: [u16; 3]) {
    let endpoints = ports.map(|port| {
        json!({"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}})
    });
    cluster["load_assignment"]["endpoints"][0]["lb_endpoints"] = json!(endpoints);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_file_serves_with_the_sidecars_file_on_the_socket_that_both_mount() {
    let folder = TempDir::new().unwrap();
    let plan = Plan::shipped("envoy-config/kubernetes/kustomize/envoy.yaml");
    let plan = plan.replace(SOCKET, folder.path().join("intake.sock").to_str().unwrap());
    let plan = plan.edited(|config| {
        here(crate::envoy_config::cluster(config, "llama"), [9001, 9002, 9003]);
        here(crate::envoy_config::cluster(config, "qwen"), [9004, 9005, 9006]);
    });
    let stack = plan.start().await;
    let _sidecar = stack.sidecar_with(&sidecar_yaml(folder.path())).await;
    for (model, pool) in [(LLAMA, "llama"), (QWEN, "qwen")] {
        let reply = stack.send(chat(model, "x")).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
        let echo = &reply.json().unwrap()["weir_echo"];
        let list = crate::stack::echoed(echo, "x-gateway-destination-endpoint");
        assert_eq!(list.split(',').next().unwrap(), reply.header("x-weir-replica"), "{list}");
    }
    stack.assert_no_trap().await;
}

#[test]
fn the_parts_of_the_pod_agree() {
    let deployment = documents("kustomize/deployment.yaml").pop().unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let (envoy, sidecar) = (&pod["containers"][0], &pod["containers"][1]);
    assert_mounted(pod, &[envoy, sidecar, &pod["initContainers"][0]]);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&deployment["spec"]["selector"]["matchLabels"], labels);
    let service = documents("kustomize/service.yaml").pop().unwrap();
    assert_eq!(&service["spec"]["selector"], labels);
    assert_eq!(service["spec"]["ports"][0]["targetPort"], envoy["ports"][0]["name"]);
    let text =
        std::fs::read_to_string(workspace::file("envoy-config/kubernetes/kustomize/envoy.yaml"));
    let text = text.unwrap();
    assert!(text.contains("/etc/weir/suite.wasm") && text.contains(SOCKET));
}

/// Renders as `kubectl apply -k` would, where there is a kubectl; elsewhere nothing can be said of that.
#[test]
fn what_kustomize_makes_of_it_has_the_files_and_the_image_where_the_pod_looks_for_them() {
    let folder = workspace::file("envoy-config/kubernetes/kustomize");
    let Ok(output) = Command::new("kubectl").arg("kustomize").arg(folder).output() else {
        eprintln!("skipped: no kubectl here");
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let documents = parsed(&String::from_utf8(output.stdout).unwrap());
    let deployment = of_kind(&documents, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][1]["image"], "registry.example.com/weir:0.1.0");
    let maps: Vec<_> = documents.iter().filter(|one| one["kind"] == "ConfigMap").collect();
    assert_eq!(maps.len(), 2);
    for (volume, file) in [("envoy", "envoy.yaml"), ("sidecar", "sidecar.yaml")] {
        let volumes = pod["volumes"].as_array().unwrap().iter();
        let volume = volumes.into_iter().find(|one| one["name"] == volume).unwrap();
        let name = &volume["configMap"]["name"];
        let map = maps.iter().find(|map| map["metadata"]["name"] == *name).unwrap();
        assert!(map["data"][file].is_string(), "{name}");
        assert_eq!(map["metadata"]["namespace"], deployment["metadata"]["namespace"]);
    }
}
