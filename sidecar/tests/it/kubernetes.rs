//! Replicas and gateways from a stand-in of the Kubernetes API that speaks its list and watch.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::discovery::become_these;
use crate::support::{Api, Intake, Replica, Sidecar, eventually, vllm};

const SLICES: &str = "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices";
const PODS: &str = "/api/v1/namespaces/ns/pods";
const POOLS: &str = "/apis/inference.networking.k8s.io/v1/namespaces/ns/inferencepools";

fn yaml(api: &Api, folder: &TempDir, gateways: &str, source: &str) -> String {
    format!(
        "listen: 127.0.0.1:0\ngateways: [{gateways}]\n{}pools:\n  llama:\n    poll_interval: 10ms\n    \
         timeout: 500ms\n    discover: [{source}]\n",
        api.yaml(folder.path())
    )
}

fn quoted(intake: &Intake) -> String {
    format!("'{}'", intake.target)
}

/// A slice of Service `service` with these conditions of `127.0.0.1`.
fn slice(service: &str, port: u16, conditions: Value) -> Value {
    json!({
        "metadata": {"labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": conditions}],
    })
}

fn ready() -> Value {
    json!({"ready": true, "serving": true, "terminating": false})
}

fn is(replica: &Replica, state: &'static str) -> (String, &'static str) {
    (replica.address.to_string(), state)
}

