//! Inspecting whole texts under a policy.

use std::ops::Range;
use std::sync::Arc;

use super::pseudonym::Pseudonyms;
use super::replace::replacement;
use crate::leak::SystemPrompt;
use crate::pass::floor_char;
use crate::policy::Policy;
use crate::raw::{Action, Direction};
use crate::rule::{BuiltIn, Finding};
use crate::stream::StreamScanner;

/// A finding and what was done about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The finding.
    pub finding: Finding,
    /// What the policy asks for.
    pub action: Action,
    /// Nothing was done, the rule runs in shadow.
    pub shadow: bool,
}

impl Applied {
    /// Whether it asks to refuse the text.
    pub fn blocks(&self) -> bool {
        self.action == Action::Block && !self.shadow
    }
}

/// One replacement in a text. The replacement may be a pseudonym, never the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Bytes of the original text.
    pub span: Range<usize>,
    /// What stands there instead.
    pub replacement: String,
}

/// The result of inspecting a whole text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inspection {
    /// Findings in order, with what to do about each.
    pub applied: Vec<Applied>,
    /// Replacements in order, without overlaps.
    pub edits: Vec<Edit>,
    /// A rule asks to refuse the text.
    pub blocked: bool,
}

/// `text` with `edits` (in order, without overlaps) made.
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        out.push_str(text.get(at..edit.span.start).unwrap_or_default());
        out.push_str(&edit.replacement);
        at = edit.span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// What stands around a text that is inspected as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Text right before the inspected one, for detection only: nothing is found in it and spans
    /// do not count it. The last 256 bytes are read. Written as it would stand there, with what
    /// separates the two: `"password": "` before a JSON string, `Authorization: ` before the
    /// value of a header.
    pub context: &'a str,
    /// Role of the message the text belongs to.
    pub role: Option<&'a str>,
    /// The pool is saturated: the optional rules are skipped.
    pub saturated: bool,
    /// What must not leak into the text.
    pub system_prompt: Option<&'a Arc<SystemPrompt>>,
}

impl Policy {
    /// Inspects a whole text. Pseudonyms are added to `pseudonyms`.
    pub fn inspect(
        &self,
        text: &str,
        direction: Direction,
        pseudonyms: &mut Pseudonyms,
    ) -> Inspection {
        self.inspect_in(text, direction, Surroundings::default(), pseudonyms)
    }

    /// Inspects a whole text of a message role; `saturated` skips the optional rules.
    pub fn inspect_as(
        &self,
        text: &str,
        direction: Direction,
        role: Option<&str>,
        saturated: bool,
        pseudonyms: &mut Pseudonyms,
    ) -> Inspection {
        let surroundings = Surroundings { role, saturated, ..Surroundings::default() };
        self.inspect_in(text, direction, surroundings, pseudonyms)
    }

    /// Inspects a whole text that stands after `context`; see [`Surroundings::context`].
    pub fn inspect_after(
        &self,
        context: &str,
        text: &str,
        direction: Direction,
        pseudonyms: &mut Pseudonyms,
    ) -> Inspection {
        let surroundings = Surroundings { context, ..Surroundings::default() };
        self.inspect_in(text, direction, surroundings, pseudonyms)
    }

    /// Inspects a whole text with all that is known about it. The answer is the one that an
    /// [`Inspector`](super::Inspector) gives to the same text in pieces; only a block ends that
    /// one early.
    pub fn inspect_in(
        &self,
        text: &str,
        direction: Direction,
        surroundings: Surroundings<'_>,
        pseudonyms: &mut Pseudonyms,
    ) -> Inspection {
        let findings = self.findings(text, direction, &surroundings);
        let mut inspection = Inspection {
            applied: Vec::with_capacity(findings.len()),
            edits: Vec::with_capacity(findings.len()),
            blocked: false,
        };
        let of = (surroundings.role, surroundings.saturated);
        for finding in findings {
            let Some(applied) = applied(self, finding, direction, of) else {
                continue;
            };
            let value = text.get(applied.finding.span.clone()).unwrap_or_default();
            if let Some(replacement) = edit(self, &applied, value, pseudonyms) {
                inspection.edits.push(Edit { span: applied.finding.span.clone(), replacement });
            }
            inspection.blocked |= applied.blocks();
            inspection.applied.push(applied);
        }
        inspection
    }

    fn findings(
        &self,
        text: &str,
        direction: Direction,
        surroundings: &Surroundings<'_>,
    ) -> Vec<Finding> {
        let selection = self.selection(direction, surroundings.saturated).clone();
        let mut scanner = StreamScanner::new(self.scanner().clone(), selection)
            .watch(surroundings.system_prompt.cloned());
        if !surroundings.context.is_empty() {
            scanner = scanner.with_context(surroundings.context);
        }
        let room = floor_char(text.as_bytes(), self.limit(direction));
        let Some((inside, beyond)) = text.split_at_checked(room).filter(|(_, b)| !b.is_empty())
        else {
            if !has_overlong_run(text) {
                return scanner.scan_whole(text);
            }
            let mut findings: Vec<_> =
                pieces(text).flat_map(|piece| scanner.feed(piece).findings).collect();
            findings.extend(scanner.end().findings);
            return findings;
        };
        // Too large: as a stream, so that the order of the findings is the same.
        let mut findings = Vec::new();
        pieces(inside).for_each(|piece| findings.extend(scanner.feed(piece).findings));
        findings.extend(oversize(self, room));
        pieces(beyond).for_each(|piece| findings.extend(scanner.feed(piece).findings));
        findings.extend(scanner.end().findings);
        findings
    }

    /// Most bytes of a text in `direction`.
    pub(super) fn limit(&self, direction: Direction) -> usize {
        let limit = self.max_response_bytes.filter(|_| direction == Direction::Response);
        limit.unwrap_or(usize::MAX)
    }
}

/// Bytes among which every ordinary text has a space or a line's end.
const STRETCH: usize = 4096;

/// Bytes that a long text without spaces is given to the scanner in, so that what it looks at again
/// for each forced cut stays small: as a whole, the time would grow with the square of the length.
const PIECE: usize = 16 * 1024;

/// Whether some stretch of the text has no white space.
fn has_overlong_run(text: &str) -> bool {
    let stretches = text.as_bytes().chunks_exact(STRETCH);
    text.len() > PIECE
        && stretches.into_iter().any(|stretch| memchr::memchr2(b' ', b'\n', stretch).is_none())
}

/// A text in the pieces that a stream scanner takes.
pub(super) fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, rest) = text.split_at_checked(text.floor_char_boundary(PIECE))?;
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// The finding that a text goes on after its limit of `at` bytes.
pub(super) fn oversize(policy: &Policy, at: usize) -> Option<Finding> {
    let index = BuiltIn::Oversize.index();
    let rule = policy.scanner().rules().get(index.position())?.clone();
    Some(Finding { span: at..at, rule, index, confidence: 1.0 })
}

/// What the policy says about a finding in `direction`; `None` when it does nothing in a text of that role.
pub(super) fn applied(
    policy: &Policy,
    finding: Finding,
    direction: Direction,
    of: (Option<&str>, bool),
) -> Option<Applied> {
    let treatment = policy.treatment(&finding, direction, of)?;
    let (action, shadow) = (treatment.action, treatment.shadow);
    Some(Applied { finding, action, shadow })
}

pub(super) fn edit(
    policy: &Policy,
    applied: &Applied,
    value: &str,
    pseudonyms: &mut Pseudonyms,
) -> Option<String> {
    if applied.shadow {
        return None;
    }
    replacement(policy, &applied.finding.rule, applied.action, value, pseudonyms)
}
