//! The texts of one body, one by one.

use std::ops::Range;

use weir_detect::{Applied, Direction, Inspection, Policy, Pseudonyms, Surroundings, apply};
use weir_wire::WireError;
use weir_wire::content::{Form, Plain, Role, Tape, TextField, Texts, is_within_media};
use weir_wire::edit::{Edit, json_string, push_escaped};

use crate::inspection::{BodyInspection, Refusal, ScanCounts};
use crate::recall::{self, About, Place, Recall};
use crate::report::Trouble;
use crate::{Watch, key_context};

/// Inspects the texts of a body, and collects what is to be changed.
pub(crate) struct BodyInspector<'a> {
    policy: &'a Policy,
    direction: Direction,
    saturated: bool,
    names: &'a mut Pseudonyms,
    body: &'a [u8],
    pub(crate) watch: Option<&'a Watch>,
    pub(crate) recall: Option<&'a mut Recall>,
    /// How many strings of JSON it is in.
    depth: usize,
    pub(crate) inspected: BodyInspection,
    pub(crate) texts: ScanCounts,
}

impl<'a> BodyInspector<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        direction: Direction,
        saturated: bool,
        names: &'a mut Pseudonyms,
        body: &'a [u8],
    ) -> Self {
        Self {
            policy,
            direction,
            saturated,
            names,
            body,
            watch: None,
            recall: None,
            depth: 0,
            inspected: BodyInspection::default(),
            texts: ScanCounts::default(),
        }
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
        texts.opaque.iter().chain(&texts.encoded).for_each(|_| self.medium());
        let Some(at) = texts.duplicate else { return };
        if self.inspected.report.trouble(Trouble::NotJson, self.policy) {
            let error = WireError::DuplicateKey { at, field: "key" };
            self.inspected.refusal = Some(Refusal::Malformed(error));
        }
    }

    /// Inspects one text, unless nothing was found in it before.
    pub(crate) fn field(&mut self, field: &TextField) {
        let Some(place) = self.place(field) else {
            self.texts.scanned += u64::from(field.span.len() >= recall::LEAST_BYTES);
            return self.scan(field);
        };
        if self.recall.as_mut().is_some_and(|recall| recall.knows(place)) {
            self.texts.recalled += 1;
            return;
        }
        let found = |inspected: &BodyInspection| (inspected.edits.len(), inspected.report.total());
        let before = found(&self.inspected);
        self.scan(field);
        self.texts.scanned += 1;
        if let Some(recall) = self.recall.as_mut().filter(|_| found(&self.inspected) == before) {
            recall.add(place);
        }
    }

    /// Where a text is remembered, with all that its verdict depends on.
    fn place(&self, field: &TextField) -> Option<Place> {
        let recall = self.recall.as_ref()?;
        let within = |span: &Range<usize>| self.body.get(span.clone()).unwrap_or_default();
        let policy = std::ptr::from_ref(self.policy).addr();
        let (role, key) = (field.role.as_ref(), within(&field.key));
        let about = About { policy, saturated: self.saturated, role, key, form: field.form };
        recall.place(within(&field.span), &about)
    }

    fn scan(&mut self, field: &TextField) {
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
            self.inspected.report.trouble(Trouble::Signed, self.policy);
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
        for (span, replacement) in self.judge(plain.text(), &context, role, field.signed) {
            let edit = plain.edit(field.span.start, &span, &replacement);
            self.inspected.edits.push(edit);
        }
    }

    fn number(&mut self, raw: &[u8], field: &TextField) {
        if is_harmless_number(raw.len(), self.policy) {
            return;
        }
        let Ok(text) = std::str::from_utf8(raw) else { return };
        let (context, role) = (self.context(field), field.role.as_ref().map(Role::name));
        let edits = self.judge(text, &context, role, field.signed);
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
        let texts = Texts::of_any(&tape, inner);
        below.troubles(&texts);
        for text in texts.fields {
            below.field(&TextField { role: field.role.clone(), signed: field.signed, ..text });
        }
        let BodyInspection { edits, report, refusal } = below.inspected;
        for Edit { span, replacement } in edits {
            let replacement = String::from_utf8_lossy(&replacement);
            self.inspected.edits.push(plain.edit(field.span.start, &span, &replacement));
        }
        self.inspected.report.merge(report);
        self.inspected.refusal = self.inspected.refusal.or(refusal);
    }

    /// A body without structure.
    pub(crate) fn plain_text(&mut self) {
        let Ok(text) = std::str::from_utf8(self.body) else {
            if self.inspected.report.trouble(Trouble::ContentType, self.policy) {
                self.inspected.refusal = Some(Refusal::Policy);
            }
            return;
        };
        for (span, replacement) in self.judge(text, "", None, false) {
            self.inspected.edits.push(Edit { span, replacement: replacement.into_bytes() });
        }
    }

    fn context(&self, field: &TextField) -> String {
        let key = self.body.get(field.key.clone()).unwrap_or_default();
        std::str::from_utf8(key).map(key_context).unwrap_or_default()
    }

    /// The replacements in a text, with values put back where the request had names for them; in what is
    /// signed the names stay.
    fn judge(
        &mut self,
        text: &str,
        context: &str,
        role: Option<&str>,
        signed: bool,
    ) -> Vec<(Range<usize>, String)> {
        let system_prompt = self.watch.and_then(|watch| watch.system_prompt.as_ref());
        let saturated = self.saturated;
        let surroundings = Surroundings { context, role, saturated, system_prompt };
        let inspection = self.policy.inspect_in(text, self.direction, surroundings, self.names);
        let Inspection { applied, edits, blocked } = self.outside_media(text, inspection);
        self.inspected.report.add(&applied);
        if blocked {
            self.inspected.refusal = Some(Refusal::Policy);
        }
        let restore =
            self.watch.map(|watch| &watch.pseudonyms).filter(|p| !signed && !p.is_empty());
        if let Some(pseudonyms) = restore.filter(|_| text.contains('[')) {
            let redacted = apply(text, &edits);
            let restored = pseudonyms.restore(&redacted);
            if restored != redacted {
                return vec![(0..text.len(), restored)];
            }
        }
        edits.into_iter().map(|edit| (edit.span, edit.replacement)).collect()
    }

    /// What was found in a text without what is within the Base64 of a file: there it is chance, or
    /// nothing that could be taken out of the file.
    fn outside_media(&mut self, text: &str, mut found: Inspection) -> Inspection {
        let within = |span: &Range<usize>| is_within_media(text, span.start, span.end);
        let all = found.applied.len();
        found.applied.retain(|applied| !within(&applied.finding.span));
        if found.applied.len() < all {
            found.edits.retain(|edit| !within(&edit.span));
            found.blocked = found.applied.iter().any(Applied::blocks);
            self.medium();
        }
        found
    }

    /// A medium, as the policy treats it.
    fn medium(&mut self) {
        if self.inspected.report.trouble(Trouble::Media, self.policy) {
            self.inspected.refusal = Some(Refusal::Policy);
        }
    }

    /// Log probabilities repeat a text that was edited.
    pub(crate) fn drop_logprobs(&mut self, texts: &Texts) {
        if texts.logprobs.is_empty() || self.inspected.edits.is_empty() {
            return;
        }
        // In the order of the body, as the texts are, and apart: if any is inside, the first that
        // begins there is.
        let made = &self.inspected.edits;
        let touched = |owner: &Range<usize>| {
            let first = made.partition_point(|edit| edit.span.start < owner.start);
            made.get(first).is_some_and(|edit| edit.span.end <= owner.end)
        };
        let stale = texts.logprobs.iter().filter(|logprobs| touched(&logprobs.owner));
        let edits: Vec<_> = stale.map(|logprobs| without(self.body, &logprobs.value)).collect();
        self.inspected.edits.extend(edits);
    }
}

/// JSON in a string of JSON in a string is read so deep; below it is text. Each level costs a pass
/// over all that is in it, and stack.
pub(crate) const MAX_JSON_DEPTH: usize = 4;

/// Whether a key is a short name of letters, in which no built-in rule can find anything.
fn is_name(key: &[u8]) -> bool {
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    key.len() <= MAX_NAME && key.iter().all(letter)
}

/// Shorter than every secret and all phrases of the built-in rules, in bytes.
const MAX_NAME: usize = 15;

/// Whether a number of so many characters is shorter than all that the built-in rules find in digits:
/// a password has six, whatever its name says.
pub(crate) fn is_harmless_number(len: usize, policy: &Policy) -> bool {
    const LEAST: usize = 6;
    len < LEAST && !policy.has_custom_rules()
}

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
