//! The sidecar and Envoy on a Unix socket, as sidecar/README.md sets them up.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;
use weir_harness::{Sidecar, workspace};

use crate::stack::{LLAMA, Plan, Stack, chat, echoed, eventually};

const SOCKET: &str = "/run/weir/intake.sock";

/// The YAML blocks of the page: Envoy's address, the filter's configuration, the sidecar's file, which
/// gets a port of its own.
fn blocks(socket: &Path) -> [String; 3] {
    let page = fs::read_to_string(workspace::file("sidecar/README.md")).unwrap();
    let (_, page) = page.split_once("## Over a Unix socket").unwrap();
    let blocks = page.split("```yaml\n").skip(1).map(|rest| {
        let block = rest.split("```").next().unwrap();
        block.replace(SOCKET, socket.to_str().unwrap())
    });
    let [address, value, file]: [String; 3] = blocks.collect::<Vec<_>>().try_into().unwrap();
    [address, value, format!("listen: 127.0.0.1:9500\n{file}")]
}

fn plan(socket: &Path) -> Plan {
    let [address, value, _] = blocks(socket);
    Plan::quickstart()
        .replace(
            "address: {socket_address: {address: 127.0.0.1, port_value: 10001}}",
            address.trim_end(),
        )
        .replace("value: {signing_key_env: WEIR_INTAKE_KEY}", value.trim_end())
}

/// Waits until requests are placed by a view, which only the sidecar can have pushed.
async fn placed(stack: &Stack) {
    eventually("a request placed by the sidecar's view", async || {
        let reply = stack.send(chat(LLAMA, "x")).await;
        assert_eq!(reply.status, 200);
        let echo = reply.json().unwrap();
        let list = echoed(&echo["weir_echo"], "x-gateway-destination-endpoint");
        let first = list.split(',').next().unwrap_or_default();
        (first == reply.header("x-weir-replica")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_come_through_a_socket_that_only_its_user_can_open() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("intake.sock");
    // An Envoy that was killed leaves its socket behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let stack = plan(&socket).start().await;
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let [.., yaml] = blocks(&socket);
    let mut sidecar = stack.sidecar_with(&yaml).await;
    placed(&stack).await;
    assert!(stack.stat("weir_intake_accepted_total").await > 0);
    assert_eq!(stack.stat("weir_intake_refused_total").await, 0);
    sidecar.restart().await.unwrap();
    sidecar.wait_until_ready().await.unwrap();
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_starts_before_envoy_pushes_once_the_socket_is_there() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("intake.sock");
    let [.., yaml] = blocks(&socket);
    let plan = plan(&socket);
    let mut sidecar = Sidecar::start(&yaml, plan.ports(), &[]).await.unwrap();
    let stack = plan.start().await;
    sidecar.wait_until_ready().await.unwrap();
    placed(&stack).await;
}
