//! `envoyfilter-oci.yaml`: the module from a registry, the filters as extension configurations.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use weir_harness::EnvoyConfig;

use super::{assert_placed, gateway, patches, plan_of, shipped, sidecar_yaml};
use crate::stack::{Plan, chat};

/// What Istio serves by xDS lies in files of `folder`, with the image fetched as its agent does it: the module becomes a file.
fn plan(folder: &Path) -> Plan {
    let (mut config, filter) = (gateway(), shipped("envoyfilter-oci.yaml"));
    let extensions = patches::apply(&mut config, &filter);
    assert_eq!(extensions.len(), 2);
    config["node"] = json!({"id": "gateway", "cluster": "gateway"});
    for mut extension in extensions {
        let code = &mut extension["typed_config"]["config"]["vm_config"]["code"];
        let uri = code["remote"]["http_uri"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("oci://") && code["remote"]["sha256"] == "nil", "{code}");
        *code = json!({"local": {"filename": "/etc/weir/suite.wasm"}});
        let name = extension["name"].as_str().unwrap().to_owned();
        let kind = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
        extension["@type"] = kind.into();
        let file = folder.join(format!("{name}.json"));
        let text = json!({"resources": [extension]}).to_string();
        let rendered = EnvoyConfig::from_text("extension", text).unwrap().rendered().unwrap();
        fs::write(&file, rendered).unwrap();
        assert_eq!(point(&mut config, &name, &file), 1, "{name}");
    }
    plan_of(folder, &config)
}

/// Lets the filters that name this extension read it from the file; how many there are.
fn point(value: &mut Value, name: &str, file: &Path) -> usize {
    if value["name"] == name && value.get("config_discovery").is_some() {
        let source = json!({"path_config_source": {"path": file}, "resource_api_version": "V3"});
        value["config_discovery"]["config_source"] = source;
        return 1;
    }
    match value {
        Value::Array(items) => items.iter_mut().map(|item| point(item, name, file)).sum(),
        Value::Object(members) => members.values_mut().map(|item| point(item, name, file)).sum(),
        _ => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filters_that_the_gateway_discovers_route_place_and_take_snapshots_in_one_vm() {
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path()).start().await;
    assert_eq!(stack.send(chat("nope", "x")).await.status, 404);
    let _sidecar = stack.sidecar_with(&sidecar_yaml(folder.path())).await;
    assert_placed(&stack).await;
    stack.assert_no_trap().await;
}

#[test]
fn but_for_where_the_module_comes_from_it_says_what_the_other_file_says() {
    let part = |file: &str, name: &str| {
        let filter = shipped(file);
        let patches = filter["spec"]["configPatches"].as_array().unwrap().clone();
        let values = patches.into_iter().map(|patch| patch["patch"]["value"].clone());
        let mut found = values.into_iter().filter(|value| {
            value["name"] == name && value["typed_config"]["config"]["configuration"].is_object()
        });
        found.next().map(|value| value["typed_config"]["config"]["configuration"].clone())
    };
    let gateway = part("envoyfilter-oci.yaml", "weir.gateway");
    assert!(gateway.is_some() && gateway == part("envoyfilter.yaml", "weir.gateway"));
}
