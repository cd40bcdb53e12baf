//! `route-policies.yaml`.

use serde_json::Value;
use weir_harness::Request;

use super::example;
use crate::stack::{LLAMA, QWEN, Stack, chat};

/// What of an address is left at the replica, whatever the response makes of it; the status where it does not come there.
async fn arrives(stack: &Stack, request: Request) -> String {
    let reply = stack.send(request).await;
    if reply.status != 200 {
        return reply.status.to_string();
    }
    let mut replicas = stack.llama.replicas().iter().chain(stack.qwen.replicas());
    let served = reply.header("x-weir-replica");
    let replica = replicas.find(|replica| replica.address().to_string() == served).unwrap();
    let seen = replica.last_request();
    let body: Value = serde_json::from_str(seen["body"].as_str().unwrap()).unwrap();
    body["messages"][0]["content"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_place_that_can_name_a_policy_does_and_the_first_of_them_decides() {
    let stack = example("route-policies").start().await;
    let ask = |model: &str| chat(model, "mail ann@example.com");
    let partner = |model: &str| ask(model).header("host", "partners.example.com");
    let plain = "mail ann@example.com";
    let department = |name: &str| ask(QWEN).header("x-department", name);
    assert_eq!(arrives(&stack, ask("sql-expert")).await, plain, "the model's entry");
    assert_eq!(arrives(&stack, partner("sql-expert")).await, plain, "it comes first");
    assert_eq!(arrives(&stack, department("health")).await, "400", "the route");
    assert_eq!(arrives(&stack, department("tests")).await, plain, "switched off");
    assert_eq!(arrives(&stack, partner(QWEN)).await, "mail [EMAIL]", "the virtual host");
    let legal = arrives(&stack, department("legal")).await;
    assert!(legal.contains("EMAIL") && legal != "mail [EMAIL]", "the route's name: {legal}");
    let masked = arrives(&stack, ask(LLAMA)).await;
    assert!(masked.contains('*') && !masked.contains("ann@"), "the listener: {masked}");
    stack.assert_no_trap().await;
}
