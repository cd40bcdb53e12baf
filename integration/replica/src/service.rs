//! Which request gets which answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::ReplyBody;
use crate::control;
use crate::echo::Captured;
use crate::failure::FailureMode;
use crate::fast;
use crate::generate::generate;
use crate::lock;
use crate::refusal::{Refusal, json_response, typed_response};
use crate::request::Dialect;
use crate::script::ReplyScript;
use crate::state::{Shared, State};

/// Longest request body that is taken, in bytes.
const BODY_LIMIT: usize = 64 << 20;

/// How long `/metrics` takes in the slow failure mode; longer than any poll interval.
const SLOW_METRICS: Duration = Duration::from_secs(10);

const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers one request to the replica `state` of `shared`; an error closes the connection.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    state: Arc<State>,
    request: Request<Incoming>,
) -> io::Result<Response<ReplyBody>> {
    if state.settings.fast && request.method() == Method::POST {
        return Ok(fast::answer(&state.prepared, request).await);
    }
    let dialect = Dialect::of_path(request.uri().path());
    let answered = match capture(request).await {
        Ok(captured) => route(&shared, &state, dialect, captured).await,
        Err(refusal) => Err(refusal),
    };
    if matches!(answered, Err(Refusal::Closing)) {
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    }
    let mut response = answered.unwrap_or_else(|refusal| refusal.response(dialect));
    if let Ok(name) = HeaderValue::try_from(state.name()) {
        response.headers_mut().insert("x-weir-replica", name);
    }
    Ok(response)
}

async fn capture(request: Request<Incoming>) -> Result<Captured, Refusal> {
    let (parts, body) = request.into_parts();
    let collected = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(collected) => collected,
        Err(error) if error.is::<LengthLimitError>() => return Err(Refusal::TooLarge(BODY_LIMIT)),
        Err(_) => return Err(Refusal::Failing),
    };
    Ok(Captured {
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
        trailers: collected.trailers().cloned(),
        body: collected.to_bytes(),
    })
}

async fn route(
    shared: &Shared,
    state: &Arc<State>,
    dialect: Option<Dialect>,
    captured: Captured,
) -> Result<Response<ReplyBody>, Refusal> {
    let path = captured.uri.path().to_owned();
    match (&captured.method, path.as_str()) {
        (_, "/health") => return Ok(health(state)),
        (_, "/metrics") => return Ok(metrics(state).await),
        (_, control) if control.starts_with("/_weir/") => {
            return control::answer(shared, state, &captured);
        }
        _ => *lock(&state.last) = Some(captured.clone()),
    }
    match (&captured.method, dialect) {
        (&Method::POST, Some(dialect)) => {
            state.requests.fetch_add(1, Ordering::Relaxed);
            let mut response = generate(state, dialect, &captured).await?;
            report_load(state, &captured, &mut response);
            Ok(response)
        }
        // What other APIs answer is given byte for byte.
        (&Method::POST, None) if ReplyScript::from_headers(&captured.headers)?.raw.is_some() => {
            generate(state, Dialect::Chat, &captured).await
        }
        (&Method::GET, None) if path == "/v1/models" => Ok(models(state)),
        _ => Err(Refusal::UnknownPath),
    }
}

fn health(state: &State) -> Response<ReplyBody> {
    let sick = matches!(state.failure(), FailureMode::Hang | FailureMode::Error500);
    let status = if sick { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    typed_response(status, "text/plain", "")
}

async fn metrics(state: &State) -> Response<ReplyBody> {
    match state.failure() {
        FailureMode::GarbageMetrics => {
            let garbage: &[u8] = b"\xff\xfe<html>vllm:num_requests_waiting{ NaN nonsense\n{{{\0";
            return typed_response(StatusCode::OK, METRICS_TYPE, garbage);
        }
        FailureMode::SlowMetrics => tokio::time::sleep(SLOW_METRICS).await,
        _ => {}
    }
    typed_response(StatusCode::OK, METRICS_TYPE, state.engine.metrics_page(state.model()))
}

fn models(state: &State) -> Response<ReplyBody> {
    let base = state.model();
    let card = |name: &str, parent: Option<&str>| -> Value {
        json!({
            "id": name, "object": "model", "created": 0, "owned_by": "vllm",
            "root": name, "parent": parent, "max_model_len": 131_072,
        })
    };
    let served = if state.settings.models.is_empty() {
        vec![card(base, None)]
    } else {
        state.settings.models.iter().map(|name| card(name, None)).collect()
    };
    let adapters = state.settings.adapters.iter().map(|name| card(name, Some(base)));
    let data: Vec<Value> = served.into_iter().chain(adapters).collect();
    json_response(StatusCode::OK, &json!({"object": "list", "data": data}))
}

/// Adds vLLM's ORCA report when the request asks for one with
/// `endpoint-load-metrics-format: TEXT` or `JSON`. A script may report something else.
fn report_load(state: &State, captured: &Captured, response: &mut Response<ReplyBody>) {
    let Some(format) = captured.headers.get("endpoint-load-metrics-format") else { return };
    if response.headers().contains_key("endpoint-load-metrics") {
        return;
    }
    let (cache, waiting) = state.engine.load_report();
    let report = if format.as_bytes().eq_ignore_ascii_case(b"json") {
        let metrics = json!({"kv_cache_usage_perc": cache, "num_requests_waiting": waiting});
        format!("JSON {}", json!({"named_metrics": metrics}))
    } else {
        let names = ["kv_cache_usage_perc", "num_requests_waiting"];
        let [first, second] = names.map(|name| format!("named_metrics.{name}"));
        format!("TEXT {first}={cache},{second}={waiting}")
    };
    if let Ok(value) = HeaderValue::try_from(report) {
        response.headers_mut().insert("endpoint-load-metrics", value);
    }
}
