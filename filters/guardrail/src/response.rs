//! The response's way.

mod failure;
mod streamed;

pub(crate) use failure::inspect_failure;
pub(crate) use streamed::inspect_chunk;

use weir_detect::{Direction, OnTrouble};
use weir_guard::{BodyInspection, Report, StreamGuard, Trouble, Watch, inspect_response};
use weir_host::{Body, HeaderBlock, HeaderMap, Host, HostError};
use weir_request::SUMS;
use weir_wire::beginning::{self, Beginning};
use weir_wire::edit;
use weir_wire::error::ErrorReply;
use weir_wire::path::Dialect;

use crate::request::Exchange;
use crate::shared::Shared;
use crate::timing::Stopwatch;

/// What a response is.
pub(crate) enum Response {
    /// Held until it is complete.
    Whole(Form),
    /// Replaced: what is still to come of it does not pass.
    Replaced,
    /// Passed on event by event; with the time that took so far.
    Stream { guard: Box<StreamGuard>, stopwatch: Stopwatch },
}

/// What the headers of a response that is held say of its body.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// What the body is, or why it cannot be inspected.
    kind: Result<Kind, Trouble>,
    status: u16,
    has_length: bool,
    has_sums: bool,
    /// What the body is by how it begins was not seen yet.
    unseen: bool,
}

impl Form {
    /// Whether clients take it for anything else than an answer: an error or a redirect, which keep their
    /// status whatever becomes of their bodies.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self.status, 200..300)
    }

    /// Looks at how the body begins, of which so many bytes are there, until that shows; true where it is a stream of
    /// events that calls itself something else.
    pub(crate) fn is_events<H: Host>(&mut self, host: &H, size: usize) -> bool {
        if !self.unseen || self.is_failure() || size == 0 {
            return false;
        }
        // A length that is too large for the host to show is looked at when the body is.
        let bytes = host.body(Body::Response, 0, size.min(beginning::MOST_BYTES));
        let seen = bytes.ok().and_then(|bytes| Beginning::of(&bytes));
        self.unseen = seen.is_none();
        if seen == Some(Beginning::Document) && self.kind.is_err() {
            self.kind = Ok(Kind::Json);
        }
        let is_events = seen == Some(Beginning::Events);
        if is_events {
            self.kind = Ok(Kind::Events);
        }
        is_events
    }

    /// Whether the body cannot be inspected, and its first byte decides: there may be none (204, an empty
    /// body in chunks, HEAD).
    pub(crate) fn is_unreadable(self) -> bool {
        self.kind.is_err() && !self.is_failure() && !self.unseen
    }
}

/// What of a response with that status has no body to wait for: a connection that becomes another.
const SWITCHING_PROTOCOLS: u16 = 101;

/// What lets clients keep the replica's bytes or ask for parts of them (RFC 9110): like sums over them
/// true of nothing else.
const VALIDATORS: [&str; 2] = ["etag", "accept-ranges"];

/// Headers that are true of the replica's bytes only.
fn true_of_bytes() -> impl Iterator<Item = &'static str> {
    SUMS.into_iter().chain(VALIDATORS)
}

/// How a response goes on from its headers.
pub(crate) enum Opened {
    /// It is inspected.
    Inspected(Response),
    /// It passes.
    Passes,
    /// It is withheld.
    Withheld(ErrorReply),
}

/// Looks at the headers of a response that has a body.
///
/// # Errors
/// What the host says to the removal of a header.
pub(crate) fn open<H: Host>(
    host: &H,
    shared: &Shared,
    exchange: &Exchange,
    found: &mut Report,
) -> Result<Opened, HostError> {
    let headers = host.header_block(HeaderMap::Response);
    let has_length = headers.get("content-length").is_some();
    let has_sums = true_of_bytes().any(|name| headers.get(name).is_some());
    // Gemini streams as an array of JSON what it streams as events with `alt=sse`.
    let in_array = exchange.dialect() == Dialect::Gemini && exchange.asks_stream();
    let status = status(&headers);
    let form = Form { kind: kind(&headers), status, has_length, has_sums, unseen: true };
    let blocks = |trouble: Trouble| trouble.treatment(&exchange.policy.policy) == OnTrouble::Block;
    let switches = status == SWITCHING_PROTOCOLS;
    match form.kind {
        _ if form.is_failure() && !switches => {}
        Err(trouble) if !blocks(trouble) && BODILESS.contains(&status) => {
            return Ok(Opened::Passes);
        }
        // What has no type, or another one, or a coding that is none, may be an answer all the same: how it
        // begins tells.
        Err(_) if !switches => {}
        Err(trouble) => {
            return Ok(match withheld(exchange, found, trouble) {
                Some(error) => Opened::Withheld(error),
                None => Opened::Passes,
            });
        }
        Ok(kind)
            if matches!(kind, Kind::Events | Kind::Lines) || kind == Kind::Json && in_array =>
        {
            return stream(host, shared, exchange, form).map(Opened::Inspected);
        }
        Ok(_) => {}
    }
    Ok(Opened::Inspected(Response::Whole(form)))
}

