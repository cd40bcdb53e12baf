//! Whole bodies.

use std::ops::Range;
use std::sync::Arc;

use weir_detect::{Direction, Inspection, Policy, Pseudonyms, Surroundings, SystemPrompt, apply};
use weir_wire::WireError;
use weir_wire::content::{Form, Plain, Role, Side, Tape, TextField, Texts};
use weir_wire::edit::{Edit, json_string, push_escaped};

use crate::report::{Report, Trouble};
use crate::{Watch, key_context};

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// A rule blocks, or a policy refuses what cannot be inspected: see [`Report::blocking`].
    Policy,
    /// The body is no JSON that all parsers read alike.
    Malformed(WireError),
}

/// What became of a body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspected {
    /// Changes of the body, in no order, without overlaps.
    pub edits: Vec<Edit>,
    /// What was found.
    pub report: Report,
    /// The body must not pass.
    pub refusal: Option<Refusal>,
}

/// What became of a request, and what its response is judged by.
#[derive(Clone, Debug)]
pub struct RequestInspection {
    /// What became of the body.
    pub inspected: Inspected,
    /// For the response.
    pub watch: Watch,
}

/// Inspects the body of a request. `known` says that it was sent to an API this crate knows;
/// otherwise all of it is JSON of any form. `saturated` skips the rules marked optional.
pub fn inspect_request(
    policy: &Arc<Policy>,
    body: &[u8],
    known: bool,
    saturated: bool,
) -> RequestInspection {
    let mut watch = Watch { saturated, ..Watch::new(policy.clone()) };
    let tape = match Tape::read(body) {
        Ok(tape) => tape,
        Err(error) => return RequestInspection { inspected: malformed(policy, error), watch },
    };
    let texts =
        if known { Texts::of(&tape, body, Side::Request) } else { Texts::of_any(&tape, body) };
    let mut names = Pseudonyms::default();
    if policy.pseudonymises() {
        let texts = texts.fields.iter().filter_map(|field| body.get(field.span.clone()));
        texts.filter_map(Plain::of).for_each(|plain| names.reserve(plain.text()));
    }
    let mut inspector = BodyInspector::new(policy, Direction::Request, saturated, &mut names, body);
    inspector.troubles(&texts);
    let inspects = |field: &&TextField| {
        let role = field.role.as_ref().map(Role::name);
        role.is_none_or(|role| policy.inspects(role))
    };
    texts.fields.iter().filter(inspects).for_each(|field| inspector.field(field));
    let inspected = inspector.inspected;
    if policy.watches_leaks() {
        watch.system_prompt = system_prompt(&texts, body).map(Arc::new);
    }
    watch.pseudonyms = Arc::new(names);
    RequestInspection { inspected, watch }
}

/// Inspects the whole body of a response, JSON or, if `json` is false, plain text.
pub fn inspect_response(watch: &Watch, body: &[u8], json: bool) -> Inspected {
    let mut names = watch.pseudonyms.as_ref().clone();
    let policy = &watch.policy;
    let mut inspector =
        BodyInspector::new(policy, Direction::Response, watch.saturated, &mut names, body);
    inspector.watch = Some(watch);
    if !json {
        inspector.plain_text();
        return inspector.inspected;
    }
    let tape = match Tape::read(body) {
        Ok(tape) => tape,
        Err(error) => return malformed(policy, error),
    };
    let texts = Texts::of(&tape, body, Side::Response);
    inspector.troubles(&texts);
    texts.fields.iter().for_each(|field| inspector.field(field));
    inspector.drop_logprobs(&texts);
    inspector.inspected
}

fn malformed(policy: &Policy, error: WireError) -> Inspected {
    let mut inspected = Inspected::default();
    if inspected.report.trouble(Trouble::NotJson, policy.on_unscannable) {
        inspected.refusal = Some(Refusal::Malformed(error));
    }
    inspected
}

/// What a request's own operator says: its system messages.
fn system_prompt(texts: &Texts, body: &[u8]) -> Option<SystemPrompt> {
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
    SystemPrompt::new(&prompt)
}

