//! `cloud.yaml`, with a provider that ends TLS and shows what came.

use std::fs;

use weir_replica::{Fleet, Settings, Timing};

use super::certificates::{Authority, add_terminator};
use super::{example, path};
use crate::stack::{LLAMA, Plan, chat, echoed, eventually};

const KEYS: &str = "/etc/weir/keys";

/// The example with its files in the authority's folder, and the provider with the certificate in `provider.pem`.
fn plan(authority: &Authority) -> Plan {
    let folder = authority.folder().display().to_string();
    let shipped = weir_harness::workspace::file("envoy-config/examples/keys/cloud.yaml");
    fs::copy(shipped, authority.folder().join("cloud.yaml")).unwrap();
    let plan = example("cloud").replace("/etc/weir/tls", &folder).replace(KEYS, &folder);
    plan.edited(|config| {
        add_terminator(config, 9443, &authority.server("provider", None), 9007);
    })
}

async fn provider(plan: &Plan) -> Fleet {
    let settings = Settings { timing: Timing::instant(), ..Settings::default() };
    let address = ([127, 0, 0, 1], plan.ports().actual(9007)).into();
    Fleet::start(&[address], settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_model_is_asked_over_tls_with_the_providers_key_and_own_ones_are_not() {
    let authority = Authority::new();
    authority.issue("provider", "cloud.example.com");
    let plan = plan(&authority);
    let _provider = provider(&plan).await;
    let stack = plan.start().await;
    let ask = |model: &str| chat(model, "x").header("authorization", "Bearer of-the-client");
    let seen = async |model: &'static str| {
        let reply = stack.send(ask(model)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let echo = reply.json().unwrap()["weir_echo"].clone();
        (echoed(&echo, "authorization"), echoed(&echo, "host"), stack.pool_of(&reply))
    };
    let key = || "Bearer KEY-OF-YOURS".to_owned();
    let told = seen("gpt-4o").await;
    assert_eq!(told, (key(), "cloud.example.com".into(), "-"));
    let (own, _, pool) = seen(LLAMA).await;
    assert_eq!((own.as_str(), pool), ("Bearer of-the-client", "llama"));
    // Another key, moved into place as an operator would.
    let file = authority.folder().join("cloud.yaml");
    let text = fs::read_to_string(&file).unwrap().replace("KEY-OF-YOURS", "ANOTHER");
    let fresh = authority.folder().join("fresh");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, file).unwrap();
    eventually("the new key", async || (seen("gpt-4o").await.0 == "Bearer ANOTHER").then_some(()))
        .await;
    assert!(!stack.envoy.log().contains("KEY-OF-YOURS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_with_another_name_is_sent_nothing() {
    let authority = Authority::new();
    authority.issue("provider", "other.example.com");
    let plan = plan(&authority);
    let provider = provider(&plan).await;
    let stack = plan.start().await;
    assert_eq!(stack.send(chat("gpt-4o", "x")).await.status, 503);
    assert_eq!(provider.replicas()[0].last_request(), serde_json::Value::Null);
}

#[test]
fn the_key_is_a_file_in_the_folder_that_envoy_watches() {
    let text = fs::read_to_string(weir_harness::workspace::file(path("cloud"))).unwrap();
    assert!(
        text.contains(&format!("path: {KEYS}/cloud.yaml, watched_directory: {{path: {KEYS}}}"))
    );
}
