//! Streams that do not come to their first token: `failover` of endpoint-picker, with `attempt` in the clusters.

use serde_json::{Value, json};
use weir_harness::{Reply, Request};
use weir_replica::{FailureMode, RawReply, Replica, ReplyScript};

use crate::attempts::{only_idle, with_attempts};
use crate::stack::{LLAMA, Plan, QWEN, Stack, chat, eventually};

/// The limit of the shipped file, and a shorter one for tests in which it is waited for.
const LIMIT: &str = "first_token_ms: 10000";
const SHORT: &str = "first_token_ms: 700";

/// Something that the first event of a failure says, and that nobody else does.
const MARK: &str = "engine-died-7f3a";

const CHUNK: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";

fn failover() -> Plan {
    Plan::shipped("envoy-config/failover.yaml").replace(LIMIT, SHORT).long_fresh()
}

/// The shipped file, and filters of their own with `attempt` as filters/README.md configures it.
fn both() -> [Plan; 2] {
    let own = with_attempts(Plan::quickstart()).long_fresh();
    let fresh = "fresh_ms: 600000";
    let with = format!("{fresh}, failover: {{{SHORT}}}");
    [failover(), own.replace(fresh, &with)]
}

/// A stream in each dialect that the simulated replicas speak: its path and its body.
fn asks(model: &str) -> [(&'static str, Value); 4] {
    let messages = json!([{"role": "user", "content": "a question of some length ".repeat(40)}]);
    [
        ("/v1/chat/completions", json!({"model": model, "stream": true, "messages": messages})),
        ("/v1/completions", json!({"model": model, "stream": true, "prompt": "a question"})),
        (
            "/v1/messages",
            json!({"model": model, "stream": true, "max_tokens": 9, "messages": messages}),
        ),
        (
            "/v1/responses",
            json!({"model": model, "stream": true, "store": false, "input": "a question"}),
        ),
    ]
}

fn request((path, body): &(&'static str, Value)) -> Request {
    Request::post(*path).json(body)
}

/// A replica that says `body` to every request, in pieces of seven bytes.
fn says(replica: &Replica, body: &str) {
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let raw = RawReply { headers, body: Some(body.to_owned()), ..RawReply::default() };
    let script = ReplyScript { raw: Some(raw), frame_bytes: Some(7), ..ReplyScript::default() };
    replica.set_script(script);
}

/// What many servers send before the first token.
const ROLE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";

/// What a server says in place of the first token, in each dialect.
fn errors() -> [String; 4] {
    [
        format!(
            ": OK\n\n{ROLE}data: {{\"error\":{{\"message\":\"{MARK}\",\"type\":\"InternalServerError\",\"code\":500}}}}\n\ndata: [DONE]\n\n"
        ),
        format!("data: {{\"object\":\"error\",\"message\":\"{MARK}\",\"code\":503}}\n\n"),
        format!(
            "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{}}}}\n\nevent: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"overloaded_error\",\"message\":\"{MARK}\"}}}}\n\n"
        ),
        format!(
            "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{{}}}}\n\nevent: response.failed\ndata: {{\"type\":\"response.failed\",\"response\":{{\"error\":{{\"code\":\"server_error\",\"message\":\"{MARK}\"}}}}}}\n\n"
        ),
    ]
}

async fn attempts(stack: &Stack) -> u64 {
    stack.stat("weir_attempts_total.outcome").await
}

async fn missing(stack: &Stack, why: &str) -> u64 {
    stack.stat(&format!("weir_first_tokens_missing_total.why.{why}")).await
}

/// A stream that another replica than the first has served, and that shows nothing of the first.
fn assert_served_elsewhere(reply: &Reply, first: &Replica, what: &str) {
    assert_eq!((reply.status, reply.complete), (200, true), "{what}: {}", reply.text());
    assert_ne!(reply.header("x-weir-replica"), first.address().to_string(), "{what}");
    assert!(!reply.text().contains(MARK), "{what}: {}", reply.text());
    assert!(reply.events().len() > 2, "{what}: {}", reply.text());
}

/// The replica that the next request goes to first: it has just served one, so nothing is held against it.
async fn first_in_line(stack: &Stack) -> &Replica {
    let first = only_idle(stack).await;
    let serves = async || {
        let reply = stack.send(chat(LLAMA, "good morning")).await;
        (reply.header("x-weir-replica") == first.address().to_string()).then_some(())
    };
    eventually("the idle replica serves", serves).await;
    first
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_breaks_off_or_ends_before_the_first_token_costs_no_stream() {
    for plan in both() {
        let stack = plan.start().await;
        for (mode, why, missed) in [
            (FailureMode::HangBeforeToken, "silent", 1),
            (FailureMode::CutBeforeToken, "silent", 1),
            (FailureMode::NoToken, "empty", 1),
            // Without headers, too.
            (FailureMode::Hang, "silent", 0),
        ] {
            let first = first_in_line(&stack).await;
            let before = (attempts(&stack).await, missing(&stack, why).await);
            first.set_failure(mode).await;
            let reply = stack.send(request(&asks(LLAMA)[0])).await;
            assert_served_elsewhere(&reply, first, &format!("{mode:?}"));
            first.set_failure(FailureMode::None).await;
            let after = (attempts(&stack).await, missing(&stack, why).await);
            assert_eq!(after, (before.0 + 2, before.1 + missed), "{mode:?}");
        }
        stack.wait_for_in_flight(0).await;
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_in_place_of_the_first_token_goes_to_the_next_replica_in_every_dialect() {
    let stack = failover().start().await;
    for (ask, error) in asks(LLAMA).iter().zip(errors()) {
        let first = first_in_line(&stack).await;
        says(first, &error);
        let reply = stack.send(request(ask)).await;
        assert_served_elsewhere(&reply, first, ask.0);
        first.set_script(ReplyScript::default());
    }
    assert_eq!(missing(&stack, "error").await, 4);
    assert!(!stack.envoy.log().contains(MARK));
    stack.wait_for_in_flight(0).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_the_first_token_passes_unchanged_however_long_it_takes() {
    let stack = failover().start().await;
    let [error, ..] = errors();
    let body = format!("{CHUNK}{error}");
    let requests_fault = "data: {\"error\":{\"message\":\"too long\",\"code\":400}}\n\n";
    for (body, delay) in [(body.as_str(), 0), (requests_fault, 0), (body.as_str(), 400)] {
        for replica in stack.llama.replicas() {
            says(replica, body);
        }
        // The slow one is over long after the limit; its first token comes with the first piece.
        let ask = request(&asks(LLAMA)[0])
            .header("x-weir-frame-bytes", "80")
            .header("x-weir-frame-delay-ms", delay.to_string());
        let reply = stack.send(ask).await;
        assert_eq!((reply.status, reply.complete, reply.text()), (200, true, body.into()));
    }
    assert_eq!(attempts(&stack).await, 3, "one each");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_run_twice_is_never_retried_whatever_the_client_says() {
    for plan in both() {
        let stack = plan.start().await;
        let once = [
            json!({"model": LLAMA, "stream": true, "store": true, "messages": []}),
            json!({"model": LLAMA, "store": true, "messages": []}),
            json!({"model": LLAMA, "web_search_options": {}, "messages": []}),
        ];
        for body in once {
            let first = first_in_line(&stack).await;
            first.set_failure(FailureMode::Error500).await;
            let before = attempts(&stack).await;
            let ask = Request::post("/v1/chat/completions")
                .header("x-envoy-max-retries", "5")
                .header("x-envoy-retry-on", "5xx")
                .json(&body);
            let reply = stack.send(ask).await;
            assert_eq!((reply.status, attempts(&stack).await), (500, before + 1), "{body}");
            first.set_failure(FailureMode::None).await;
        }
        // Nor is its stream held: an error in place of the first token is the client's.
        let [error, ..] = errors();
        for replica in stack.llama.replicas() {
            says(replica, &error);
        }
        let body = json!({"model": LLAMA, "stream": true, "store": true, "messages": []});
        let reply = stack.send(Request::post("/v1/chat/completions").json(&body)).await;
        assert_eq!((reply.status, reply.text()), (200, error));
        stack.wait_for_in_flight(0).await;
    }
}

/// All replicas fail so; what the clients of OpenAI's and Anthropic's APIs are told.
async fn told_when_all(stack: &Stack, mode: FailureMode) -> [(u16, Value); 2] {
    for replica in stack.llama.replicas() {
        replica.set_failure(mode).await;
    }
    let [chat, _, messages, _] = asks(LLAMA);
    let (chat, messages) = (stack.send(request(&chat)).await, stack.send(request(&messages)).await);
    [chat, messages].map(|reply| {
        assert_eq!(reply.header("content-type"), "application/json", "{}", reply.text());
        assert!(reply.complete);
        (reply.status, reply.json().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_replicas_fail_the_client_gets_one_error_in_its_dialect() {
    for plan in both() {
        let stack = plan.start().await;
        assert_eq!(stack.push(|_, _| ()).await.status, 200);
        for (mode, status, code) in [
            (FailureMode::HangBeforeToken, 504, "first_token_timeout"),
            (FailureMode::Hang, 504, "first_token_timeout"),
            (FailureMode::CutBeforeToken, 503, "no_endpoint"),
            (FailureMode::NoToken, 503, "no_first_token"),
            (FailureMode::Refuse, 503, "no_endpoint"),
        ] {
            let [(chat, document), (messages, anthropic)] = told_when_all(&stack, mode).await;
            assert_eq!((chat, messages), (status, status), "{mode:?}");
            assert_eq!(document["error"]["code"], code, "{mode:?}: {document}");
            let kind = (&anthropic["type"], &anthropic["error"]["type"]);
            assert_eq!(kind, (&json!("error"), &json!("overloaded_error")), "{mode:?}");
        }
        stack.wait_for_in_flight(0).await;
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guardrail_between_client_and_picker_passes_that_error_on() {
    let picker = "                    endpoint-picker:\n";
    let guardrail = format!(
        "                    guardrail: {{policies: {{default: {{rules: [{{rules: [pii], action: redact}}]}}}}}}\n{picker}"
    );
    let stack = failover().replace(picker, &guardrail).start().await;
    assert_eq!(stack.push(|_, _| ()).await.status, 200);
    let [(status, document), _] = told_when_all(&stack, FailureMode::HangBeforeToken).await;
    assert_eq!((status, &document["error"]["code"]), (504, &json!("first_token_timeout")));
    for replica in stack.llama.replicas() {
        replica.set_failure(FailureMode::None).await;
    }
    let served = async || {
        let reply = stack.send(request(&asks(LLAMA)[0])).await;
        (reply.status == 200 && reply.complete).then_some(())
    };
    eventually("replicas that serve again", served).await;
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_another_replica_has_served_is_learned_there_and_leaves_no_count() {
    let stack = failover().start().await;
    let first = only_idle(&stack).await;
    first.set_failure(FailureMode::HangBeforeToken).await;
    let ask = || request(&asks(LLAMA)[0]);
    let served = stack.send(ask()).await.header("x-weir-replica").to_owned();
    assert_ne!(served, first.address().to_string());
    stack.wait_for_in_flight(0).await;
    let matched = stack.stat("weir_prefix_matched_tokens_total").await;
    let again = stack.send(ask()).await;
    assert_eq!(again.header("x-weir-replica"), served, "its prefix is there");
    assert!(stack.stat("weir_prefix_matched_tokens_total").await > matched);
    stack.wait_for_in_flight(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_with_a_policy_of_its_own_has_no_failover() {
    let default = "                        default: {alternates: 2, fresh_ms: 600000,";
    let patient = format!("                        patient: {{fresh_ms: 600000}}\n{default}");
    let pool = "- {name: qwen2.5-7b-instruct, pool: qwen}";
    let by_model =
        "- {name: qwen2.5-7b-instruct, pool: qwen, policies: {endpoint-picker: patient}}";
    let stack = failover().replace(default, &patient).replace(pool, by_model).start().await;
    let [error, ..] = errors();
    let fleets = [&stack.llama, &stack.qwen];
    for replica in fleets.iter().flat_map(|fleet| fleet.replicas()) {
        says(replica, &error);
    }
    let reply = stack.send(request(&asks(QWEN)[0])).await;
    assert_eq!((reply.status, reply.text()), (200, error));
    assert_eq!(stack.send(request(&asks(LLAMA)[0])).await.status, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_option_that_shows_bodies_streams_go_on_and_the_log_says_what_is_missing() {
    let stack = failover()
        .replace(SHORT, "first_token_ms: 20000")
        .edited(|config| {
            for cluster in config["static_resources"]["clusters"].as_array_mut().unwrap() {
                let protocol = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions/http_filters/0/typed_config/config";
                let plugin = cluster.pointer_mut(protocol).unwrap().as_object_mut().unwrap();
                plugin.remove("allow_on_headers_stop_iteration").unwrap();
            }
        })
        .start()
        .await;
    let first = stack.send(request(&asks(LLAMA)[0])).await;
    assert_eq!((first.status, first.complete), (200, true));
    let said = async || {
        let log = stack.envoy.log();
        log.contains("weir.attempt: the plugin lacks `allow_on_headers_stop_iteration: true`")
            .then_some(())
    };
    eventually("a word about the missing option", said).await;
    assert!(stack.stat("weir_attempts_misconfigured_total").await > 0);
    stack.assert_no_trap().await;
}
