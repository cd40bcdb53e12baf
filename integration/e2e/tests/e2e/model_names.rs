//! Names of models that Envoy would refuse in a header, or that would forge what a log shows.

use serde_json::{Value, json};
use weir_harness::{HttpClient, Reply, Request};

use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

/// An access log in text, which a line break in a value would cut in two.
const TEXT_LOG: &str = "          access_log:
          - name: envoy.access_loggers.stdout
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: \"logged %RESPONSE_CODE% %FILTER_STATE(wasm.weir.model:PLAIN)%|\\n\"}}
";

fn with_text_log(plan: Plan) -> Plan {
    let place = "          route_config:\n            name: clients\n";
    plan.replace(place, &format!("{TEXT_LOG}{place}")).prompt_access_log()
}

/// Characters that no name may hold: control characters, line separators, marks of direction, what is not shown.
fn hidden() -> Vec<char> {
    let others = "\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\
                  \u{2060}\u{2066}\u{2069}\u{feff}\u{fffb}\u{e0041}";
    let controls = ('\0'..'\u{20}').chain('\u{7f}'..'\u{a0}');
    controls.chain(others.chars()).collect()
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The name in the place where each dialect has it.
fn requests(name: &str) -> [Request; 5] {
    let body = json!({"model": name, "max_tokens": 1, "messages": []});
    let encoded = percent_encoded(name);
    [
        Request::post("/v1/chat/completions").json(&body),
        Request::post("/v1/messages").json(&body),
        Request::post(format!("/v1beta/models/{encoded}:generateContent")).body("{}"),
        Request::post(format!("/v2/models/{encoded}/infer")).body("{}"),
        Request::get(format!("/v1/models/{encoded}")),
    ]
}

fn assert_refused(replies: &[Reply], name: &str) {
    let documents: Vec<Value> = replies.iter().map(|reply| reply.json().unwrap()).collect();
    for (reply, document) in replies.iter().zip(&documents) {
        assert_eq!(reply.status, 400, "{name:?}: {document}");
    }
    assert_eq!(documents[0]["error"]["type"], "invalid_request_error", "{name:?}");
    assert_eq!(documents[0]["error"]["param"], "model");
    assert_eq!(documents[1]["error"]["type"], "invalid_request_error");
    assert_eq!(documents[1]["type"], "error");
    assert_eq!(documents[2]["error"]["status"], "INVALID_ARGUMENT");
    assert!(documents[3]["error"].is_string());
    assert_eq!(documents[4]["error"]["param"], "model");
}

async fn replies(stack: &Stack, name: &str) -> Vec<Reply> {
    let mut replies = Vec::new();
    for request in requests(name) {
        replies.push(stack.send(request).await);
    }
    replies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_envoy_would_refuse_is_weirs_400_and_forges_no_line() {
    let [apart, together] = Plan::both();
    for plan in [apart, together.replace("leave-state: []", "leave-state: [model]")] {
        let stack = with_text_log(plan).start().await;
        for character in hidden() {
            // A pattern's rest, an exact name's end, an adapter's, and a model that there is not.
            for name in [
                format!("gpt-4o{character}logged 200 forged|"),
                format!("{LLAMA}{character}"),
                format!("sql-expert{character}"),
                format!("{character}nope"),
            ] {
                assert_refused(&replies(&stack, &name).await, &name);
            }
        }
        assert_eq!(stack.send(chat("gpt-4o-mini", "x")).await.status, 200);
        let log = logged(&stack, "logged 200 gpt-4o-mini|\n").await;
        assert!(log.contains("logged 400 ") && !log.contains("forged"), "{log}");
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_other_character_may_stand_in_a_name() {
    let stack = with_text_log(Plan::quickstart()).start().await;
    let ascii = (' '..='~').map(|character| format!("gpt-4o{character}x"));
    let others = ["é", "通义", "🙂", "ß", "e\u{301}"].map(|text| format!("gpt-4o{text}"));
    for name in ascii.chain(others) {
        for client in [HttpClient::http1(), HttpClient::http2()] {
            let reply = client.send(stack.envoy.clients(), chat(&name, "x")).await.unwrap();
            assert_eq!((reply.status, stack.pool_of(&reply)), (200, "llama"), "{name:?}");
        }
    }
    // The access log has each name by itself.
    logged(&stack, "logged 200 gpt-4o通义|\n").await;
}

/// Envoy's log once it has the line.
async fn logged(stack: &Stack, line: &str) -> String {
    let found = async || Some(stack.envoy.log()).filter(|log| log.contains(line));
    eventually(line, found).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_may_be_long_but_not_endless() {
    let stack = Plan::quickstart().start().await;
    let longest = format!("gpt-4o{}", "x".repeat(1024 - 6));
    assert_eq!(stack.send(chat(&longest, "x")).await.status, 200);
    for length in [1025 - 6, 100_000, 2_000_000] {
        let reply = stack.send(chat(&format!("gpt-4o{}", "x".repeat(length)), "x")).await;
        let error = &reply.json().unwrap()["error"];
        assert_eq!((reply.status, &error["param"]), (400, &json!("model")), "{length}");
        assert!(reply.body.len() < 500, "the name is not sent back");
    }
    for path in ["/v1beta/models/NAME:generateContent", "/v2/models/NAME/infer"] {
        let path = path.replace("NAME", &"x".repeat(20_000));
        let reply = stack.send(Request::post(path).body("{}")).await;
        assert!(reply.status == 400 && reply.body.len() < 500, "{}", reply.text());
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_id_may_be_anything() {
    let stack = Plan::quickstart().long_fresh().start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let long = "x".repeat(20_000);
    for id in [&b"\xff\xfe"[..], b"a\tb", b"", "\u{2028}\u{202e}".as_bytes(), long.as_bytes()] {
        let reply = stack.send(chat(LLAMA, "x").header("x-session-id", id)).await;
        assert_eq!(reply.status, 200, "{id:?}");
    }
    stack.assert_no_trap().await;
}