#[tokio::test]
async fn endpoints_of_a_service_have_the_state_that_their_slices_say() {
    let (first, second) = (Replica::start(vllm(1, 1)).await, Replica::start(vllm(2, 2)).await);
    let (api, intake, folder) =
        (Api::start("secret").await, Intake::tcp().await, tempfile::tempdir().unwrap());
    intake.busy(5);
    let ports = [first.address.port(), second.address.port()];
    api.put(SLICES, "vllm-1", slice("vllm", ports[0], ready()));
    api.put(SLICES, "other-1", slice("other", 9, ready()));
    let source = "{endpoint_slices: {service: vllm, port: http}}";
    let sidecar = Sidecar::start(&yaml(&api, &folder, &quoted(&intake), source)).await;
    become_these(&sidecar, "one", &[is(&first, "ready")]).await;
    let not_ready = json!({"ready": false, "serving": false, "terminating": false});
    api.put(SLICES, "vllm-2", slice("vllm", ports[1], not_ready));
    become_these(&sidecar, "a new one", &[is(&first, "ready"), is(&second, "draining")]).await;
    api.put(SLICES, "vllm-2", slice("vllm", ports[1], ready()));
    become_these(&sidecar, "it is ready", &[is(&first, "ready"), is(&second, "ready")]).await;
    let terminating = json!({"ready": false, "serving": true, "terminating": true});
    api.put(SLICES, "vllm-1", slice("vllm", ports[0], terminating));
    become_these(&sidecar, "one is ended", &[is(&first, "draining"), is(&second, "ready")]).await;
    api.delete(SLICES, "vllm-1");
    intake.busy(0);
    become_these(&sidecar, "it is gone", &[is(&second, "ready")]).await;
    assert_eq!(api.counts(), (1, 1, 0), "one list, one watch");
    assert_eq!(second.connections(), 1);
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_watch_that_ends_goes_on_where_it_was_and_one_that_is_too_late_lists_again() {
    let (first, second) = (Replica::start(vllm(1, 1)).await, Replica::start(vllm(2, 2)).await);
    let (api, intake, folder) =
        (Api::start("secret").await, Intake::tcp().await, tempfile::tempdir().unwrap());
    api.put(SLICES, "vllm-1", slice("vllm", first.address.port(), ready()));
    let source = "{endpoint_slices: {service: vllm}}";
    let sidecar = Sidecar::start(&yaml(&api, &folder, &quoted(&intake), source)).await;
    become_these(&sidecar, "one", &[is(&first, "ready")]).await;
    let watching = async |least: usize| {
        eventually("a watch", async || (api.open() == 1 && api.counts().1 >= least).then_some(()))
            .await;
    };
    watching(1).await;
    // What happens while nobody watches comes with the next watch.
    api.cut();
    api.put(SLICES, "vllm-2", slice("vllm", second.address.port(), ready()));
    become_these(&sidecar, "both", &[is(&first, "ready"), is(&second, "ready")]).await;
    assert_eq!(api.counts().0, 1, "nothing was listed again");
    // A bookmark is where the next watch begins: without it, what follows would be forgotten.
    watching(2).await;
    api.bookmark();
    api.babble(b"");
    eventually("the bookmark", async || (api.open() == 1).then_some(())).await;
    // Now the history is gone, and with it what the sidecar knows of.
    api.compact();
    api.delete(SLICES, "vllm-1");
    become_these(
        &sidecar,
        "one has gone meanwhile",
        &[is(&first, "draining"), is(&second, "ready")],
    )
    .await;
    assert!(api.counts().0 >= 2, "it was listed again");
    // Nonsense ends a watch, and nothing else.
    watching(api.counts().1).await;
    let watches = api.counts().1;
    api.babble(b"{\"type\": \"ADDED\", \"object\": 3}\n");
    watching(watches + 1).await;
    become_these(&sidecar, "the same", &[is(&first, "draining"), is(&second, "ready")]).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn a_new_token_is_read_from_its_file_and_a_long_list_comes_in_pages() {
    let replica = Replica::start(vllm(1, 1)).await;
    let (api, intake, folder) =
        (Api::start("first").await, Intake::tcp().await, tempfile::tempdir().unwrap());
    api.page(2);
    for at in 0..7 {
        let state = if at == 6 { ready() } else { json!({"ready": false}) };
        api.put(SLICES, &format!("vllm-{at}"), slice("vllm", replica.address.port(), state));
    }
    let config = yaml(&api, &folder, &quoted(&intake), "{endpoint_slices: {service: vllm}}");
    api.require("second");
    let sidecar = Sidecar::start(&config).await;
    eventually("a refusal", async || (api.counts().2 > 0).then_some(())).await;
    assert_eq!(sidecar.get("/readyz").await.0, 503);
    let status = eventually("the reason", async || {
        let (_, status) = sidecar.get("/status").await;
        status.contains("status 401: Unauthorized").then_some(status)
    })
    .await;
    assert!(!status.contains("first"), "{status}");
    std::fs::write(folder.path().join("token"), "second\n").unwrap();
    // It stands in seven slices, and is ready in the last.
    become_these(&sidecar, "the replica", &[is(&replica, "ready")]).await;
    assert_eq!(api.counts().0, 4, "seven objects, two at a time");
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn an_api_server_with_another_certificate_is_not_believed() {
    let (api, other) = (Api::start("secret").await, Api::start("secret").await);
    let (intake, folder) = (Intake::tcp().await, tempfile::tempdir().unwrap());
    let config = yaml(&api, &folder, &quoted(&intake), "{endpoint_slices: {service: vllm}}");
    // The other's authority, in place of its own.
    other.yaml(folder.path());
    let sidecar = Sidecar::start(&config).await;
    eventually("the error", async || {
        let (_, status) = sidecar.get("/status").await;
        status.contains("certificate").then_some(())
    })
    .await;
    assert_eq!(api.counts(), (0, 0, 0));
    sidecar.daemon.stop().await;
}

fn pod(labels: Value, ip: &str, ready: &str) -> Value {
    json!({
        "metadata": {"labels": labels},
        "status": {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    })
}

#[tokio::test]
async fn an_inference_pool_is_the_pods_that_it_selects_unless_it_has_a_picker_of_its_own() {
    let replica = Replica::start(vllm(1, 1)).await;
    let port = replica.address.port();
    let other = Replica::start_at(format!("127.0.0.2:{port}").parse().unwrap(), vllm(2, 2)).await;
    let (api, intake, folder) =
        (Api::start("secret").await, Intake::tcp().await, tempfile::tempdir().unwrap());
    intake.busy(0);
    let pool = |app: &str| json!({"spec": {"selector": {"matchLabels": {"app": app, "role/x": "decode"}}, "targetPorts": [{"number": port}]}});
    let labels = |app: &str| json!({"app": app, "role/x": "decode"});
    api.put(PODS, "a-0", pod(labels("a"), "127.0.0.1", "True"));
    api.put(PODS, "b-0", pod(labels("b"), "127.0.0.2", "True"));
    api.put(PODS, "a-1", pod(json!({"app": "a"}), "127.0.0.3", "True"));
    api.put(POOLS, "llama", pool("a"));
    api.put(POOLS, "qwen", pool("b"));
    let source = "{inference_pool: {name: llama}}";
    let sidecar = Sidecar::start(&yaml(&api, &folder, &quoted(&intake), source)).await;
    become_these(&sidecar, "the pod of pool a", &[is(&replica, "ready")]).await;
    api.put(PODS, "a-0", pod(labels("a"), "127.0.0.1", "False"));
    become_these(&sidecar, "it is not ready", &[is(&replica, "draining")]).await;
    api.put(PODS, "a-0", pod(labels("a"), "127.0.0.1", "True"));
    // Another selector is followed at once.
    api.put(POOLS, "llama", pool("b"));
    become_these(&sidecar, "another selector", &[is(&other, "ready")]).await;
    let mut picked = pool("b");
    picked["spec"]["endpointPickerRef"] = json!({"name": "epp", "port": {"number": 9002}});
    api.put(POOLS, "llama", picked);
    become_these(&sidecar, "somebody else's pool", &[]).await;
    api.put(POOLS, "llama", pool("a"));
    become_these(&sidecar, "ours again", &[is(&replica, "ready")]).await;
    let mut ending = pod(labels("a"), "127.0.0.1", "True");
    ending["metadata"]["deletionTimestamp"] = "2026-11-30T00:00:00Z".into();
    api.put(PODS, "a-0", ending);
    become_these(&sidecar, "its pod is being ended", &[is(&replica, "draining")]).await;
    api.delete(PODS, "a-0");
    become_these(&sidecar, "it is gone", &[]).await;
    sidecar.daemon.stop().await;
}

#[tokio::test]
async fn gateways_are_found_by_their_service() {
    let (api, intake, folder) =
        (Api::start("secret").await, Intake::tcp().await, tempfile::tempdir().unwrap());
    let replica = Replica::start(vllm(1, 1)).await;
    api.put(SLICES, "vllm-1", slice("vllm", replica.address.port(), ready()));
    let gateways = "{endpoint_slices: {service: envoy, port: http}}";
    let config = yaml(&api, &folder, gateways, "{endpoint_slices: {service: vllm}}");
    let sidecar = Sidecar::start(&config).await;
    become_these(&sidecar, "the replica", &[is(&replica, "ready")]).await;
    assert_eq!(sidecar.get("/readyz").await.0, 503, "there is no gateway yet");
    let port: u16 = intake.target.rsplit(':').next().unwrap().parse().unwrap();
    // One that is not ready needs its snapshots all the more.
    api.put(SLICES, "envoy-1", slice("envoy", port, json!({"ready": false})));
    assert_eq!(intake.next(1).await.endpoints[0].waiting, Some(1));
    eventually("ready", async || (sidecar.get("/readyz").await.0 == 200).then_some(())).await;
    sidecar.daemon.stop().await;
}
