//! The files for Istio, applied to a gateway's configuration as Istio would, in real Envoy.

mod oci;
mod patches;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use weir_harness::{EnvoyConfig, HarnessError, Request, workspace};
use weir_replica::FailureMode;

use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, echoed};
use patches::{list, text};

const SOCKET: &str = "/run/weir/intake.sock";

fn shipped(name: &str) -> Value {
    let text = fs::read_to_string(workspace::file(format!("envoy-config/istio/{name}"))).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A gateway's configuration with the routes of the VirtualService, before the EnvoyFilter.
fn gateway() -> Value {
    let shape = fs::read_to_string(workspace::file("testdata/istio/gateway.yaml")).unwrap();
    let mut config: Value = serde_saphyr::from_str(&shape).unwrap();
    *patches::routes(&mut config) = patches::of_virtual_service(&shipped("virtualservice.yaml"));
    config
}

/// A gateway with the EnvoyFilter applied and its socket in `folder`; `change` gets both before.
fn plan(folder: &Path, change: impl FnOnce(&mut Value, &mut Value)) -> Plan {
    let (mut config, mut filter) = (gateway(), shipped("envoyfilter.yaml"));
    change(&mut config, &mut filter);
    patches::apply(&mut config, &filter);
    plan_of(folder, &config)
}

/// A gateway with both EnvoyFilters applied, in the order of their priorities.
fn plan_with_decompressors(folder: &Path) -> Plan {
    let (mut config, mut filters) =
        (gateway(), [shipped("envoyfilter.yaml"), shipped("compressed.yaml")]);
    filters.sort_by_key(|filter| filter["spec"]["priority"].as_i64().unwrap_or(0));
    filters.iter().for_each(|filter| drop(patches::apply(&mut config, filter)));
    plan_of(folder, &config)
}

fn plan_of(folder: &Path, config: &Value) -> Plan {
    let plan = Plan::of(EnvoyConfig::from_text("envoyfilter.yaml", config.to_string()).unwrap());
    plan.replace(SOCKET, folder.join("intake.sock").to_str().unwrap())
}

/// What the ConfigMap holds for the sidecar, with the socket in `folder` and replicas on this machine.
fn sidecar_yaml(folder: &Path) -> String {
    let mut yaml = text(&shipped("sidecar.yaml")["data"]["sidecar.yaml"]).to_owned();
    let pods = ["10.0.1.11", "10.0.1.12", "10.0.1.13", "10.0.2.11", "10.0.2.12", "10.0.2.13"];
    for (pod, port) in pods.into_iter().zip(9001..) {
        let address = format!("{pod}:8000");
        assert!(yaml.contains(&address), "{yaml}");
        yaml = yaml.replace(&address, &format!("127.0.0.1:{port}"));
    }
    assert!(yaml.contains(SOCKET), "{yaml}");
    yaml.replace(SOCKET, folder.join("intake.sock").to_str().unwrap())
}

/// Every request goes to the first endpoint of the filter's list, whatever Envoy would have chosen.
async fn assert_placed(stack: &Stack) {
    for (model, pool) in [(LLAMA, "llama"), ("sql-expert", "llama"), (QWEN, "qwen")] {
        for index in 0..8 {
            let reply = stack.send(chat(model, &format!("{index} of {model}"))).await;
            assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
            let echo = &reply.json().unwrap()["weir_echo"];
            let list = echoed(echo, "x-gateway-destination-endpoint");
            assert_eq!(list.split(',').next().unwrap(), reply.header("x-weir-replica"), "{list}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patched_gateway_routes_by_model_and_places_requests_on_replicas() {
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path(), |_, _| ()).start().await;
    let forged = chat(LLAMA, "x").header("x-gateway-base-model-name", QWEN);
    assert_eq!(stack.pool_of(&stack.send(forged).await), "llama");
    assert_eq!(stack.send(chat("nope", "x")).await.status, 404);
    let models = stack.send(Request::get("/v1/models")).await;
    assert!(models.status == 200 && models.text().contains("sql-expert"), "{}", models.text());
    // More than Envoy's default of 1 MiB.
    assert_eq!(stack.send(chat(LLAMA, &"long ".repeat(400_000))).await.status, 200);
    let socket = fs::metadata(folder.path().join("intake.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    let sidecar = stack.sidecar_with(&sidecar_yaml(folder.path())).await;
    assert_placed(&stack).await;
    // Nobody tells Envoy that a replica is gone: Istio's own retry has to take the next of the list.
    drop(sidecar);
    let question = chat(LLAMA, &"the same long beginning ".repeat(50));
    let home = stack.send(question.clone()).await.header("x-weir-replica").to_owned();
    let mut replicas = stack.llama.replicas().iter();
    let chosen = replicas.find(|replica| replica.address().to_string() == home).unwrap();
    chosen.set_failure(FailureMode::Refuse).await;
    for _ in 0..5 {
        let reply = stack.send(question.clone()).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_ne!(reply.header("x-weir-replica"), home);
    }
    stack.assert_no_trap().await;
}

/// A gateway with this EnvoyFilter applied routes by model and follows what the sidecar with this file tells.
pub(crate) async fn assert_filter_places(folder: &Path, filter: &Value, sidecar: &str) {
    let mut config = gateway();
    patches::apply(&mut config, filter);
    let stack = plan_of(folder, &config).start().await;
    let _sidecar = stack.sidecar_with(sidecar).await;
    for (model, pool) in [(LLAMA, "llama"), (QWEN, "qwen")] {
        let reply = stack.send(chat(model, "x")).await;
        assert_eq!((reply.status, stack.pool_of(&reply)), (200, pool), "{}", reply.text());
        let list = echoed(&reply.json().unwrap()["weir_echo"], "x-gateway-destination-endpoint");
        assert_eq!(list.split(',').next().unwrap(), reply.header("x-weir-replica"), "{list}");
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guardrail_takes_its_place_in_the_patch() {
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path(), |_, filter| {
        settings(filter)["guardrail"] = json!({"policies": {"default": {}}});
    });
    let stack = stack.start().await;
    let reply = stack.send(chat(LLAMA, "I am ann@example.com")).await;
    let echo = reply.json().unwrap()["weir_echo"]["body"].to_string();
    assert!(echo.contains("I am [EMAIL]"), "{echo}");
}

/// What is configured of Weir's filter.
fn settings(filter: &mut Value) -> &mut Value {
    let mut patches = list(filter, "/spec/configPatches").iter_mut();
    let ours = |patch: &&mut Value| patch["patch"]["value"]["name"] == "weir.gateway";
    let patch = patches.find(ours).unwrap();
    patch.pointer_mut("/patch/value/typed_config/config/configuration/value").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_header_of_a_client_chooses_anything_in_the_patched_gateway() {
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path(), |_, _| ()).start().await;
    crate::client_headers::assert_forgery_is_void(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patched_gateway_tells_websockets_to_use_http_where_models_are_served() {
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path(), |_, _| ()).start().await;
    for path in ["/v1/responses", "/openai/v1/responses?model=gpt-4o"] {
        crate::connections::assert_told_to_use_http(&stack, path).await;
    }
    // Other applications' are not Weir's to judge, nor is what is missing without an upgrade.
    for request in
        [Request::get("/socket").header("upgrade", "websocket"), Request::get("/v1/responses")]
    {
        assert_eq!(stack.send(request).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_bodies_are_unpacked_where_the_second_filter_is_applied() {
    let folder = TempDir::new().unwrap();
    let compressed = || chat(LLAMA, "x").header("content-encoding", "gzip");
    let without = plan(folder.path(), |_, _| ()).start().await;
    assert_eq!(without.send(compressed()).await.status, 415);
    drop(without);
    let stack = plan_with_decompressors(folder.path()).start().await;
    crate::connections::assert_unpacked(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_by_the_name_of_a_route_holds_in_the_patched_gateway_and_a_misspelt_one_is_refused()
 {
    for (policy, status) in [("batch", 200), ("bacth", 500)] {
        let folder = TempDir::new().unwrap();
        let stack = plan(folder.path(), |config, filter| {
            let tenant = json!([{"name": "x-tenant", "string_match": {"exact": "batch"}}]);
            let route = json!({
                "name": "batch", "match": {"prefix": "/", "headers": tenant},
                "metadata": {"filter_metadata": {"weir": {"policy": policy}}},
                "direct_response": {"status": 404},
            });
            patches::routes(config).push(route);
            let router = &mut settings(filter)["model-router"]["policies"];
            router["batch"] =
                json!({"models": [{"name": "only-batch", "pool": "llama", "rewrite": LLAMA}]});
            let picker = &mut settings(filter)["endpoint-picker"]["policies"];
            picker["batch"] = json!({"alternates": 0});
        });
        let stack = stack.start().await;
        let reply = stack.send(chat("only-batch", "x").header("x-tenant", "batch")).await;
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(stack.send(chat("only-batch", "x")).await.status, 404);
    }
}

#[test]
fn the_http_route_says_the_same_as_the_virtual_service() {
    let of_service = patches::of_virtual_service(&shipped("virtualservice.yaml"));
    assert_eq!(of_service.len(), 2);
    assert_eq!(patches::of_http_route(&shipped("httproute.yaml")), of_service);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_weighted_by_locality_is_refused_as_the_readme_says() {
    let folder = TempDir::new().unwrap();
    let plan = plan(folder.path(), |config, _| {
        let cluster = &mut list(config, "/static_resources/clusters")[0];
        cluster["common_lb_config"]["locality_weighted_lb_config"] = json!({});
    });
    match plan.try_start().await {
        Err(HarnessError::Ended { log, .. }) => assert!(log.contains("locality_weighted"), "{log}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

/// Answers every connection with the module, as a file server would.
async fn serve(module: Vec<u8>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", module.len());
            let _ = stream.write_all(head.as_bytes()).await;
            let _ = stream.write_all(&module).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn the_module_can_be_fetched_as_the_readme_says() {
    let page = fs::read_to_string(workspace::file("envoy-config/istio/README.md")).unwrap();
    let block = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let module = workspace::module("suite").unwrap();
    let sum = Command::new("sha256sum").arg(&module).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
    let mut remote: Value = serde_saphyr::from_str(&block.replace(&"0".repeat(64), &sum)).unwrap();
    let name = text(&remote["code"]["remote"]["http_uri"]["cluster"]).to_owned();
    let port = serve(fs::read(module).unwrap()).await;
    let folder = TempDir::new().unwrap();
    let stack = plan(folder.path(), |config, filter| {
        let endpoint =
            json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}});
        list(config, "/static_resources/clusters").push(json!({
            "name": name, "type": "STATIC",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": endpoint}]}]},
        }));
        let code = remote["code"].take();
        let written = filter.to_string();
        let local = r#"{"local":{"filename":"/etc/weir/suite.wasm"}}"#;
        assert_eq!(written.matches(local).count(), 2, "{written}");
        *filter = serde_json::from_str(&written.replace(local, &code.to_string())).unwrap();
    });
    let stack = stack.start().await;
    let served = async || {
        let reply = stack.send(chat(QWEN, "x")).await;
        (stack.pool_of(&reply) == "qwen").then_some(())
    };
    crate::stack::eventually("an answer by the fetched module", served).await;
}

/// The path at which `container` sees what lies at `path` of `volume`.
fn mounted<'a>(container: &'a Value, volume: &str) -> &'a str {
    let mounts = container["volumeMounts"].as_array().unwrap();
    text(&mounts.iter().find(|mount| mount["name"] == volume).unwrap()["mountPath"])
}

#[test]
fn the_containers_of_the_pod_agree_with_the_other_files() {
    let values = shipped("gateway-values.yaml");
    let (init, sidecar) = (&values["initContainers"][0], &values["additionalContainers"][0]);
    let filter = shipped("envoyfilter.yaml").to_string();
    let folder = mounted(&values, "weir-module");
    assert_eq!(folder, mounted(init, "weir-module"));
    let module = format!("{folder}/suite.wasm");
    assert!(filter.contains(&format!("\"filename\":\"{module}\"")), "{filter}");
    assert_eq!(init["command"].as_array().unwrap().last().unwrap(), module.as_str());
    for container in [&values, sidecar] {
        let folder = mounted(container, "weir-run");
        assert_eq!(Path::new(SOCKET).parent().unwrap(), Path::new(folder));
    }
    let names: Vec<&str> =
        values["volumes"].as_array().unwrap().iter().map(|v| text(&v["name"])).collect();
    for container in [&values, init, sidecar] {
        let mounts = container["volumeMounts"].as_array().unwrap();
        assert!(mounts.iter().all(|mount| names.contains(&text(&mount["name"]))), "{container}");
    }
    let map = shipped("sidecar.yaml");
    assert_eq!(values["volumes"][2]["configMap"]["name"], map["metadata"]["name"]);
    // The real program takes the command line of the container and the file of the ConfigMap.
    let folder = TempDir::new().unwrap();
    let (key, yaml) = map["data"].as_object().unwrap().iter().next().unwrap();
    fs::write(folder.path().join(key), text(yaml)).unwrap();
    let arguments = sidecar["command"].as_array().unwrap()[1..].iter().map(|argument| {
        text(argument).replace(mounted(sidecar, "weir-sidecar"), folder.path().to_str().unwrap())
    });
    let program = workspace::binary("weir-sidecar").unwrap();
    let output = Command::new(program).args(arguments).arg("--check").output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("unix:/run/weir/intake.sock"), "{output:?}");
}