/// A stream, whose headers are here: of events, in lines, or in an array.
///
/// # Errors
/// What the host says to the removal of a header.
pub(crate) fn stream<H: Host>(
    host: &H,
    shared: &Shared,
    exchange: &Exchange,
    form: Form,
) -> Result<Response, HostError> {
    if form.has_length {
        host.remove_header(HeaderMap::Response, "content-length")?;
    }
    // The headers leave before it is known what is edited.
    if form.has_sums && exchange.policy.edits_responses {
        remove_sums(host)?;
    }
    let watch = exchange.watch.clone();
    let guard = StreamGuard::new(watch, exchange.dialect(), exchange.operation())
        .sharing(shared.shapes.clone());
    let guard = match form.kind {
        Ok(Kind::Json) => guard.in_array(),
        Ok(Kind::Lines) => guard.in_lines(),
        _ => guard,
    };
    let stopwatch = shared.metrics.stopwatch(Direction::Response);
    Ok(Response::Stream { guard: Box::new(guard), stopwatch })
}

/// What a status without a body says (RFC 9110, 15.3).
const BODILESS: [u16; 2] = [204, 205];

/// The status; 200 where there is none that could be read.
fn status(headers: &HeaderBlock) -> u16 {
    let status = headers.get(":status").and_then(|status| std::str::from_utf8(status).ok());
    status.and_then(|status| status.parse().ok()).unwrap_or(200)
}

fn remove_sums<H: Host>(host: &H) -> Result<(), HostError> {
    true_of_bytes().try_for_each(|name| host.remove_header(HeaderMap::Response, name))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Events,
    /// A stream of JSON documents, each on a line.
    Lines,
    Json,
    Text,
}

fn kind(headers: &HeaderBlock) -> Result<Kind, Trouble> {
    let encoding = headers.get("content-encoding").unwrap_or(b"identity");
    if !encoding.eq_ignore_ascii_case(b"identity") {
        return Err(Trouble::Compressed);
    }
    let kind = headers.get("content-type").unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let kind = kind.to_ascii_lowercase();
    match kind.as_slice() {
        b"text/event-stream" => Ok(Kind::Events),
        b"application/json" => Ok(Kind::Json),
        lines if lines.ends_with(b"ndjson") || lines.ends_with(b"jsonl") => Ok(Kind::Lines),
        json if json.starts_with(b"application/") && json.ends_with(b"+json") => Ok(Kind::Json),
        text if text.starts_with(b"text/") => Ok(Kind::Text),
        _ => Err(Trouble::ContentType),
    }
}

/// The reply in place of a response that cannot be inspected; `None` if the policy lets it pass.
fn withheld(exchange: &Exchange, found: &mut Report, trouble: Trouble) -> Option<ErrorReply> {
    let refused = found.trouble(trouble, &exchange.policy.policy);
    refused.then(|| ErrorReply::response_violation(&found.blocking()))
}

/// Inspects a whole body, which is held, and edits it. Answers with the reply in its place if it
/// is withheld.
///
/// # Errors
/// What the host says to the edits.
pub(crate) fn inspect_whole<H: Host>(
    host: &H,
    shared: &Shared,
    exchange: &Exchange,
    (form, body): (Form, &[u8]),
    found: &mut Report,
) -> Result<Option<ErrorReply>, HostError> {
    if body.is_empty() {
        return Ok(None);
    }
    let kind = match form.kind {
        Err(trouble) => return Ok(withheld(exchange, found, trouble)),
        _ if exchange.is_too_large(body.len() as u64) => {
            return Ok(withheld(exchange, found, Trouble::TooLarge));
        }
        Ok(kind) => kind,
    };
    let watch: &Watch = &exchange.watch;
    let mut stopwatch = shared.metrics.stopwatch(Direction::Response);
    let BodyInspection { edits, report, refusal } =
        stopwatch.time(host, || inspect_response(watch, body, kind == Kind::Json));
    shared.metrics.scanned(host, Direction::Response, &stopwatch);
    *found = report;
    if refusal.is_some() {
        return Ok(Some(ErrorReply::response_violation(&found.blocking())));
    }
    write_edited(host, form, body, &edits)?;
    Ok(None)
}

/// Writes the edits of a body that is held.
fn write_edited<H: Host>(
    host: &H,
    form: Form,
    body: &[u8],
    edits: &[edit::Edit],
) -> Result<(), HostError> {
    if edits.is_empty() {
        return Ok(());
    }
    let edited = edit::apply(body, edits).map_err(|_| HostError::BadArgument)?;
    write(host, form, &edited)
}

/// Writes another body in place of one that is held.
fn write<H: Host>(host: &H, form: Form, body: &[u8]) -> Result<(), HostError> {
    // The length first: a body that does not fit it is worse than one that is not edited.
    if form.has_length {
        let length = body.len().to_string();
        host.set_header(HeaderMap::Response, "content-length", length.as_bytes())?;
    }
    if form.has_sums {
        remove_sums(host)?;
    }
    host.replace_body_front(Body::Response, usize::MAX, body)
}
