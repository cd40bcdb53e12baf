//! Several sidecars at one gateway, and several VMs with one `vm_id`.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use weir_harness::{HttpClient, Sidecar, free_port, workspace};

use crate::stack::{KEY, KEY_VARIABLE, LLAMA, Plan, Stack, chat, eventually};

/// Epoch, sequence and sender of pool `llama` as the filters know them.
async fn held(stack: &Stack) -> (u64, u64, u64) {
    let view = stack.look().await.json().unwrap();
    let pools = view["pools"].as_array().cloned().unwrap_or_default();
    let pool = pools.into_iter().find(|pool| pool["pool"] == "llama").unwrap_or_default();
    let number = |name: &str| pool[name].as_u64().unwrap_or(0);
    (number("epoch"), number("sequence"), number("sender"))
}

fn shipped() -> String {
    std::fs::read_to_string(workspace::file("envoy-config/sidecar.yaml")).unwrap()
}

/// One more sidecar, with the shipped file but for the port of its own HTTP.
async fn another_sidecar(stack: &Stack) -> Sidecar {
    let mut ports = stack.envoy.ports().clone();
    ports.set(9500, free_port().unwrap());
    Sidecar::start(&shipped(), &ports, &[(KEY_VARIABLE, KEY)]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sidecars_one_pushes_and_the_other_takes_over_when_it_is_gone() {
    let stack = Plan::quickstart().start().await;
    let mut first = stack.sidecar().await;
    let (_, _, first_sender) = held(&stack).await;
    let mut second = another_sidecar(&stack).await;
    // A start takes over at once.
    eventually("the second's turn", async || (held(&stack).await.2 != first_sender).then_some(()))
        .await;
    let (epoch, _, second_sender) = held(&stack).await;
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = held(&stack).await;
        assert_eq!((now.0, now.2), (epoch, second_sender), "they took turns");
    }
    first.wait_until_ready().await.unwrap();
    assert!(first.process().log().contains("standing by"), "{}", first.process().log());

    second.process().kill();
    eventually("the first's turn", async || (held(&stack).await.2 == first_sender).then_some(()))
        .await;
    assert_eq!(held(&stack).await.0, epoch + 1);
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    let log = first.process().log();
    assert!(log.contains("takes over from a sidecar that has been silent"), "{log}");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_whose_clock_was_set_back_goes_above_the_epoch_that_envoy_holds() {
    let stack = Plan::quickstart().start().await;
    // As a sidecar would leave it whose clock was far ahead.
    let ahead: u64 = 1 << 60;
    let body = json!({"version": 2, "pool": "llama", "epoch": ahead, "sequence": 9, "sender": 3,
        "endpoints": [{"address": stack.llama(0).to_string(), "state": "ready"}]});
    assert_eq!(stack.push_body(&body.to_string()).await.status, 200);
    let mut sidecar = stack.sidecar().await;
    let above = async || Some(held(&stack).await).filter(|held| held.0 == ahead + 1);
    let (.., sender) = eventually("a push of the sidecar", above).await;
    assert_ne!(sender, 3);
    // Once more, by a restart: the clock says far less than what is held.
    sidecar.restart().await.unwrap();
    let above = async || Some(held(&stack).await).filter(|held| held.0 == ahead + 2);
    eventually("a push of its successor", above).await;
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
}

/// The `vm_config`s of a listener's Wasm filters.
fn vm_configs(listener: &mut Value) -> Vec<&mut Value> {
    let filters = "/filter_chains/0/filters/0/typed_config/http_filters";
    let filters = listener.pointer_mut(filters).unwrap().as_array_mut().unwrap();
    let of_wasm = |filter| Value::pointer_mut(filter, "/typed_config/config/vm_config");
    filters.iter_mut().filter_map(of_wasm).collect()
}

/// Waits until clients are placed by load, on connections of their own.
async fn placed_by_load(stack: &Stack, what: &str) {
    let before = stack.stat("weir_picks_total.basis.load").await;
    eventually(what, async || {
        let client = HttpClient::http1();
        let reply = client.send(stack.envoy.clients(), chat(LLAMA, "x")).await;
        // While the old listener is drained, a connection to it may end.
        reply.ok().filter(|reply| reply.status == 200)?;
        (stack.stat("weir_picks_total.basis.load").await > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_vms_and_modules_with_the_same_vm_id_share_views_while_listeners_are_changed() {
    let mut stack = Plan::quickstart().start_dynamic().await;
    let mut sidecar = stack.sidecar().await;
    placed_by_load(&stack, "placing as it was").await;
    let picker = workspace::root().join("target/weir/endpoint-picker.wasm");
    let picker = picker.to_str().unwrap().to_owned();
    let text = |text: &str| json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text});
    let (first, second) = (text("first"), text("second"));
    // The clients' filters in a VM of their own; then the picker in another module; then the intake, too.
    let other_vm = |listeners: &mut Vec<Value>| {
        vm_configs(&mut listeners[0])
            .into_iter()
            .for_each(|vm| vm["configuration"] = first.clone());
    };
    let other_module = |listeners: &mut Vec<Value>| {
        let vm = vm_configs(&mut listeners[0]).into_iter().last().unwrap();
        vm["code"]["local"]["filename"] = json!(picker);
    };
    let other_intake = |listeners: &mut Vec<Value>| {
        vm_configs(&mut listeners[1])
            .into_iter()
            .for_each(|vm| vm["configuration"] = second.clone());
    };
    assert!(stack.envoy.update_listeners(other_vm).await.unwrap());
    placed_by_load(&stack, "placing in another VM").await;
    assert!(stack.envoy.update_listeners(other_module).await.unwrap(), "{}", stack.envoy.log());
    placed_by_load(&stack, "placing by another module").await;
    let before = held(&stack).await;
    assert!(stack.envoy.update_listeners(other_intake).await.unwrap());
    // The same sidecar's pushes go on: stamps and challenge are the old ones.
    let newer = async || Some(held(&stack).await).filter(|held| held.1 > before.1 + 5);
    let after = eventually("pushes to another VM", newer).await;
    assert_eq!((after.0, after.2), (before.0, before.2));
    placed_by_load(&stack, "placing with the intake in another VM").await;
    assert_eq!(stack.stat("weir_undecodable_total").await, 0);
    assert!(!stack.envoy.log().contains("cannot be read"), "{}", stack.envoy.log());
    sidecar.wait_until_ready().await.unwrap();
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_pool_is_named_in_the_sidecars_log_on_both_sides() {
    let stack = Plan::quickstart().start().await;
    let mut sidecar = stack.sidecar_with(&shipped().replace("  qwen:\n", "  qwn:\n")).await;
    let log = eventually("both warnings", async || {
        let log = sidecar.process().log();
        let both = log.contains("no policy of the gateway names this pool")
            && log.contains("no sidecar pushes it");
        both.then_some(log)
    })
    .await;
    let line = |part: &str| log.lines().find(|line| line.contains(part)).unwrap();
    assert!(line("no policy of the gateway").contains("qwn"), "{log}");
    assert!(line("no sidecar pushes it").contains("\"qwen\""), "{log}");
    assert!(!log.lines().any(|line| line.contains("WARN") && line.contains("\"llama\"")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sidecars_command_shows_what_the_gateway_keeps() {
    let stack = Plan::quickstart().start().await;
    let _sidecar = stack.sidecar().await;
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("sidecar.yaml");
    std::fs::write(&file, stack.envoy.ports().rewrite(&shipped())).unwrap();
    let view = |key: &str| {
        let binary = workspace::binary("weir-sidecar").unwrap();
        let mut command = Command::new(binary);
        command.arg("--config").arg(&file).arg("--view").env(KEY_VARIABLE, key);
        command.output().unwrap()
    };
    let output = view(KEY);
    assert!(output.status.success(), "{output:?}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shown["pools"].as_array().unwrap().len(), 2, "{shown}");
    assert!(shown.to_string().contains(&stack.llama(0).to_string()), "{shown}");
    let output = view("another key of at least 16 bytes");
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
}
