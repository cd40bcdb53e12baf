//! From a generation request to its response.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::body::{BodyWriter, Framing, Gone, ReplyBody, full};
use crate::dialect::{Completion, Step, Usage, embeddings};
use crate::echo::Captured;
use crate::engine::{Job, Sequence};
use crate::failure::FailureMode;
use crate::lock;
use crate::prompt;
use crate::refusal::{Refusal, json_response};
use crate::reply::{self, Choice, Cut};
use crate::request::{Dialect, GenerationRequest};
use crate::script::{RawReply, ReplyScript};
use crate::state::State;

/// Answers `captured`, a request to a path of `dialect`.
pub(crate) async fn generate(
    state: &Arc<State>,
    dialect: Dialect,
    captured: &Captured,
) -> Result<Response<ReplyBody>, Refusal> {
    let mut request: GenerationRequest = serde_json::from_slice(&captured.body)?;
    let script = script(state, &mut request, captured)?;
    let failure = script.fail.unwrap_or_else(|| state.failure());
    if failure == FailureMode::Error500 {
        return Err(Refusal::Failing);
    }
    if failure == FailureMode::Reset {
        return Err(Refusal::Closing);
    }
    let call = Call { state, dialect, captured, request, framing: Framing::of(&script), failure };
    if let Some(raw) = &script.raw {
        return Ok(call.raw(raw)?);
    }
    let sequence = state.engine.admit(call.job()?).await;
    if failure == FailureMode::Hang {
        std::future::pending::<()>().await;
    }
    Ok(call.reply(&script, sequence).await)
}

/// The script of one request, from the replica, the body and the headers.
fn script(
    state: &State,
    request: &mut GenerationRequest,
    captured: &Captured,
) -> Result<ReplyScript, Refusal> {
    let standing = lock(&state.script).clone();
    let in_body = request.weir_reply.take().unwrap_or_default();
    let in_headers = ReplyScript::from_headers(&captured.headers)?;
    Ok(standing.overridden_by(in_body).overridden_by(in_headers))
}

struct Call<'a> {
    state: &'a Arc<State>,
    dialect: Dialect,
    captured: &'a Captured,
    request: GenerationRequest,
    framing: Framing,
    failure: FailureMode,
}

