//! OpenAI's older text completions.

use serde_json::{Value, json};

use super::completion::{Completion, Delta, Step, data, put};
use crate::reply::Choice;

pub(super) fn document(reply: &Completion) -> Value {
    let choices = reply.choices.iter().enumerate().map(|(index, choice)| {
        let logprobs = reply.logprobs.map(|alternatives| {
            let text = text_of(choice);
            logprobs(&reply.cut.pieces(&text), alternatives)
        });
        json!({
            "index": index, "text": text_of(choice),
            "logprobs": logprobs, "finish_reason": choice.finish,
        })
    });
    envelope(reply, choices.collect(), Some(reply.usage.openai()))
}

pub(super) fn stream(reply: &Completion) -> Vec<Step> {
    let rounds = reply.rounds();
    let mut steps: Vec<Step> = rounds
        .iter()
        .map(|round| Step::paced(round.iter().map(|delta| delta_chunk(reply, delta)).collect()))
        .collect();
    let ends = reply.choices.iter().enumerate().map(|(index, choice)| {
        let end =
            json!({"index": index, "text": "", "logprobs": null, "finish_reason": choice.finish});
        data(&envelope(reply, vec![end], None))
    });
    steps.push(Step::unpaced(ends.collect()));
    if reply.include_usage {
        let last = envelope(reply, Vec::new(), Some(reply.usage.openai()));
        steps.push(Step::unpaced(data(&last)));
    }
    steps.push(Step::unpaced("data: [DONE]\n\n".to_owned()));
    steps
}

fn envelope(reply: &Completion, choices: Vec<Value>, usage: Option<Value>) -> Value {
    let mut body = json!({
        "id": format!("cmpl-{:016x}", reply.id),
        "object": "text_completion",
        "created": reply.created,
        "model": reply.model,
        "choices": choices,
    });
    if let Some(usage) = usage {
        put(&mut body, "usage", usage);
    }
    body
}

fn text_of(choice: &Choice) -> String {
    choice.content().unwrap_or_default()
}

fn delta_chunk(reply: &Completion, delta: &Delta<'_>) -> String {
    let logprobs = reply.logprobs.map(|alternatives| logprobs(&[delta.text], alternatives));
    let choice = json!({
        "index": delta.choice, "text": delta.text, "logprobs": logprobs, "finish_reason": null,
    });
    data(&envelope(reply, vec![choice], None))
}

fn logprobs(tokens: &[&str], alternatives: usize) -> Value {
    let offset = |at: &mut usize, token: &&str| {
        let here = *at;
        *at = at.saturating_add(token.chars().count());
        Some(here)
    };
    let top = |token: &&str| (alternatives > 0).then(|| json!({(*token): -0.25}));
    json!({
        "tokens": tokens,
        "token_logprobs": tokens.iter().map(|_| -0.25).collect::<Vec<_>>(),
        "top_logprobs": tokens.iter().map(top).collect::<Vec<_>>(),
        "text_offset": tokens.iter().scan(0, offset).collect::<Vec<_>>(),
    })
}
