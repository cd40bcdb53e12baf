//! What all streams of a worker hold together has a bound, and at the bound clients get an answer.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use weir_harness::{HttpClient, RawConnection, Request, run_concurrently};
use weir_replica::{FailureMode, RawReply, ReplyScript};

use crate::stack::{LLAMA, Plan, Stack, chat, eventually};

/// Length of the bodies: what the shipped files take at most.
const BODY: usize = 16 << 20;

/// A chat of [`BODY`] bytes.
fn large_chat() -> Vec<u8> {
    let (begin, end) = (
        format!("{{\"model\":\"{LLAMA}\",\"messages\":[{{\"role\":\"user\",\"content\":\""),
        "\"}]}",
    );
    let text = "word ".repeat(BODY / 5 + 1);
    let room = BODY - begin.len() - end.len();
    [begin.as_bytes(), &text.as_bytes()[..room], end.as_bytes()].concat()
}

/// Announces `body` and sends so many bytes of it.
async fn begin(stack: &Stack, body: &[u8], bytes: usize) -> RawConnection {
    let mut connection = RawConnection::open(stack.envoy.clients()).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head).await.unwrap();
    connection.send(&body[..bytes]).await.unwrap();
    connection
}

async fn refused(stack: &Stack, full: &str) -> u64 {
    stack.stat(&format!("weir_requests_refused_total.full.{full}")).await
}

/// Both shipped forms of the chain, with room for four bodies of that length.
fn four_bodies() -> [Plan; 2] {
    let bound = format!("max_held_bytes: {}\n", 4 * BODY);
    let own = "                    policies:\n                      default:\n                        models:";
    let one = "                    model-router:\n";
    [
        Plan::quickstart().replace(own, &format!("                    {bound}{own}")),
        Plan::one_filter().replace(one, &format!("{one}                      {bound}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_beyond_what_a_worker_may_hold_are_refused_in_the_dialect_and_the_others_served() {
    for plan in four_bodies() {
        let stack = plan.one_worker().start().await;
        let body = large_chat();
        let but_one = body.len() - 1;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(begin(&stack, &body, but_one).await);
        }
        let received = async || {
            let bytes = stack.stat("http.clients.downstream_cx_rx_bytes_total").await;
            (bytes > 4 * but_one as u64).then_some(())
        };
        eventually("four bodies that Envoy holds", received).await;
        // The four are 4 bytes short of the bound; a fifth has no room.
        let mut fifth = begin(&stack, &body, 100_000).await;
        let head = fifth.read_head().await.unwrap();
        assert_eq!((head.status, head.header("retry-after").as_deref()), (503, Some("1")));
        let told = fifth.read_body(&head).await.unwrap();
        let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
        assert_eq!(told["error"]["code"], "gateway_full");
        assert_eq!(refused(&stack, "bodies").await, 1);
        // What was held before is served, and leaves its room to others.
        let mut first = held.pop().unwrap();
        first.send(&body[but_one..]).await.unwrap();
        assert_eq!(first.read_head().await.unwrap().status, 200);
        drop(held);
        assert_eq!(stack.send(chat(LLAMA, "small")).await.status, 200);
        let served = async || {
            let mut again = begin(&stack, &body, but_one).await;
            again.send(&body[but_one..]).await.ok()?;
            (again.read_head().await.ok()?.status == 200).then_some(())
        };
        eventually("room for a large body", served).await;
        stack.assert_no_trap().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_bodies_of_the_largest_size_at_once_trap_nothing() {
    let stack = Plan::guarding(crate::guardrail::REDACTING)
        .replicas(|settings| settings.fast = true)
        .one_worker()
        .start()
        .await;
    let body = Bytes::from(large_chat());
    let client = HttpClient::http1().with_limit(Duration::from_secs(180));
    let address = stack.envoy.clients();
    let served = run_concurrently(40, 40, |_| {
        let (client, body) = (client.clone(), body.clone());
        let request = Request::post("/v1/chat/completions").body(body);
        async move { client.send(address, request).await.is_ok_and(|reply| reply.status == 200) }
    })
    .await;
    let served = served.into_iter().filter(|served| *served).count() as u64;
    let refused = refused(&stack, "bodies").await;
    println!("{served} of 40 bodies served, {refused} refused");
    assert!(served >= 20 && served + refused == 40, "{served} served, {refused} refused");
    stack.assert_no_trap().await;
    assert_eq!(stack.send(chat(LLAMA, "small")).await.status, 200);
}

/// The beginning of an event that does not end, a little less than the longest that is read.
const EVENT: usize = (4 << 20) - 4096;

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_hold_all_of_a_vms_memory_end_with_an_error_and_no_trap() {
    let stack = Plan::guarding(crate::guardrail::REDACTING).one_worker().start().await;
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let body = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}",
        "a".repeat(EVENT)
    );
    let raw = RawReply { headers, body: Some(body), ..RawReply::default() };
    let script = ReplyScript {
        raw: Some(raw),
        fail: Some(FailureMode::HangBeforeToken),
        // A quarter of it at once, so that there are many streams before they hold much.
        frame_bytes: Some(1 << 20),
        frame_delay_ms: Some(4000),
        ..ReplyScript::default()
    };
    for replica in stack.llama.replicas() {
        replica.set_script(script.clone());
    }
    let client = HttpClient::http1();
    let mut streams = Vec::new();
    // 1.2 GB in all: before there was a bound, the VM was gone by then.
    for _ in 0..300 {
        let body = json!({"model": LLAMA, "stream": true, "messages": []});
        let ask = Request::post("/v1/chat/completions").json(&body);
        streams.push(client.stream(stack.envoy.clients(), ask).await.unwrap());
    }
    let ended = async || (stack.stat("weir_streams_ended_total").await > 0).then_some(());
    eventually("a stream that is ended", ended).await;
    let refused = async || {
        let small = stack.send(chat(LLAMA, "small")).await;
        (small.status == 503 && refused(&stack, "memory").await > 0).then_some(())
    };
    eventually("a request that is refused", refused).await;
    assert!(streams.iter().all(|stream| matches!(stream.status, 200 | 503)));
    stack.assert_no_trap().await;
    drop(streams);
    for replica in stack.llama.replicas() {
        replica.reset();
    }
    let served = async || (stack.send(chat(LLAMA, "small")).await.status == 200).then_some(());
    eventually("memory that was given back", served).await;
    stack.assert_no_trap().await;
}
