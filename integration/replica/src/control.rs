//! Requests that look at a replica or change it, under `/_weir/`.
//!
//! * `GET /_weir/last`: the last request that arrived, as [`Captured::document`] writes it.
//! * `POST /_weir/fail` `{"mode": "hang", "address": "127.0.0.1:9002"}`: sets a failure mode.
//! * `POST /_weir/reply` with a [`ReplyScript`]: replaces the script of all later requests.
//! * `POST /_weir/restart`: forgets what a restart forgets: cached prefixes and counters; another time of start.
//! * `POST /_weir/reset`: forgets cached prefixes, script, failure mode and the last request.
//!
//! Every replica of a process can be changed through any other: `address` (or the query
//! `?address=…`) names it, which is how a replica that refuses connections is brought back.

use std::sync::Arc;

use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::body::ReplyBody;
use crate::echo::Captured;
use crate::failure::FailureMode;
use crate::lock;
use crate::refusal::{Refusal, json_response};
use crate::script::ReplyScript;
use crate::state::{Shared, State};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fail {
    mode: FailureMode,
    address: Option<String>,
}

/// Answers a control request that came to `own`.
pub(crate) fn answer(
    shared: &Shared,
    own: &Arc<State>,
    captured: &Captured,
) -> Result<Response<ReplyBody>, Refusal> {
    let query = captured.uri.query().unwrap_or_default();
    let target = find(shared, own, query.strip_prefix("address="))?;
    match (&captured.method, captured.uri.path()) {
        (&Method::GET, "/_weir/last") => Ok(last(&target)),
        (&Method::POST, "/_weir/fail") => {
            let fail: Fail = serde_json::from_slice(&captured.body)?;
            let target =
                fail.address.as_deref().map_or(Ok(target), |at| find(shared, own, Some(at)))?;
            target.set_failure(fail.mode);
            Ok(done(&target))
        }
        (&Method::POST, "/_weir/reply") => {
            let script: ReplyScript = serde_json::from_slice(&captured.body)?;
            *lock(&target.script) = script;
            Ok(done(&target))
        }
        (&Method::POST, "/_weir/restart") => {
            target.engine.restart();
            Ok(done(&target))
        }
        (&Method::POST, "/_weir/reset") => {
            target.reset();
            Ok(done(&target))
        }
        _ => Err(Refusal::UnknownPath),
    }
}

fn find(shared: &Shared, own: &Arc<State>, address: Option<&str>) -> Result<Arc<State>, Refusal> {
    let Some(address) = address else { return Ok(Arc::clone(own)) };
    let found = shared.states.iter().find(|state| state.name() == address);
    found.cloned().ok_or(Refusal::UnknownPath)
}

fn last(state: &State) -> Response<ReplyBody> {
    match &*lock(&state.last) {
        Some(captured) => json_response(StatusCode::OK, &captured.document(&state.name())),
        None => json_response(StatusCode::NOT_FOUND, &Value::Null),
    }
}

fn done(state: &State) -> Response<ReplyBody> {
    json_response(StatusCode::OK, &json!({"replica": state.name(), "mode": state.failure()}))
}
