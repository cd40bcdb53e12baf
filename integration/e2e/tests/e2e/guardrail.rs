//! What the guardrail does to requests and to responses that come whole.

use serde_json::{Value, json};
use weir_harness::{Reply, Request};

use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, eventually};

pub(crate) const REDACTING: &str = "{rules: [{rules: [pii, secrets], action: redact}]}";
const BLOCKING: &str = "{rules: [{rules: [pii, secrets], action: block}]}";

pub(crate) const EMAIL: &str = "ann@example.com";
pub(crate) const CARD: &str = "4111 1111 1111 1111";

/// The request body that the replica got.
fn received(reply: &Reply) -> Value {
    let echo = reply.json().unwrap()["weir_echo"]["body"].as_str().unwrap().to_owned();
    serde_json::from_str(&echo).unwrap()
}

/// The same request with a reply as a script.
pub(crate) fn scripted(request: Request, script: &Value) -> Request {
    let bytes = script.to_string().into_bytes();
    let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
    request.header("x-weir-reply-json", encoded)
}

/// Leaves a stream that goes on for long as soon as an address in it was redacted.
pub(crate) async fn leave_in_mid_stream(stack: &Stack) {
    let script = json!({"text": format!("{EMAIL} {}", "word ".repeat(400)), "frame_delay_ms": 5});
    let request = scripted(questions(true).remove(0), &script);
    let mut response = stack.http.stream(stack.envoy.clients(), request).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("[EMAIL]") {
        seen.extend(response.next().await.unwrap().unwrap().0);
    }
}

