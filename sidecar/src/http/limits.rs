//! `/limits`: limits of the fleet, and what people want of their keys. All of it is signed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::json;
use tokio::time::timeout;
use tracing::warn;
use weir_snapshot::limit_commands::{LimitCommand, MAX_COMMAND_BYTES, PATH};
use weir_snapshot::signature::{HEADER, SignatureError, TIME_HEADER};

use super::page::{Page, State};
use crate::config::Key;
use crate::leases::{CommandError, carry_out, list};

/// How long a client may take for the body of a command.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// What to do about a refusal.
const HINT: &str = "weir limits needs the key that pushes are signed with, and clocks within 30 s";

/// Answers a request for `/limits`.
pub(super) async fn answer(request: Request<Incoming>, state: &State) -> Page {
    let (parts, body) = request.into_parts();
    if parts.method == Method::GET {
        return listed(&parts.headers, state);
    }
    if parts.method != Method::POST {
        return problem(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "there are GET and POST",
        );
    }
    let body = timeout(BODY_TIMEOUT, Limited::new(body, MAX_COMMAND_BYTES).collect()).await;
    let Ok(Ok(body)) = body else {
        return problem(
            StatusCode::BAD_REQUEST,
            "unreadable",
            "the body is too long, or did not come",
        );
    };
    commanded(&parts.headers, &body.to_bytes(), state).await
}

fn listed(headers: &HeaderMap, state: &State) -> Page {
    let signed = signed(headers, state, |key, given, now| key.verify_look(PATH, given, now));
    match (signed, &state.leases) {
        (Err(page), _) => page,
        (Ok(()), Some(leases)) => Page::of(StatusCode::OK, &list(leases)),
        (Ok(()), None) => no_redis(),
    }
}

async fn commanded(headers: &HeaderMap, body: &[u8], state: &State) -> Page {
    let signed =
        signed(headers, state, |key, given, now| key.verify_command((PATH, body), given, now));
    if let Err(page) = signed {
        return page;
    }
    let (Some(leases), Some(redis)) = (&state.leases, &state.redis) else { return no_redis() };
    // What serde says could repeat whom the command is for.
    let Ok(command) = serde_json::from_slice::<LimitCommand>(body) else {
        leases.count_refused();
        return problem(StatusCode::BAD_REQUEST, "malformed", "the body is no command");
    };
    match carry_out(leases, redis, &command).await {
        Ok(standing) => Page::of(StatusCode::OK, &standing),
        Err(error) => {
            leases.count_refused();
            let (status, code) = match error {
                CommandError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
                CommandError::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_limit"),
                CommandError::Away(_) => (StatusCode::SERVICE_UNAVAILABLE, "redis_unavailable"),
            };
            problem(status, code, &error.to_string())
        }
    }
}

/// The two headers of a signature.
type Given<'h> = (Option<&'h [u8]>, Option<&'h [u8]>);

/// Whether a request is signed with one of the keys, now. Without a key nobody is let in.
fn signed(
    headers: &HeaderMap,
    state: &State,
    verify: impl Fn(&Key, Given<'_>, u64) -> Result<(), SignatureError>,
) -> Result<(), Page> {
    let header = |name: &str| headers.get(name).map(|value| value.as_bytes());
    let given = (header(TIME_HEADER), header(HEADER));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let Some(first) = state.keys.at(0) else {
        let message = "this sidecar has no key (signing_key_env or signing_key_file), so it takes no commands";
        return Err(problem(StatusCode::FORBIDDEN, "no_key", message));
    };
    let checked = verify(first, given, now).or_else(|error| match state.keys.at(1) {
        Some(second) => verify(second, given, now).map_err(|_| error),
        None => Err(error),
    });
    checked.map_err(|error| {
        let due = state.leases.as_ref().is_some_and(|leases| leases.count_refused());
        if due {
            warn!(%error, HINT, "a request for /limits was refused");
        }
        problem(StatusCode::UNAUTHORIZED, "unsigned", &format!("{error} ({HINT})"))
    })
}

fn no_redis() -> Page {
    let message = "this sidecar shares no limits: its configuration has no `redis`";
    problem(StatusCode::CONFLICT, "no_redis", message)
}

fn problem(status: StatusCode, code: &str, message: &str) -> Page {
    Page::of(status, &json!({ "error": { "code": code, "message": message } }))
}
