//! Who is asking: only what an authentication filter of Envoy has verified counts.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use weir_harness::Request;

use crate::envoy_config::{connection_manager, insert_filter, model, settings};
use crate::stack::{Plan, Stack, chat};

const SECRET: &[u8] = b"a key for tokens, of 32 bytes ok";
/// `qwen` is for ann and the operators.
fn restricted(source: Value, filter: &str) -> Plan {
    Plan::quickstart().edited(|config| {
        let router = settings(config, "weir.model-router");
        model(router, "qwen")["consumers"] = json!(["ann", "ops-*"]);
        router["trust"] = json!({"consumer": [source]});
        insert_filter(config, "weir.model-router", filter);
    })
}

/// `jwt_authn` with a key of its own, which lets requests without a token pass.
fn jwt_filter() -> String {
    let key =
        json!({"kty": "oct", "alg": "HS256", "kid": "k", "k": URL_SAFE_NO_PAD.encode(SECRET)});
    let keys = json!({"keys": [key]}).to_string();
    json!({
        "name": "authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"own": {
                "issuer": "tests",
                "payload_in_metadata": "jwt_payload",
                "local_jwks": {"inline_string": keys},
            }},
            "rules": [{
                "match": {"prefix": "/"},
                "requires": {"requires_any": {"requirements": [
                    {"provider_name": "own"}, {"allow_missing": {}},
                ]}},
            }],
        },
    })
    .to_string()
}

/// `api_key_auth`, which says in a header of its own whose key it was.
const API_KEYS: &str = r#"
name: keys
typed_config:
  "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
  credentials:
  - {key: key-of-ann, client: ann}
  - {key: key-of-bob, client: bob}
  key_sources: [{header: x-api-key}]
  forwarding: {header: x-consumer, hide_credentials: true}
"#;

fn token(subject: &str, secret: &[u8]) -> String {
    signed(&json!({"iss": "tests", "sub": subject, "exp": 4_000_000_000_u64}), "k", secret)
}

/// A token with these claims, signed by HMAC-SHA256 with the key called `key`.
pub(crate) fn signed(claims: &Value, key: &str, secret: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(&json!({"alg": "HS256", "typ": "JWT", "kid": key}));
    let claims = part(claims);
    let signed = format!("{head}.{claims}");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

pub(crate) async fn models(stack: &Stack, request: Request) -> Vec<String> {
    let listed = stack.send(request).await.json().unwrap();
    let data = listed["data"].as_array().unwrap().iter();
    data.map(|model| model["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_served_and_listed_to_those_whose_token_says_so() {
    let stack = restricted(json!({"jwt": ["jwt_payload", "sub"]}), &jwt_filter()).start().await;
    let bearer = |subject: &str| format!("Bearer {}", token(subject, SECRET));
    for (subject, status) in [("ann", 200), ("ops-7", 200), ("bob", 404)] {
        let request = chat("qwen", "x").header("authorization", bearer(subject));
        let reply = stack.send(request).await;
        assert_eq!(reply.status, status, "{subject}: {}", reply.text());
        let list = Request::get("/v1/models").header("authorization", bearer(subject));
        let listed = models(&stack, list).await.contains(&"qwen".to_owned());
        assert_eq!(listed, status == 200, "{subject}");
        let one = Request::get("/v1/models/qwen").header("authorization", bearer(subject));
        assert_eq!(stack.send(one).await.status, status, "{subject}");
    }
    // Nobody is not somebody, whatever a client says of itself, and other models are for all.
    let forged = token("ann", b"another key");
    let refused = chat("qwen", "x").header("authorization", format!("Bearer {forged}"));
    assert_eq!(stack.send(refused).await.status, 401);
    for header in ["x-consumer", "sub", "x-jwt-payload"] {
        assert_eq!(
            stack.send(chat("qwen", "x").header(header, "ann")).await.status,
            404,
            "{header}"
        );
    }
    assert_eq!(stack.send(chat("qwen2.5-7b-instruct", "x")).await.status, 200);
    let missing = stack.send(chat("qwen", "x")).await.text();
    let unknown = stack.send(chat("nope", "x")).await.text().replace("nope", "qwen");
    assert_eq!(missing, unknown, "nobody learns that the model exists");
    let log = stack.envoy.log();
    assert!(!log.contains("ops-7"), "{log}");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_names_the_consumer_where_a_filter_overwrites_it() {
    let stack = restricted(json!({"header": "x-consumer"}), API_KEYS).start().await;
    let send = async |key: &'static str| {
        let request = chat("qwen", "x").header("x-consumer", "ann").header("x-api-key", key);
        stack.send(request).await.status
    };
    assert_eq!(send("key-of-ann").await, 200);
    assert_eq!(send("key-of-bob").await, 404, "the client's own header is overwritten");
    assert_eq!(send("no key").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_another_model_serves_is_in_the_access_log() {
    let format = "decided %FILTER_STATE(wasm.weir.decision:PLAIN)%\n";
    let logger = json!({
        "name": "stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"text_format_source": {"inline_string": format}},
        },
    });
    let stack = Plan::quickstart()
        .edited(|config| {
            connection_manager(config)["access_log"] = json!([logger]);
            settings(config, "weir.model-router")["policies"]["default"]["default_model"] =
                json!("qwen");
        })
        .start()
        .await;
    let body = json!({"messages": [{"role": "user", "content": "x"}]});
    assert_eq!(stack.send(Request::post("/v1/chat/completions").json(&body)).await.status, 200);
    assert_eq!(stack.send(chat("gpt-4o-mini", "x")).await.status, 200);
    assert_eq!(stack.send(chat("qwen2.5-7b-instruct", "x")).await.status, 200);
    for line in [
        "decided default=qwen; alias=qwen2.5-7b-instruct",
        "decided alias=llama-3.1-8b-instruct",
        "decided -",
    ] {
        let told = async || stack.envoy.log().contains(line).then_some(());
        crate::stack::eventually(line, told).await;
    }
}
