//! Pages that are meant to hurt, or as good as: none of them takes more than its replica.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Behaviour, Intake, Replica, Sidecar, eventually, vllm, yaml};

/// What gzip makes of an empty file.
const GZIP: [u8; 20] = [31, 139, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn text(page: &str) -> Behaviour {
    Behaviour::Page(page.as_bytes().to_vec())
}

#[tokio::test]
async fn a_hostile_page_marks_its_replica_and_nobody_else() {
    let (bad, good) = (Replica::start(vllm(3, 7)).await, Replica::start(vllm(1, 1)).await);
    let elsewhere = Replica::start(vllm(9, 9)).await;
    let intake = Intake::tcp().await;
    let addresses = [bad.address, good.address];
    let sidecar = Sidecar::start(&yaml(&addresses, &[&intake.target], "")).await;
    let redirect = Behaviour::Redirect(format!("http://{}/metrics", elsewhere.address));
    let many: String = (0..50_000)
        .map(|at| format!("vllm:num_requests_waiting{{engine=\"{at}\"}} 9e9\n"))
        .collect();
    let deep = format!("vllm:num_requests_waiting{} 1\n", "{a=\"".repeat(50_000));
    for (behaviour, state, reason) in [
        (Behaviour::Huge, "degraded", "more than 4194304 bytes"),
        (Behaviour::Endless, "degraded", "more than 4194304 bytes"),
        (Behaviour::Drip, "unreachable", "no answer within 500ms"),
        (Behaviour::Page(GZIP.to_vec()), "degraded", "compressed"),
        (redirect, "degraded", "status 302"),
        (text("vllm:num_requests_waiting NaN\n"), "degraded", "out of range"),
        (text("vllm:num_requests_waiting +Inf\n"), "degraded", "out of range"),
        (text("vllm:num_requests_waiting -1e300\n"), "degraded", "out of range"),
        (text("vllm:num_requests_waiting \"three\"\n"), "degraded", "malformed"),
        (
            text(
                "vllm:num_requests_waiting{engine=\"0\"} 3\nvllm:num_requests_waiting{engine=\"0\"} 3\n",
            ),
            "degraded",
            "twice",
        ),
        (
            text(
                "# TYPE vllm:num_requests_waiting histogram\nvllm:num_requests_waiting_bucket{le=\"1\"} 3\n",
            ),
            "degraded",
            "neither",
        ),
        (text(&many), "degraded", "out of range"),
        (text(&deep), "degraded", "malformed"),
    ] {
        bad.set(vllm(3, 7));
        sidecar.endpoint_in(0, "ready").await;
        let what = format!("{reason} as {state}");
        bad.set(behaviour);
        sidecar
            .endpoint_where(0, &what, |endpoint| {
                let found = endpoint["reason"].as_str().unwrap_or_default();
                endpoint["state"] == state && found.contains(reason)
            })
            .await;
        let polls = good.polls();
        eventually("polls of the good one", async || (good.polls() > polls + 3).then_some(()))
            .await;
        sidecar.endpoint_in(1, "ready").await;
    }
    assert_eq!(elsewhere.polls(), 0, "nobody is sent elsewhere");
    sidecar.daemon.stop().await;
}

/// A server that answers each connection with these bytes, one at a time, for ever.
async fn dripping(bytes: &'static [u8]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                for byte in bytes.iter().cycle() {
                    if stream.write_all(&[*byte]).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_head_that_never_ends_and_one_that_is_none_hold_up_nobody() {
    let slow = dripping(b"HTTP/1.1 200 OK\r\nx-padding: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    let noise = dripping(b"\x16\x03\x01\xff\xfe").await;
    let good = Replica::start(vllm(1, 1)).await;
    let intake = Intake::tcp().await;
    let sidecar = Sidecar::start(&yaml(&[slow, noise, good.address], &[&intake.target], "")).await;
    sidecar.endpoint_in(0, "unreachable").await;
    sidecar.endpoint_in(1, "unreachable").await;
    sidecar.endpoint_in(2, "ready").await;
    sidecar.daemon.stop().await;
}