/// A request without echo in each dialect that generates text.
pub(crate) fn questions(stream: bool) -> Vec<Request> {
    let messages = json!([{"role": "user", "content": "Who is it?"}]);
    let post = |path: &str, body: Value| Request::post(path).json(&body);
    vec![
        post(
            "/v1/chat/completions",
            json!({"model": LLAMA, "stream": stream, "messages": messages}),
        ),
        post("/v1/completions", json!({"model": LLAMA, "stream": stream, "prompt": "Who?"})),
        post("/v1/responses", json!({"model": LLAMA, "stream": stream, "input": "Who?"})),
        post(
            "/v1/messages",
            json!({"model": LLAMA, "stream": stream, "max_tokens": 50, "messages": messages}),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_has_its_policy_in_the_shipped_example() {
    let stack = Plan::guardrail().start().await;
    let text = format!("I am {EMAIL} and pay with {CARD}.");
    // Route llama: names for addresses, which the response gets back; the card's last digits stay.
    let reply = stack.send(chat(LLAMA, &text)).await;
    assert!(reply.text().contains(&format!("I am {EMAIL} and pay with **** **** **** 1111.")));
    // Route qwen: keyed hashes, the same for the same value.
    let content = |reply: &Reply| received(reply)["messages"][0]["content"].to_string();
    let first = content(&stack.send(chat(QWEN, &text)).await);
    assert!(first.contains("[EMAIL:") && first.contains("[CREDIT_CARD:"), "{first}");
    assert_eq!(first, content(&stack.send(chat("qwen", &text)).await));
    let refused = stack.send(chat(QWEN, "AKIAQYLPMN5HHHFPZAM2")).await;
    assert_eq!(refused.status, 400);
    assert_eq!(stack.send(chat(LLAMA, "AKIAQYLPMN5HHHFPZAM2")).await.status, 200);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_a_request_is_redacted_and_its_length_corrected() {
    for plan in Plan::guarding_both(REDACTING) {
        assert_requests_are_redacted(plan.start().await).await;
    }
}

async fn assert_requests_are_redacted(stack: Stack) {
    let arguments = format!("{{\"to\":\"{EMAIL}\"}}");
    let body = json!({
        "model": LLAMA,
        "messages": [
            {"role": "system", "content": format!("Serve {EMAIL}")},
            {"role": "user", "name": "x", "content": [{"type": "text", "text": CARD}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": "c", "content": EMAIL},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "description": EMAIL,
                   "parameters": {"type": "object", "properties": {"a": {"default": CARD}}}}}],
        "metadata": {"owner": EMAIL}, "stop": [EMAIL], "something_new": {"deep": [CARD]},
    });
    let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1").json(&body);
    let reply = stack.send(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expected = body.to_string().replace(EMAIL, "[EMAIL]").replace(CARD, "[CREDIT_CARD]");
    assert_eq!(received(&reply), serde_json::from_str::<Value>(&expected).unwrap());
    // An alias changes the body before the guardrail reads it.
    let alias = chat("gpt-4o", EMAIL);
    let received = received(&stack.send(alias).await);
    assert_eq!(
        (&received["model"], &received["messages"][0]["content"]),
        (&json!(LLAMA), &json!("[EMAIL]"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_in_the_clients_dialect_and_names_rules_only() {
    let stack = Plan::guarding(BLOCKING).start().await;
    let paths = ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"];
    for path in paths {
        let body = json!({"model": LLAMA, "max_tokens": 5, "prompt": CARD, "input": CARD,
                          "messages": [{"role": "user", "content": CARD}]});
        let reply = stack.send(Request::post(path).json(&body)).await;
        assert_eq!(reply.status, 400, "{path}");
        let text = reply.text();
        assert!(text.contains("pii.credit_card") && !text.contains("4111"), "{text}");
        let error = &reply.json().unwrap()["error"];
        if path == "/v1/messages" {
            assert_eq!(error["type"], "invalid_request_error");
        } else {
            assert_eq!(error["code"], "content_policy_violation");
        }
    }
    assert_eq!(
        stack
            .stat(
                "weir_guardrail_findings_total.rule.pii.credit_card.direction.request.action.block"
            )
            .await,
        12
    );
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_text_of_a_response_is_redacted_in_every_dialect() {
    for plan in Plan::guarding_both(REDACTING) {
        assert_responses_are_redacted(plan.start().await).await;
    }
}

async fn assert_responses_are_redacted(stack: Stack) {
    let text = format!("It is {EMAIL}, with {CARD}.");
    let call = json!({"id": "c", "name": "send", "arguments": format!("{{\"to\": \"{EMAIL}\"}}")});
    for (index, question) in questions(false).into_iter().enumerate() {
        let mut choice = json!({"content": text, "tool_calls": [call]});
        // Anthropic signs its thinking, so that it cannot be edited: see below.
        if index < 3 {
            choice["reasoning_content"] = json!(text);
        }
        let script = json!({"choices": [choice]});
        let reply = stack.send(scripted(question, &script)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = reply.text();
        assert!(body.contains("It is [EMAIL], with [CREDIT_CARD]."), "{index}: {body}");
        assert!(!body.contains(EMAIL) && !body.contains("4111"), "{index}: {body}");
        assert!(reply.json().is_ok(), "the length fits the body");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_thinking_is_withheld_rather_than_edited() {
    let stack = Plan::guarding(REDACTING).start().await;
    for (stream, status) in [(false, 400), (true, 200)] {
        let script = json!({"choices": [{"reasoning_content": EMAIL, "content": "Hello"}]});
        let reply = stack.send(scripted(questions(stream).remove(3), &script)).await;
        assert_eq!(reply.status, status);
        let text = reply.text();
        assert!(text.contains("unscannable.signed") && !text.contains(EMAIL), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_may_be_withheld() {
    let stack = Plan::guarding(BLOCKING).start().await;
    for question in questions(false) {
        let reply =
            stack.send(scripted(question, &json!({"text": format!("It is {EMAIL}")}))).await;
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains("pii.email") && !reply.text().contains(EMAIL));
    }
    let fine = stack.send(questions(false).remove(0)).await;
    assert_eq!(fine.status, 200);
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_inspected_is_refused_unless_the_policy_says_otherwise() {
    let image = json!({"model": LLAMA, "messages": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]});
    let raw = |kind: &str, body: &str| json!({"raw": {"headers": [["content-type", kind]], "body": body}});
    let question = || questions(false).remove(0);
    let cases = || {
        vec![
            (Request::post("/v1/chat/completions").json(&image), "media"),
            (question().header("x-weir-gzip", "1"), "compressed"),
            (scripted(question(), &raw("application/octet-stream", "x")), "content-type"),
            (scripted(question(), &raw("application/json", "no json")), "not-json"),
        ]
    };
    let strict = Plan::guarding(REDACTING).start().await;
    for (request, trouble) in cases() {
        let reply = strict.send(request).await;
        assert_eq!(reply.status, 400, "{trouble}");
        assert!(reply.text().contains(&format!("unscannable.{trouble}")), "{}", reply.text());
    }
    let lenient = REDACTING.replace("{rules: [{", "{on_unscannable: flag, rules: [{");
    let lenient = Plan::guarding(&lenient).start().await;
    for (request, trouble) in cases() {
        assert_eq!(lenient.send(request).await.status, 200, "{trouble}");
        let stat = format!("weir_guardrail_findings_total.rule.unscannable.{trouble}");
        assert_eq!(lenient.stat(&stat).await, 1, "{trouble}");
    }
    strict.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replica_is_not_asked_for_a_compressed_response() {
    let stack = Plan::guarding(REDACTING).start().await;
    let reply = stack.send(chat(LLAMA, "hi").header("accept-encoding", "gzip, br")).await;
    assert_eq!(crate::stack::echoed(&reply.json().unwrap()["weir_echo"], "accept-encoding"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_text_is_inspected_too() {
    let stack = Plan::guarding(REDACTING).start().await;
    let raw = json!({"raw": {"headers": [["content-type", "text/plain"]], "body": format!("mail {EMAIL} now")}});
    let reply = stack.send(scripted(questions(false).remove(0), &raw)).await;
    assert_eq!(reply.text(), "mail [EMAIL] now");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_unknown_paths_is_inspected_unless_the_policy_passes_it() {
    let ask = || Request::post("/v1/other").json(&json!({"query": EMAIL}));
    let stack = Plan::guarding(BLOCKING).start().await;
    let refused = stack.send(ask()).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json().unwrap()["error"]["code"], "content_policy_violation");
    let passing = BLOCKING.replace("{rules: [{", "{unknown_paths: pass, rules: [{");
    let stack = Plan::guarding(&passing).start().await;
    // Left to the routes, none of which takes it.
    assert_eq!(stack.send(ask()).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_to_hosts_that_are_not_named_are_taken_out_of_answers() {
    let stack = Plan::guardrail().start().await;
    let text = "See ![own](https://img.example.com/x.png?d=1) and ![b](https://evil.test/x.png?d=c2VjcmV0).";
    let expected = "See ![own](https://img.example.com/x.png?d=1) and ![b]([EXTERNAL_IMAGE]).";
    let script = json!({"text": text, "chunk_chars": 3});
    let [whole, streamed] = [false, true].map(|stream| questions(stream).remove(0));
    let whole = stack.send(scripted(whole, &script)).await.json().unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], expected);
    let streamed = stack.send(scripted(streamed, &script)).await.text();
    let data = streamed.lines().filter_map(|line| line.strip_prefix("data: "));
    let events = data.filter_map(|event| serde_json::from_str::<Value>(event).ok());
    let pieces = events.map(|event| {
        event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    });
    assert_eq!(pieces.collect::<String>(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_logs_name_rules_and_counts_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let stdout = "envoy.access_loggers.stdout\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog\n";
    let to_file = format!(
        "envoy.access_loggers.file\n            typed_config:\n              \"@type\": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\n              path: {}\n",
        file.display()
    );
    let stack =
        Plan::guarding(REDACTING).replace(stdout, &to_file).log("info", "wasm:trace").start().await;
    for stream in [false, true] {
        for question in questions(stream) {
            let script = json!({"text": format!("It is {EMAIL}, {EMAIL}"), "chunk_chars": 4});
            stack.send(scripted(question, &script)).await;
        }
    }
    stack.send(chat(LLAMA, CARD)).await;
    leave_in_mid_stream(&stack).await;
    let logged = eventually("ten lines of access log", async || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() >= 10).then_some(text)
    });
    let logged = logged.await;
    // Of the stream that was left, too.
    assert_eq!(logged.matches("response redact pii.email=1").count(), 1, "{logged}");
    assert_eq!(logged.matches("response redact pii.email=2").count(), 8, "{logged}");
    for line in logged.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let guard = line["guard"].as_str().unwrap();
        assert!(guard.starts_with("action=redact; re"), "{guard}");
        assert!(
            guard.contains("response redact pii.email=")
                || guard.contains("request redact pii.credit_card=1"),
            "{guard}"
        );
    }
    for text in [logged, stack.envoy.log()] {
        assert!(!text.contains(EMAIL) && !text.contains("4111"), "a value was logged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_counted_for_prometheus_with_labels() {
    let stack = Plan::guarding(REDACTING).start().await;
    stack.send(chat(LLAMA, &format!("{EMAIL} {CARD}"))).await;
    let page = Request::get("/stats/prometheus?filter=weir");
    let page = stack.http.send(stack.envoy.admin(), page).await.unwrap().text();
    for rule in ["pii.email", "pii.credit_card"] {
        let start = "weir_guardrail_findings_total{";
        let lines = page.lines().filter(|line| line.starts_with(start));
        let labels = [
            format!("rule=\"{rule}\""),
            "direction=\"request\"".into(),
            "action=\"redact\"".into(),
        ];
        let count =
            lines.filter(|line| labels.iter().all(|label| line.contains(label.as_str()))).count();
        assert_eq!(count, 1, "{page}");
    }
    assert!(page.contains("weir_guardrail_scan_us_bucket{direction=\"request\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn optional_rules_are_skipped_while_the_pool_is_saturated() {
    let policy = "{rules: [{rules: [EMAIL], action: redact}, {rules: [CREDIT_CARD], action: redact, optional: true}]}";
    let stack = Plan::guarding(policy).start().await;
    let arrived = async |stack: &Stack| {
        let reply = stack.send(chat(LLAMA, &format!("{EMAIL} {CARD}"))).await;
        received(&reply)["messages"][0]["content"].as_str().unwrap().to_owned()
    };
    assert_eq!(arrived(&stack).await, "[EMAIL] [CREDIT_CARD]");
    // A view says how things are now for one second only, so it is pushed until it shows.
    eventually("the pool is seen to be saturated", async || {
        stack.push(|_, endpoint| endpoint["waiting"] = json!(9)).await;
        (arrived(&stack).await == format!("[EMAIL] {CARD}")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_makes_no_sense_is_refused_with_its_field() {
    let plan = Plan::guarding("{rules: [{rules: [nosuch], action: redact}]}");
    let error = plan.try_start().await.err().unwrap().to_string();
    assert!(error.contains("policies.default") && error.contains("nosuch"), "{error}");
}