pub(crate) struct BodyInspector<'a> {
    policy: &'a Policy,
    direction: Direction,
    saturated: bool,
    names: &'a mut Pseudonyms,
    body: &'a [u8],
    watch: Option<&'a Watch>,
    /// How many strings of JSON it is in.
    depth: usize,
    pub(crate) inspected: Inspected,
}

impl<'a> BodyInspector<'a> {
    fn new(
        policy: &'a Policy,
        direction: Direction,
        saturated: bool,
        names: &'a mut Pseudonyms,
        body: &'a [u8],
    ) -> Self {
        let inspected = Inspected::default();
        Self { policy, direction, saturated, names, body, watch: None, depth: 0, inspected }
    }

    /// For the texts of an event that come whole.
    pub(crate) fn of_event(watch: &'a Watch, names: &'a mut Pseudonyms, data: &'a [u8]) -> Self {
        let mut inspector =
            Self::new(&watch.policy, Direction::Response, watch.saturated, names, data);
        inspector.watch = Some(watch);
        inspector
    }

    /// What cannot be inspected, as the policy treats it.
    pub(crate) fn troubles(&mut self, texts: &Texts) {
        let treatment = self.policy.on_unscannable;
        for _ in &texts.opaque {
            if self.inspected.report.trouble(Trouble::Media, treatment) {
                self.inspected.refusal = Some(Refusal::Policy);
            }
        }
        let Some(at) = texts.duplicate else { return };
        if self.inspected.report.trouble(Trouble::NotJson, treatment) {
            let error = WireError::DuplicateKey { at, field: "key" };
            self.inspected.refusal = Some(Refusal::Malformed(error));
        }
    }

    /// Inspects one text.
    pub(crate) fn field(&mut self, field: &TextField) {
        let before = self.inspected.edits.len();
        let raw = self.body.get(field.span.clone()).unwrap_or_default();
        match field.form {
            Form::Number => self.number(raw, field),
            Form::Key => self.string(raw, field),
            // What a tool answers, and what a model answers in JSON mode, is JSON in a string, too.
            Form::Arguments | Form::String => self.arguments(raw, field),
        }
        if field.signed && self.inspected.edits.len() > before {
            self.inspected.edits.truncate(before);
            self.inspected.report.trouble(Trouble::Signed, weir_detect::OnTrouble::Block);
            self.inspected.refusal = Some(Refusal::Policy);
        }
    }

    fn string(&mut self, raw: &[u8], field: &TextField) {
        if field.form == Form::Key && is_name(raw) && !self.policy.has_custom_rules() {
            return;
        }
        let Some(plain) = Plain::of(raw) else { return };
        self.text(&plain, field);
    }

    fn text(&mut self, plain: &Plain<'_>, field: &TextField) {
        let (context, role) = (self.context(field), field.role.as_ref().map(Role::name));
        for (span, replacement) in self.judge(plain.text(), &context, role) {
            let edit = plain.edit(field.span.start, &span, &replacement);
            self.inspected.edits.push(edit);
        }
    }

    fn number(&mut self, raw: &[u8], field: &TextField) {
        let Ok(text) = std::str::from_utf8(raw) else { return };
        let (context, role) = (self.context(field), field.role.as_ref().map(Role::name));
        let edits = self.judge(text, &context, role);
        if !edits.is_empty() {
            let replacement = json_string(&replaced(text, &edits));
            self.inspected.edits.push(Edit { span: field.span.clone(), replacement });
        }
    }

