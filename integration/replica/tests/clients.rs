//! The replica speaks what real clients understand.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed step is a failed test")]

use weir_harness::workspace;
use weir_replica::{Fleet, Settings, Timing};

#[tokio::test(flavor = "multi_thread")]
async fn the_openai_and_anthropic_clients_understand_it() {
    let settings =
        Settings { models: vec!["m".into()], timing: Timing::instant(), ..Settings::default() };
    let addresses = ["127.0.0.1:0".parse().unwrap()];
    let fleet = Fleet::start(&addresses, settings).await.unwrap();
    let base = format!("http://{}", fleet.replicas()[0].address());
    let script = workspace::file("integration/replica/tests/clients.py");
    let python = workspace::python().unwrap();
    let run = move || std::process::Command::new(python).arg(script).arg(base).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
