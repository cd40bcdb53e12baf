//! Headers that are true of one body only, where the body is edited on its way.

use serde_json::json;
use weir_harness::{Reply, Request};

use crate::guardrail::{EMAIL, REDACTING, questions, scripted};
use crate::stack::{LLAMA, Plan, chat, echoed};

const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];
const SUMS: [&str; 6] =
    ["content-digest", "repr-digest", "digest", "content-md5", "etag", "accept-ranges"];

/// A question whose answer has `body` of a content type and every header that may not outlive an edit.
fn answered(stream: bool, kind: &str, body: &str) -> Request {
    let sums = SUMS.map(|name| json!([name, "x"]));
    let mut headers = vec![json!(["content-type", kind])];
    headers.extend(sums);
    scripted(questions(stream).remove(0), &json!({"raw": {"headers": headers, "body": body}}))
}

/// Those of `names` that came with the reply.
fn kept<'a>(reply: &Reply, names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| !reply.header(name).is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_keeps_its_sums_only_as_long_as_its_bytes() {
    let stack = Plan::guarding(REDACTING).start().await;
    let body = |text: &str| json!({"choices": [{"message": {"content": text}}]}).to_string();
    let fine = stack.send(answered(false, "application/json", &body("hello"))).await;
    assert_eq!((fine.text(), kept(&fine, &SUMS)), (body("hello"), SUMS.to_vec()));
    let edited = stack.send(answered(false, "application/json", &body(EMAIL))).await;
    assert_eq!((edited.text(), kept(&edited, &SUMS)), (body("[EMAIL]"), vec![]));
    // The headers of a stream leave before its text is known.
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\ndata: [DONE]\n\n";
    let streamed = stack.send(answered(true, "text/event-stream", event)).await;
    assert_eq!((streamed.text(), kept(&streamed, &SUMS)), (event.to_owned(), vec![]));
    stack.assert_no_trap().await;
    let flagging = "{on_unscannable: flag, on_error: flag, rules: [{rules: [pii], action: flag}]}";
    let stack = Plan::guarding(flagging).start().await;
    let streamed = stack.send(answered(true, "text/event-stream", event)).await;
    assert_eq!((streamed.text(), kept(&streamed, &SUMS)), (event.to_owned(), SUMS.to_vec()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_keeps_its_digests_only_as_long_as_its_bytes() {
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.start().await;
        // By the guardrail's edit, by the alias, by none.
        for (model, text, edited) in
            [(LLAMA, EMAIL, true), ("gpt-4o", "x", true), (LLAMA, "x", false)]
        {
            let request = DIGESTS.iter().fold(chat(model, text), |r, name| r.header(name, "x"));
            let reply = stack.send(request).await;
            let echo = &reply.json().unwrap()["weir_echo"];
            let arrived = DIGESTS.map(|name| echoed(echo, name));
            assert_eq!(arrived, DIGESTS.map(|_| if edited { "" } else { "x" }), "{model} {text}");
        }
        stack.assert_no_trap().await;
    }
}