    /// JSON in a string: its own strings are edited in it, by span.
    fn arguments(&mut self, raw: &[u8], field: &TextField) {
        let Some(plain) = Plain::of(raw) else { return };
        let inner = plain.text().as_bytes();
        let is_json = self.depth < MAX_JSON_DEPTH
            && matches!(inner.trim_ascii_start().first(), Some(b'{' | b'['));
        let Some(tape) = is_json.then(|| Tape::read(inner).ok()).flatten() else {
            return self.text(&plain, field);
        };
        let (watch, direction) = (self.watch, self.direction);
        let mut below =
            BodyInspector::new(self.policy, direction, self.saturated, self.names, inner);
        below.watch = watch;
        below.depth = self.depth + 1;
        for text in &Texts::of_any(&tape, inner).fields {
            below.field(&TextField { role: field.role.clone(), ..text.clone() });
        }
        let Inspected { edits, report, refusal } = below.inspected;
        for Edit { span, replacement } in edits {
            let replacement = String::from_utf8_lossy(&replacement);
            self.inspected.edits.push(plain.edit(field.span.start, &span, &replacement));
        }
        self.inspected.report.merge(report);
        self.inspected.refusal = self.inspected.refusal.or(refusal);
    }

    /// A body without structure.
    fn plain_text(&mut self) {
        let Ok(text) = std::str::from_utf8(self.body) else {
            if self.inspected.report.trouble(Trouble::ContentType, self.policy.on_unscannable) {
                self.inspected.refusal = Some(Refusal::Policy);
            }
            return;
        };
        for (span, replacement) in self.judge(text, "", None) {
            self.inspected.edits.push(Edit { span, replacement: replacement.into_bytes() });
        }
    }

    fn context(&self, field: &TextField) -> String {
        let key = self.body.get(field.key.clone()).unwrap_or_default();
        std::str::from_utf8(key).map(key_context).unwrap_or_default()
    }

    /// The replacements in a text, with values put back where the request had names for them.
    fn judge(
        &mut self,
        text: &str,
        context: &str,
        role: Option<&str>,
    ) -> Vec<(Range<usize>, String)> {
        let system_prompt = self.watch.and_then(|watch| watch.system_prompt.as_ref());
        let saturated = self.saturated;
        let surroundings = Surroundings { context, role, saturated, system_prompt };
        let Inspection { applied, edits, blocked } =
            self.policy.inspect_in(text, self.direction, surroundings, self.names);
        self.inspected.report.add(&applied);
        if blocked {
            self.inspected.refusal = Some(Refusal::Policy);
        }
        let restore = self.watch.map(|watch| &watch.pseudonyms).filter(|p| !p.is_empty());
        if let Some(pseudonyms) = restore.filter(|_| text.contains('[')) {
            let redacted = apply(text, &edits);
            let restored = pseudonyms.restore(&redacted);
            if restored != redacted {
                return vec![(0..text.len(), restored)];
            }
        }
        edits.into_iter().map(|edit| (edit.span, edit.replacement)).collect()
    }

    /// Log probabilities repeat a text that was edited.
    fn drop_logprobs(&mut self, texts: &Texts) {
        for logprobs in &texts.logprobs {
            let touched = |edit: &Edit| {
                logprobs.owner.start <= edit.span.start && edit.span.end <= logprobs.owner.end
            };
            if self.inspected.edits.iter().any(touched) {
                self.inspected.edits.push(without(self.body, &logprobs.value));
            }
        }
    }
}

/// JSON in a string of JSON in a string is read so deep; below it is text. Each level costs a pass
/// over all that is in it, and stack.
const MAX_JSON_DEPTH: usize = 2;

/// Whether a key is a short name of letters, in which no built-in rule can find anything.
fn is_name(key: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    key.len() <= MAX_NAME && key.iter().all(letter)
}

/// Shorter than every secret and all phrases of the built-in rules, in bytes.
const MAX_NAME: usize = 15;

/// The edit that empties log probabilities: `null`, or `[]` in place of a list.
pub(crate) fn without(json: &[u8], value: &Range<usize>) -> Edit {
    let list = json.get(value.start) == Some(&b'[');
    let replacement = if list { b"[]".to_vec() } else { b"null".to_vec() };
    Edit { span: value.clone(), replacement }
}

fn replaced(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let edit = |(span, replacement): &(Range<usize>, String)| weir_detect::Edit {
        span: span.clone(),
        replacement: replacement.clone(),
    };
    apply(text, &edits.iter().map(edit).collect::<Vec<_>>())
}

/// `text` as it stands between the quotes of a JSON string.
pub(crate) fn escaped(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}
