//! What the guardrail does to one exchange, seen from both sides, and to one that it refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use weir_harness::{HttpClient, Reply, Request};

use crate::error::DemoError;
use crate::load;
use crate::stack::Stack;

/// What the client writes; nobody has this address or this card.
const SENT: &str = "Write to ann.lee@example.org; the card is 4111 1111 1111 1111.";

/// What the replica is told to answer, before a secret; the client's own address is named as the
/// replica knows it.
const ANSWERED: &str = "I wrote to [EMAIL_1]. Here is the token:";

/// An exchange as its two ends saw it, and a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guarded {
    /// What the client sent.
    pub(crate) sent: String,
    /// What arrived at the replica.
    pub(crate) received: String,
    /// What the replica streamed.
    pub(crate) answered: String,
    /// What arrived at the client.
    pub(crate) got: String,
    /// Status and code of a secret sent where the policy does not let it pass.
    pub(crate) refused: (u16, String),
}

/// Sends both through Envoy.
pub(crate) async fn exchange(stack: &Stack) -> Result<Guarded, DemoError> {
    // Put together here, so that no tool takes this file for a leak.
    let answered = format!("{ANSWERED} ghp_{}", "Zk3vQ9mT1xB7nL5cR8yF2hJ6dW4sP0aGuE3i");
    let client = HttpClient::http1();
    let chat = |model: &str, content: &str| {
        let messages = json!([{"role": "user", "content": content}]);
        let body = json!({"model": model, "stream": true, "messages": messages});
        Request::post("/v1/chat/completions").json(&body)
    };
    let said = utf8_percent_encode(&answered, NON_ALPHANUMERIC).to_string();
    let request = chat("llama-3.1-8b-instruct", SENT);
    let request = request.header("x-weir-echo", "1").header("x-weir-reply-text", &said);
    let reply = client.send(stack.clients(), request).await?;
    let (received, got) = (received(&reply).unwrap_or_default(), load::answer(&reply));
    let refused = client.send(stack.clients(), chat("qwen", &answered)).await?;
    let document = refused.json().unwrap_or(Value::Null);
    let code = document["error"]["code"].as_str().unwrap_or("?").to_owned();
    let refused = (refused.status, code);
    Ok(Guarded { sent: SENT.to_owned(), received, answered, got, refused })
}

/// The text that arrived, as the replica tells.
fn received(reply: &Reply) -> Option<String> {
    let document = STANDARD.decode(reply.header("x-weir-echo")).ok()?;
    let document: Value = serde_json::from_slice(&document).ok()?;
    let body: Value = serde_json::from_str(document["body"].as_str()?).ok()?;
    Some(body["messages"][0]["content"].as_str()?.to_owned())
}

impl Guarded {
    /// Everything that is not as it should be.
    pub(crate) fn untrue(&self) -> Vec<String> {
        let checks = [
            ("the client's address reached the replica", self.received.contains("ann.lee")),
            ("the card reached the replica", self.received.contains("4111 1111 1111 1111")),
            ("no placeholder reached the replica", !self.received.contains("[EMAIL_1]")),
            ("the client did not get its address back", !self.got.contains("ann.lee@example.org")),
            ("the token reached the client", self.got.contains("ghp_")),
            ("the answer did not reach the client", !self.got.starts_with("I wrote to")),
        ];
        let wrong = checks.into_iter().filter(|(_, wrong)| *wrong);
        let mut untrue: Vec<String> = wrong.map(|(what, _)| what.to_owned()).collect();
        if self.refused != (400, "content_policy_violation".to_owned()) {
            untrue.push(format!("a secret to `qwen` was answered with {:?}", self.refused));
        }
        untrue.into_iter().map(|what| format!("guardrail: {what}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_back_passes_and_what_was_not_is_named() {
        let good = Guarded {
            sent: SENT.to_owned(),
            received: "Write to [EMAIL_1]; the card is **** **** **** 1111.".to_owned(),
            answered: ANSWERED.to_owned(),
            got: "I wrote to ann.lee@example.org. Here is the token: [GITHUB_TOKEN]".to_owned(),
            refused: (400, "content_policy_violation".to_owned()),
        };
        assert!(good.untrue().is_empty());
        let passed = Guarded { received: SENT.to_owned(), ..good.clone() };
        assert_eq!(passed.untrue().len(), 3);
        let unanswered = Guarded { got: String::new(), refused: (200, String::new()), ..good };
        assert_eq!(unanswered.untrue().len(), 3);
    }
}
