//! The real client libraries, which have opinions on every byte.

use std::process::{Command, Output};

use weir_harness::workspace;

use crate::stack::Plan;

/// Runs a script with the address of a gateway.
pub(crate) async fn run(script: &str, base: String) -> Output {
    run_with(script, &[&base]).await
}

/// Runs a script with these arguments.
pub(crate) async fn run_with(script: &str, arguments: &[&str]) -> Output {
    let python = workspace::python().unwrap();
    let mut command = Command::new(python);
    command.arg(workspace::file("integration/e2e/clients").join(script)).args(arguments);
    let run = move || command.output();
    tokio::task::spawn_blocking(run).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_and_anthropic_clients_work_through_the_chain() {
    let stack = Plan::quickstart().start().await;
    let _sidecar = stack.sidecar().await;
    for script in ["openai_client.py", "anthropic_client.py"] {
        let output = run(script, format!("http://{}", stack.envoy.clients())).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {errors}");
    }
    stack.assert_no_trap().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_see_redacted_responses_with_choices_and_tool_calls() {
    let stack = Plan::guarding(crate::guardrail::REDACTING).start().await;
    for script in ["guarded_openai.py", "guarded_anthropic.py"] {
        let output = run(script, format!("http://{}", stack.envoy.clients())).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {errors}");
    }
    stack.assert_no_trap().await;
}