impl Call<'_> {
    fn model(&self) -> String {
        self.request.model.clone().unwrap_or_else(|| self.state.model().to_owned())
    }

    /// The work for the engine, or that the model is not served.
    fn job(&self) -> Result<Job, Refusal> {
        let settings = &self.state.settings;
        let model = self.model();
        let adapter = settings.adapters.contains(&model).then(|| model.clone());
        let known = settings.models.is_empty() || settings.models.contains(&model);
        if adapter.is_none() && !known {
            return Err(Refusal::UnknownModel(model));
        }
        let salt = self.request.cache_salt.as_deref().unwrap_or_default();
        let base = adapter.as_deref().unwrap_or(self.state.model());
        let namespace = format!("{base}\n{salt}");
        Ok(Job { namespace, adapter, prompt: prompt::render(self.dialect, &self.request) })
    }

    async fn reply(&self, script: &ReplyScript, sequence: Sequence) -> Response<ReplyBody> {
        if self.dialect == Dialect::Embeddings {
            sequence.finish("", 0);
            return self.document(embeddings(&self.request, &self.model()));
        }
        let completion = self.completion(script, &sequence);
        let reply = completion.choices.first().and_then(Choice::content).unwrap_or_default();
        let reply = prompt::continued(self.dialect, &reply);
        if self.request.stream == Some(true) {
            return self.stream(completion, sequence, reply);
        }
        let longest = completion.choices.iter().map(|choice| choice.tokens(completion.cut)).max();
        sequence.decoded(longest.unwrap_or(0).saturating_sub(1)).await;
        sequence.finish(&reply, completion.usage.completion);
        self.document(completion.document(self.dialect))
    }

    fn completion(&self, script: &ReplyScript, sequence: &Sequence) -> Completion {
        let (request, settings) = (&self.request, &self.state.settings);
        let seed = request.seed.map_or(settings.seed, i64::cast_unsigned);
        let seed = xxh3_64_with_seed(sequence.prompt().as_bytes(), seed);
        let cut = Cut::of(script);
        let choices = reply::compose(request, script, settings.output_tokens, seed);
        let completion = choices.iter().map(|choice| choice.tokens(cut)).sum();
        let (prompt, cached) = (sequence.prompt_tokens, sequence.cached_tokens);
        let wants_usage = request.stream_options.as_ref().and_then(|options| options.include_usage);
        Completion {
            id: self.state.next_id(),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs()),
            model: self.model(),
            choices,
            cut,
            usage: Usage { prompt, cached, completion },
            include_usage: wants_usage == Some(true),
            logprobs: request.logprob_alternatives(),
        }
    }

    fn document(&self, mut document: Value) -> Response<ReplyBody> {
        if let (true, Some(fields)) = (self.captured.wants_echo(), document.as_object_mut()) {
            let echo = self.captured.document(&self.state.name());
            fields.insert("weir_echo".to_owned(), echo);
        }
        let response = json_response(StatusCode::OK, &document);
        self.framed(response, document.to_string().into())
    }

    /// `response` with `body` written as the script and the failure mode want it.
    fn framed(&self, mut response: Response<ReplyBody>, body: Bytes) -> Response<ReplyBody> {
        let cut = self.failure == FailureMode::CutMidstream;
        let endless = self.failure == FailureMode::HangBeforeToken;
        if self.framing.is_plain() && !cut && !endless {
            *response.body_mut() = full(body);
            return response;
        }
        let steps = halves(body);
        let kept = if cut { 1 } else { steps.len() };
        self.write_steps(&mut response, steps, kept, None);
        response
    }

    fn stream(
        &self,
        completion: Completion,
        sequence: Sequence,
        reply: String,
    ) -> Response<ReplyBody> {
        let mut response = Response::new(full(Bytes::new()));
        let events = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, events);
        if self.captured.wants_echo() {
            let echo = self.captured.header_value(&self.state.name());
            response.headers_mut().insert(HeaderName::from_static("x-weir-echo"), echo);
        }
        let steps = completion.stream(self.dialect);
        let kept = match self.failure {
            FailureMode::CutMidstream => steps.len().div_ceil(2),
            FailureMode::NoDone => steps.len().saturating_sub(1),
            FailureMode::HangBeforeToken | FailureMode::CutBeforeToken | FailureMode::NoToken => 0,
            _ => steps.len(),
        };
        let end = End { sequence, reply, tokens: completion.usage.completion };
        self.write_steps(&mut response, steps, kept, Some(end));
        response
    }

    /// Writes the first `kept` of `steps` as the body of `response`, in a task of its own.
    fn write_steps(
        &self,
        response: &mut Response<ReplyBody>,
        mut steps: Vec<Step>,
        kept: usize,
        end: Option<End>,
    ) {
        response.headers_mut().extend(self.framing.headers());
        let (writer, body) = BodyWriter::new(self.framing.clone());
        *response.body_mut() = body;
        steps.truncate(kept);
        let last = match self.failure {
            FailureMode::CutMidstream | FailureMode::CutBeforeToken => Last::Cut,
            FailureMode::HangBeforeToken => Last::Never,
            _ => Last::End,
        };
        tokio::spawn(async move {
            // A client that went away ends its request; nobody is left to tell.
            let _ = write(writer, steps, end, last).await;
        });
    }

    fn raw(&self, raw: &RawReply) -> Result<Response<ReplyBody>, crate::ScriptError> {
        let mut response = Response::new(full(Bytes::new()));
        let status = raw.status.and_then(|code| StatusCode::from_u16(code).ok());
        *response.status_mut() = status.unwrap_or(StatusCode::OK);
        for (name, value) in &raw.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().append(name, value);
            }
        }
        Ok(self.framed(response, raw.bytes()?.into()))
    }
}

/// What is left to do when a stream has ended.
struct End {
    sequence: Sequence,
    reply: String,
    tokens: usize,
}

/// What comes after the last step of a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Its end.
    End,
    /// The connection breaks.
    Cut,
    /// Nothing, until the client has gone.
    Never,
}

async fn write(
    mut writer: BodyWriter,
    steps: Vec<Step>,
    end: Option<End>,
    last: Last,
) -> Result<(), Gone> {
    let mut tokens = 0_usize;
    for step in steps {
        if let (true, Some(end)) = (step.paced, &end) {
            end.sequence.decoded(tokens).await;
            tokens = tokens.saturating_add(1);
        }
        writer.write(step.bytes).await?;
    }
    match last {
        Last::End => {}
        Last::Cut => {
            writer.cut().await;
            return Err(Gone);
        }
        Last::Never => {
            writer.gone().await;
            return Err(Gone);
        }
    }
    if let Some(end) = end {
        end.sequence.finish(&end.reply, end.tokens);
    }
    writer.finish().await
}

/// A body in two steps, so that there is a middle to be cut at.
fn halves(mut body: Bytes) -> Vec<Step> {
    let first = body.split_to(body.len() / 2);
    [first, body].map(|bytes| Step { bytes, paced: false }).into()
}
