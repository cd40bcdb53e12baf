//! The Helm chart, rendered by Helm's own engine (`cargo xtask test-chart` installs it), and what it renders in real Envoy.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_harness::{EnvoyConfig, workspace};

use super::kustomize::here;
use super::{assert_mounted, of_kind, on_this_machine, parsed};
use crate::envoy_config::cluster;
use crate::stack::{LLAMA, Plan, QWEN, chat};

const SOCKET: &str = "/run/weir/intake.sock";

/// The Python that has Helm's engine; `None`, said aloud, where it is not installed.
fn python() -> Option<PathBuf> {
    let path = workspace::file("target/venv-helm/bin/python");
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no Helm here; `cargo xtask test-chart` installs it");
    None
}

/// The documents that the chart renders with these values; `None` where there is no Helm.
fn rendered(values: &Value) -> Option<Vec<Value>> {
    let mut process = Command::new(python()?)
        .arg(workspace::file("integration/e2e/clients/render_chart.py"))
        .arg(workspace::file("envoy-config/kubernetes/helm/weir"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = json!([values]).to_string();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    let all: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    Some(parsed(&all[0].join("\n---\n")))
}

/// The file that a ConfigMap has.
fn file<'a>(documents: &'a [Value], map: &str, name: &str) -> &'a str {
    let mut maps = documents.iter().filter(|one| one["kind"] == "ConfigMap");
    let found = maps.find(|one| one["metadata"]["name"] == map).unwrap();
    found["data"][name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envoy_of_its_own_serves_with_what_the_chart_renders() {
    let guardrail =
        json!({"policies": {"default": {"rules": [{"rules": ["pii"], "action": "redact"}]}}});
    let Some(documents) = rendered(&json!({"guardrail": guardrail, "replicas": 3})) else { return };
    let folder = TempDir::new().unwrap();
    let envoy = file(&documents, "gw-envoy", "envoy.yaml");
    assert!(!envoy.contains(": WEIR_"), "{envoy}");
    let plan = Plan::of(EnvoyConfig::from_text("envoy.yaml", envoy).unwrap());
    let plan = plan.replace(SOCKET, folder.path().join("intake.sock").to_str().unwrap());
    let plan = plan.edited(|config| {
        here(cluster(config, "llama"), [9001, 9002, 9003]);
        here(cluster(config, "qwen"), [9004, 9005, 9006]);
    });
    let stack = plan.start().await;
    let sidecar = on_this_machine(file(&documents, "gw-sidecar", "sidecar.yaml"), folder.path());
    let _sidecar = stack.sidecar_with(&sidecar).await;
    for (model, pool) in [(LLAMA, "llama"), (QWEN, "qwen")] {
        let reply = stack.send(chat(model, "mail ann@example.com")).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
        let echo = reply.json().unwrap()["weir_echo"].clone();
        assert!(echo["body"].as_str().unwrap().contains("[EMAIL]"), "{echo}");
        let list = crate::stack::echoed(&echo, "x-gateway-destination-endpoint");
        assert_eq!(list.split(',').next().unwrap(), reply.header("x-weir-replica"), "{list}");
    }
    assert_eq!(stack.send(chat("nope", "x")).await.status, 404);
    stack.assert_no_trap().await;
}

#[test]
fn the_pods_of_the_chart_have_what_they_mount_and_are_replaced_when_it_changes() {
    let Some(documents) = rendered(&json!({"replicas": 3})) else { return };
    let deployment = of_kind(&documents, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 3);
    let pod = &deployment["spec"]["template"]["spec"];
    assert_mounted(pod, &[&pod["containers"][0], &pod["containers"][1], &pod["initContainers"][0]]);
    for volume in pod["volumes"].as_array().unwrap() {
        if let Some(map) = volume.get("configMap") {
            let name = map["name"].as_str().unwrap();
            let key = if name == "gw-envoy" { "envoy.yaml" } else { "sidecar.yaml" };
            assert!(!file(&documents, name, key).is_empty());
        }
    }
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&of_kind(&documents, "Service")["spec"]["selector"], labels);
    let sums = |documents: &[Value]| {
        of_kind(documents, "Deployment")["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let other = json!({"endpointPicker": {"policies": {"default": {"alternates": 1}}}});
    let changed = rendered(&other).unwrap();
    assert_ne!(sums(&documents)["weir/envoy"], sums(&changed)["weir/envoy"]);
    assert_eq!(sums(&documents)["weir/sidecar"], sums(&changed)["weir/sidecar"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn istios_gateway_places_requests_with_the_filter_that_the_chart_renders() {
    let Some(documents) = rendered(&json!({"istio": {"enabled": true}})) else { return };
    assert!(documents.iter().all(|one| one["kind"] != "Deployment" && one["kind"] != "Service"));
    let folder = TempDir::new().unwrap();
    let filter = of_kind(&documents, "EnvoyFilter");
    let sidecar = on_this_machine(file(&documents, "weir-sidecar", "sidecar.yaml"), folder.path());
    crate::istio::assert_filter_places(folder.path(), filter, &sidecar).await;
}
