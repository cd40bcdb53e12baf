//! Inspecting whole texts and streams under a policy.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::pseudonym::Pseudonyms;
use super::replace::replacement;
use crate::leak::SystemPrompt;
use crate::policy::{Action, Direction, Policy};
use crate::rule::{BuiltIn, Finding};
use crate::scan::window::floor_char;
use crate::stream::{Step, StreamScanner};

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
    fn blocks(&self) -> bool {
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

impl Policy {
    /// Inspects a whole text. Pseudonyms are added to `pseudonyms`.
    pub fn inspect(
        &self,
        text: &str,
        direction: Direction,
        pseudonyms: &mut Pseudonyms,
    ) -> Inspection {
        self.inspect_as(text, direction, None, false, pseudonyms)
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
        let selection = self.selection(direction, saturated).clone();
        let findings = self.scanner().scan(text, &selection);
        let mut inspection = Inspection::default();
        for finding in findings {
            let Some(applied) = applied(self, finding, role) else { continue };
            let value = text.get(applied.finding.span.clone()).unwrap_or_default();
            if let Some(replacement) = edit(self, &applied, value, pseudonyms) {
                inspection.edits.push(Edit { span: applied.finding.span.clone(), replacement });
            }
            inspection.blocked |= applied.blocks();
            inspection.applied.push(applied);
        }
        inspection
    }

    /// Starts inspecting a streamed text. `system_prompt` is what must not leak into it.
    pub fn inspector(
        self: &Arc<Self>,
        direction: Direction,
        saturated: bool,
        system_prompt: Option<Arc<SystemPrompt>>,
    ) -> Inspector {
        let selection = self.selection(direction, saturated).clone();
        let limit = self.max_response_bytes.filter(|_| direction == Direction::Response);
        Inspector {
            scanner: StreamScanner::new(self.scanner().clone(), selection).watch(system_prompt),
            policy: self.clone(),
            budget: limit.unwrap_or(usize::MAX),
            taken: 0,
            blocked: false,
        }
    }
}

/// What the policy says about a finding; `None` when it does not apply to the role.
fn applied(policy: &Policy, finding: Finding, role: Option<&str>) -> Option<Applied> {
    let treatment = policy.treatment(&finding)?;
    let inspected =
        |role: &str| treatment.roles.is_empty() || treatment.roles.iter().any(|r| r == role);
    if !role.is_none_or(inspected) {
        return None;
    }
    Some(Applied { finding, action: treatment.action, shadow: treatment.shadow })
}

fn edit(
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

/// What a piece of a stream led to.
#[derive(Clone, Default, PartialEq)]
pub struct Released {
    /// Text to pass on, redacted.
    pub text: String,
    /// What was found in it.
    pub applied: Vec<Applied>,
    /// The stream must end here; nothing more is released.
    pub blocked: bool,
}

impl Released {
    fn append(&mut self, later: Self) {
        self.text.push_str(&later.text);
        self.applied.extend(later.applied);
        self.blocked |= later.blocked;
    }
}

impl fmt::Debug for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("bytes", &self.text.len())
            .field("applied", &self.applied)
            .field("blocked", &self.blocked)
            .finish()
    }
}

/// Inspects one streamed text: a choice's content, a tool call's arguments.
#[derive(Debug)]
pub struct Inspector {
    policy: Arc<Policy>,
    scanner: StreamScanner,
    budget: usize,
    taken: usize,
    blocked: bool,
}

impl Inspector {
    /// Takes the next piece; answers with the redacted text that is final.
    pub fn push(&mut self, piece: &str, pseudonyms: &mut Pseudonyms) -> Released {
        if self.blocked {
            return self.ended();
        }
        let room = floor_char(piece.as_bytes(), self.budget);
        let (inside, beyond) = piece.split_at_checked(room).unwrap_or((piece, ""));
        self.budget -= inside.len();
        self.taken += inside.len();
        let step = self.scanner.push(inside);
        let mut released = self.release(step, pseudonyms);
        if !beyond.is_empty() && !self.blocked {
            self.oversize(&mut released);
            if !self.blocked {
                released.append(self.push(beyond, pseudonyms));
            }
        }
        released
    }

    /// Ends the text; answers with what was held back.
    pub fn finish(&mut self, pseudonyms: &mut Pseudonyms) -> Released {
        if self.blocked {
            return self.ended();
        }
        let step = self.scanner.finish();
        self.release(step, pseudonyms)
    }

    /// Bytes held back at the moment.
    pub fn held_back(&self) -> usize {
        self.scanner.held_back()
    }

    fn ended(&self) -> Released {
        Released { blocked: true, ..Released::default() }
    }

    fn release(&mut self, step: Step, pseudonyms: &mut Pseudonyms) -> Released {
        let mut released =
            Released { text: String::with_capacity(step.text.len()), ..Released::default() };
        let mut at = 0;
        for finding in step.findings {
            let Some(applied) = applied(&self.policy, finding, None) else { continue };
            let from = applied.finding.span.start.saturating_sub(step.offset);
            let to = applied.finding.span.end.saturating_sub(step.offset);
            let value = step.text.get(from..to).unwrap_or_default();
            let before = step.text.get(at..from).unwrap_or_default();
            let blocks = applied.blocks();
            if blocks {
                released.text.push_str(before);
                released.applied.push(applied);
                self.blocked = true;
                released.blocked = true;
                return released;
            }
            if let Some(replacement) = edit(&self.policy, &applied, value, pseudonyms) {
                released.text.push_str(before);
                released.text.push_str(&replacement);
                at = to;
            }
            released.applied.push(applied);
        }
        released.text.push_str(step.text.get(at..).unwrap_or_default());
        released
    }

    /// More text came than the policy allows.
    fn oversize(&mut self, released: &mut Released) {
        let index = BuiltIn::Oversize.index();
        let Some(rule) = self.policy.scanner().rules().get(index.position()).cloned() else {
            return;
        };
        let finding = Finding { span: self.taken..self.taken, rule, index, confidence: 1.0 };
        if let Some(applied) = applied(&self.policy, finding, None) {
            self.blocked = applied.blocks();
            released.blocked = self.blocked;
            released.applied.push(applied);
        }
        // Reported once; where it does not block, the rest is inspected like the beginning.
        self.budget = usize::MAX;
    }
}
