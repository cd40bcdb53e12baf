//! What the host layer promises of streams other than the callback's own and of calls, in real Envoy with one worker. The
//! module `host-probe` does what a request's `x-probe` says.

use weir_harness::{EnvoyConfig, HttpClient, Request};
use weir_replica::FailureMode;

use crate::stack::{LLAMA, Plan, Stack, chat, echoed, eventually};

/// More than the module waits for.
const STORM: usize = 200;

const CONFIG: &str = r#"
admin: {address: {socket_address: {address: 127.0.0.1, port_value: 9901}}}
static_resources:
  listeners:
  - name: clients
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          route_config:
            virtual_hosts:
            - {name: all, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: up}}]}
          http_filters:
          - name: probe
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: probe
                allow_on_headers_stop_iteration: true
                failure_policy: FAIL_RELOAD
                vm_config: {vm_id: probe, runtime: envoy.wasm.runtime.v8, code: {local: {filename: /etc/weir/host-probe.wasm}}}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
  clusters:
  - name: up
    load_assignment: {cluster_name: up, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9001}}}}]}]}
  - name: down
    load_assignment: {cluster_name: down, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 9002}}}}]}]}
  - name: empty
    load_assignment: {cluster_name: empty}
"#;

async fn stack() -> Stack {
    let config = EnvoyConfig::from_text("host_layer", CONFIG).unwrap();
    Plan::of(config).one_worker().start().await
}

fn probe(what: &str) -> Request {
    chat(LLAMA, "hello").header("x-probe", what)
}

/// What the module has noted, line by line.
async fn report(stack: &Stack) -> Vec<String> {
    let reply = stack.send(Request::get("/").header("x-probe", "report")).await;
    reply.text().lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_goes_on_from_a_tick_and_from_an_answer_with_its_body_and_a_new_header() {
    let stack = stack().await;
    for (what, by) in [("hold", "tick"), ("go up none", "call")] {
        let reply = stack.send(probe(what)).await;
        let echo = &reply.json().unwrap()["weir_echo"];
        assert_eq!((reply.status, echoed(echo, "x-probed").as_str()), (200, by));
        assert!(echo["body"].as_str().unwrap().contains("hello"), "{echo}");
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_to_the_stream_that_asked_and_each_failure_has_its_name() {
    let stack = stack().await;
    stack.llama.replicas()[1].set_failure(FailureMode::Refuse).await;
    for (what, expected) in [
        ("call up none", "Some(Answered(200)), body true"),
        ("call up error500", "Some(Answered(500)), body true"),
        ("call up hang", "Some(TimedOut), body true"),
        ("call up cut_midstream", "Some(Lost), body false"),
        ("call down none", "Some(Unavailable), body true"),
        ("call empty none", "refused: Failed"),
        ("call nowhere none", "refused: BadArgument"),
    ] {
        assert_eq!(stack.send(probe(what)).await.text(), expected, "{what}");
    }
    assert!(report(&stack).await.is_empty(), "none came to the root context");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_meant_for_a_stream_whose_client_has_left_reaches_nobody() {
    let stack = stack().await;
    let (http, address) = (stack.http.clone(), stack.envoy.clients());
    let client = tokio::spawn(async move { http.send(address, probe("leave up hang")).await });
    eventually("the call", async || {
        (stack.stat("cluster.up.upstream_rq_active").await > 0).then_some(())
    })
    .await;
    client.abort();
    let notes = eventually("the root's own answer", async || {
        let notes = report(&stack).await;
        (notes.len() >= 3).then_some(notes)
    })
    .await;
    assert_eq!(notes, ["abandoned: 1", "ended: Err(StreamEnded)", "root: Some(Answered(200))"]);
    eventually("the timeout of the call", async || {
        (stack.stat("cluster.up.upstream_rq_timeout").await > 0).then_some(())
    })
    .await;
    // The stream's own answer has come by now.
    assert_eq!(report(&stack).await.len(), 3, "nobody is told");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_streams_than_the_stack_holds_are_answered_by_a_few_ticks() {
    let stack = stack().await;
    let ask = |_| {
        let address = stack.envoy.clients();
        tokio::spawn(async move { HttpClient::http1().send(address, probe("storm")).await })
    };
    for client in (0..2 * STORM).map(ask).collect::<Vec<_>>() {
        assert_eq!(client.await.unwrap().unwrap().status, 299);
    }
    let counts = report(&stack).await;
    let counts: Vec<usize> =
        counts.iter().map(|note| note["storm: ".len()..].parse().unwrap()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 2 * STORM);
    assert!(counts.iter().all(|count| *count <= 64) && counts.contains(&64), "{counts:?}");
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_header_that_is_written_too_late_is_an_error_and_no_bug_of_envoy() {
    let stack = stack().await;
    assert_eq!(stack.send(chat(LLAMA, "hello")).await.status, 200);
    assert_eq!(report(&stack).await, ["late: Err(BadArgument)"]);
    assert!(!stack.envoy.log().contains("envoy bug"), "{}", stack.envoy.log());
}
