//! What the guardrail finds in JSON that is the text of a message.

use serde_json::{Value, json};
use weir_harness::Request;

use crate::guardrail::REDACTING;
use crate::stack::{LLAMA, Plan};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_whose_name_stands_beside_it_does_not_reach_the_replica() {
    let password = "Pl9!xTz3";
    let texts = [
        json!({"name": "DB_PASSWORD", "value": password}),
        json!({"spec": {"env": [{"name": "DB_PASSWORD", "value": password}]}}),
        json!({"args": ["serve", "--password", password]}),
    ];
    for plan in Plan::guarding_both(REDACTING) {
        let stack = plan.start().await;
        for text in &texts {
            let call = json!({"id": "c", "type": "function",
                "function": {"name": "apply", "arguments": text.to_string()}});
            let messages = json!([
                {"role": "assistant", "content": null, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c", "content": text.to_string()},
                {"role": "user", "content": text.to_string()},
            ]);
            let body = json!({"model": LLAMA, "messages": messages});
            let request = Request::post("/v1/chat/completions").header("x-weir-echo", "1");
            let reply = stack.send(request.json(&body)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let echo = reply.json().unwrap()["weir_echo"]["body"].as_str().unwrap().to_owned();
            assert!(!echo.contains(password), "{echo}");
            let received: Value = serde_json::from_str(&echo).unwrap();
            let content = received["messages"][2]["content"].as_str().unwrap();
            let redacted: Value = serde_json::from_str(content).unwrap();
            assert_eq!(redacted.to_string(), text.to_string().replace(password, "[SECRET]"));
        }
        stack.assert_no_trap().await;
    }
}
