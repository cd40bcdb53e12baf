//! `aws.yaml`, with a provider that ends TLS and whose signatures are computed anew.
//!
//! AWS documents the signature as "Signature Version 4": a hash of the canonical request, signed with a key that follows
//! from the secret by date, region and service.

use std::collections::BTreeMap;

use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};
use weir_harness::Request;
use weir_replica::{Fleet, Settings, Timing};

use super::certificates::{Authority, add_terminator};
use super::example;
use crate::stack::{LLAMA, Plan, Stack, chat, echoed};

const HOST: &str = "bedrock-runtime.eu-central-1.amazonaws.com";
const SECRET: &str = "a secret of AWS";
const SCOPE: [&str; 3] = ["eu-central-1", "bedrock", "aws4_request"];

fn plan(authority: &Authority, example: Plan) -> Plan {
    let folder = authority.folder().display().to_string();
    let plan = example.replace("/etc/weir/tls", &folder);
    plan.env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", SECRET).edited(|config| {
        add_terminator(config, 9443, &authority.server("provider", None), 9007);
    })
}

async fn stack() -> (Stack, Fleet) {
    let authority = Authority::new();
    authority.issue("provider", HOST);
    let plan = plan(&authority, example("aws"));
    let settings = Settings { timing: Timing::instant(), ..Settings::default() };
    let address = ([127, 0, 0, 1], plan.ports().actual(9007)).into();
    let provider = Fleet::start(&[address], settings).await.unwrap();
    (plan.start().await, provider)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

/// The signature of a POST to `path` with those headers, in their order, at the time `at`.
fn signature(path: &str, headers: &[(&str, String)], at: &str, body_hash: &str) -> String {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("POST\n{path}\n\n{lines}\n{}\n{body_hash}", names.join(";"));
    let date = &at[..8];
    let scope = format!("{date}/{}", SCOPE.join("/"));
    let key = mac(format!("AWS4{SECRET}").as_bytes(), date);
    let key = SCOPE.iter().fold(key, |key, part| mac(&key, part));
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(request)));
    hex(&mac(&key, &text))
}

/// Whether what arrived is what its sender has signed, body included.
fn is_signed(arrived: &Value) -> bool {
    let header = |name: &str| echoed(arrived, name);
    let authorization = header("authorization");
    let fields = authorization.trim_start_matches("AWS4-HMAC-SHA256 ").split(", ");
    let fields: BTreeMap<_, _> = fields.filter_map(|field| field.split_once('=')).collect();
    let Some(names) = fields.get("SignedHeaders") else { return false };
    let body_hash = hex(&Sha256::digest(arrived["body"].as_str().unwrap()));
    let headers: Vec<_> = names.split(';').map(|name| (name, header(name))).collect();
    let path = arrived["path"].as_str().unwrap();
    header("x-amz-content-sha256") == body_hash
        && fields["Signature"] == signature(path, &headers, &header("x-amz-date"), &body_hash)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_weir_has_edited_is_what_is_signed_and_own_pools_see_no_signature() {
    let (stack, provider) = stack().await;
    let request = chat("nova", "x").header("authorization", "AWS4-HMAC-SHA256 of the client's");
    let reply = stack.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let arrived = provider.replicas()[0].last_request();
    assert!(is_signed(&arrived), "{arrived}");
    assert!(echoed(&arrived, "authorization").contains("Credential=AKID/"));
    assert!(arrived["body"].as_str().unwrap().contains("amazon.nova-lite-v1:0"), "{arrived}");
    assert_eq!(
        (&arrived["path"], echoed(&arrived, "host")),
        (&"/openai/v1/chat/completions".into(), HOST.into())
    );
    let own = stack.send(chat(LLAMA, "x")).await;
    assert_eq!(
        (own.status, echoed(&own.json().unwrap()["weir_echo"], "authorization")),
        (200, String::new())
    );
    assert!(!stack.envoy.log().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_signature_holds_where_nothing_is_edited_and_breaks_where_something_is() {
    let authority = Authority::new();
    authority.issue("provider", HOST);
    let (entry, edited) = (
        "{name: qwen2.5-7b-instruct, pool: qwen}",
        "{name: qwen, pool: qwen, rewrite: qwen2.5-7b-instruct}",
    );
    let plan = plan(&authority, example("aws").replace(entry, edited));
    let stack = plan.start().await;
    for (model, holds) in [(LLAMA, true), ("qwen", false)] {
        let messages = serde_json::json!([{"role": "user", "content": "x"}]);
        let body = serde_json::json!({"model": model, "messages": messages}).to_string();
        let body_hash = hex(&Sha256::digest(&body));
        let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1");
        let request = request.header("content-type", "application/json").body(body);
        let at = "20261130T120000Z";
        let headers = [("x-amz-content-sha256", body_hash.clone()), ("x-amz-date", at.to_owned())];
        let signature = signature("/v1/chat/completions", &headers, at, &body_hash);
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKID/20261130/{}, SignedHeaders=x-amz-content-sha256;x-amz-date, Signature={signature}",
            SCOPE.join("/")
        );
        let request = headers.iter().fold(request, |it, (name, value)| it.header(name, value));
        let reply = stack.send(request.header("authorization", &authorization)).await;
        let arrived = reply.json().unwrap()["weir_echo"].clone();
        assert_eq!((reply.status, is_signed(&arrived)), (200, holds), "{model}: {arrived}");
    }
}
