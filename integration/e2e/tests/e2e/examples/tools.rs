//! `mcp.yaml`.

use serde_json::{Value, json};
use weir_harness::Request;

use super::example;
use super::server::Server;
use crate::stack::{LLAMA, Stack, chat};

const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#;

fn call(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

fn tool(name: &str) -> Value {
    call("tools/call", json!({"name": name, "arguments": {"query": "x"}}))
}

async fn status(stack: &Stack, document: &Value) -> u16 {
    let request = Request::post("/mcp").header("accept", "application/json, text/event-stream");
    stack.send(request.json(document)).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_called_by_a_rule_for_each_beside_inference() {
    let plan = example("mcp");
    let tools = Server::start(plan.ports().actual(9100), "application/json", ANSWER).await;
    let stack = plan.start().await;
    for document in [
        call("initialize", json!({})),
        call("tools/list", json!({})),
        tool("search"),
        tool("weather"),
    ] {
        assert_eq!(status(&stack, &document).await, 200, "{document}");
    }
    assert_eq!(tools.received().len(), 4);
    for document in [
        tool("shell"),
        tool("searches"),
        tool(""),
        call("tools/call", json!({})),
        json!([tool("search"), tool("shell")]),
        json!({"method": "tools/call", "params": {"name": "shell"}}),
        json!("tools/call"),
    ] {
        let answer = status(&stack, &document).await;
        assert!((400..500).contains(&answer), "{document}: {answer}");
    }
    assert_eq!(tools.received().len(), 4, "none of those came there");
    assert_eq!(stack.send(chat(LLAMA, "x")).await.status, 200);
    assert_eq!(stack.send(Request::get("/v1/models")).await.status, 200);
    stack.assert_no_trap().await;
}
