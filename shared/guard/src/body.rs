//! Whole bodies.

use std::sync::Arc;

use weir_detect::{Direction, Policy, Pseudonyms, SystemPrompt};
use weir_wire::WireError;
use weir_wire::content::{Form, LongStrings, Plain, Role, Side, Tape, TextField, Texts};

use crate::Watch;
use crate::inspection::{BodyInspection, Refusal, ScanCounts};
use crate::inspector::BodyInspector;
use crate::readable::tape_of;
use crate::recall::Recall;
use crate::report::Trouble;

/// What became of a request, and what its response is judged by.
#[derive(Clone, Debug)]
pub struct RequestInspection {
    /// What became of the body.
    pub inspected: BodyInspection,
    /// For the response.
    pub watch: Watch,
    /// Texts that were long enough to be remembered.
    pub texts: ScanCounts,
}

/// The body of a request, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct RequestBody<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// It was sent to an API this crate knows; otherwise all of it is JSON of any form.
    pub known: bool,
    /// It was read by [`RequestScanner`](weir_wire::request::RequestScanner), which found nothing wrong
    /// with it, and perhaps noted the long strings.
    pub read: Option<&'a LongStrings>,
}

/// Inspects the body of a request. `known` says that it was sent to an API this crate knows;
/// otherwise all of it is JSON of any form. `saturated` skips the rules marked optional.
pub fn inspect_request(
    policy: &Arc<Policy>,
    body: &[u8],
    known: bool,
    saturated: bool,
) -> RequestInspection {
    let body = RequestBody { bytes: body, known, read: None };
    inspect_request_again(policy, body, saturated, None)
}

/// The same, but texts in which nothing was found before are not scanned again. The policy must
/// live as long as `recall`.
pub fn inspect_request_again(
    policy: &Arc<Policy>,
    RequestBody { bytes: body, known, read }: RequestBody<'_>,
    saturated: bool,
    recall: Option<&mut Recall>,
) -> RequestInspection {
    let mut watch = Watch { saturated, ..Watch::new(policy.clone()) };
    let tape = match read.map_or_else(|| Tape::read(body), |long| Tape::read_valid(body, long)) {
        Ok(tape) => tape,
        Err(error) => {
            let inspected = malformed(policy, error);
            return RequestInspection { inspected, watch, texts: ScanCounts::default() };
        }
    };
    let texts = match known {
        true => of_policy(policy, Texts::of(&tape, body, Side::Request)),
        false => Texts::of_any(&tape, body),
    };
    let mut names = Pseudonyms::default();
    if policy.pseudonymises() {
        // What is signed keeps the names of an earlier turn, for values that come again in this one.
        let unsigned = texts.fields.iter().filter(|field| !field.signed);
        let texts = unsigned.filter_map(|field| body.get(field.span.clone()));
        texts.filter_map(Plain::of).for_each(|plain| names.reserve(plain.text()));
    }
    let mut inspector = BodyInspector::new(policy, Direction::Request, saturated, &mut names, body);
    inspector.recall = recall;
    inspector.troubles(&texts);
    let inspects = |field: &&TextField| {
        let role = field.role.as_ref().map(Role::name);
        role.is_none_or(|role| policy.inspects(role))
    };
    texts.fields.iter().filter(inspects).for_each(|field| inspector.field(field));
    let BodyInspector { inspected, texts: seen, recall, .. } = inspector;
    if policy.watches_leaks() {
        watch.system_prompt = system_prompt(&texts, body, recall);
    }
    watch.pseudonyms = Arc::new(names);
    RequestInspection { inspected, watch, texts: seen }
}

/// Inspects a body that is what its bytes are.
pub(crate) type InspectBody = fn(&Watch, &[u8]) -> BodyInspection;

/// Inspects the whole body of a response as what it is: JSON, JSON documents one after the other, or plain text. If it is said to
/// be `json` and is not, the policy decides, and what it lets pass is inspected as text.
pub(crate) fn inspect_body(
    watch: &Watch,
    body: &[u8],
    json: bool,
    documents: InspectBody,
) -> BodyInspection {
    let (tape, body) = match tape_of(body, true) {
        Ok(read) => read,
        Err(_) if is_documents(body) => return documents(watch, body),
        Err(_) if !json => return text(watch, body),
        Err(error) => {
            let mut inspected = malformed(&watch.policy, error);
            if inspected.refusal.is_none() && std::str::from_utf8(body).is_ok() {
                let BodyInspection { edits, report, refusal } = text(watch, body);
                inspected.report.merge(report);
                inspected = BodyInspection { edits, refusal, ..inspected };
            }
            return inspected;
        }
    };
    let (body, policy) = (body.as_ref(), &watch.policy);
    let mut names = watch.pseudonyms.as_ref().clone();
    let mut inspector = BodyInspector::of_event(watch, &mut names, body);
    let texts = of_policy(policy, Texts::of(&tape, body, Side::Response));
    inspector.troubles(&texts);
    texts.fields.iter().for_each(|field| inspector.field(field));
    inspector.drop_logprobs(&texts);
    inspector.inspected
}

/// A body without structure.
fn text(watch: &Watch, body: &[u8]) -> BodyInspection {
    let mut names = watch.pseudonyms.as_ref().clone();
    let mut inspector = BodyInspector::of_event(watch, &mut names, body);
    inspector.plain_text();
    inspector.inspected
}

/// Whether a body is JSON objects one after the other.
fn is_documents(mut body: &[u8]) -> bool {
    while body.trim_ascii_start().starts_with(b"{") {
        match Tape::read(body) {
            Ok(_) => return true,
            Err(WireError::TrailingData { at }) => body = body.get(at..).unwrap_or_default(),
            Err(_) => return false,
        }
    }
    false
}

/// With what the policy wants to be inspected besides texts.
pub(crate) fn of_policy(policy: &Policy, texts: Texts) -> Texts {
    if policy.inspect_functional { texts.with_functional() } else { texts }
}

fn malformed(policy: &Policy, error: WireError) -> BodyInspection {
    let mut inspected = BodyInspection::default();
    if inspected.report.trouble(Trouble::NotJson, policy) {
        inspected.refusal = Some(Refusal::Malformed(error));
    }
    inspected
}

/// What a request's own operator says: its system messages.
fn system_prompt(
    texts: &Texts,
    body: &[u8],
    recall: Option<&mut Recall>,
) -> Option<Arc<SystemPrompt>> {
    let mut prompt = String::new();
    let said = |field: &&TextField| {
        let role = field.role.as_ref().map(Role::name);
        field.form == Form::String && matches!(role, Some("system" | "developer"))
    };
    for field in texts.fields.iter().filter(said) {
        let plain = body.get(field.span.clone()).and_then(Plain::of)?;
        prompt.push_str(plain.text());
        prompt.push('\n');
    }
    match recall {
        Some(recall) => recall.system_prompt(&prompt),
        None => SystemPrompt::new(&prompt).map(Arc::new),
    }
}
