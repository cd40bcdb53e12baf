//! What was found and done: rules and counts, never a value.

use std::borrow::Cow;
use std::fmt::Write;

use weir_detect::{Action, Applied, OnTrouble, Policy, Unscannable};

/// What was done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Found by a rule in shadow: nothing was done.
    Shadow,
    /// Counted.
    Flag,
    /// Replaced by the entity's name.
    Redact,
    /// Replaced by stars.
    Mask,
    /// Replaced by a keyed hash.
    Hash,
    /// Replaced by a numbered name.
    Pseudonymise,
    /// Refused.
    Block,
}

impl Outcome {
    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Flag => "flag",
            Self::Redact => "redact",
            Self::Mask => "mask",
            Self::Hash => "hash",
            Self::Pseudonymise => "pseudonymise",
            Self::Block => "block",
        }
    }

    fn of(applied: &Applied) -> Self {
        match applied.action {
            _ if applied.shadow => Self::Shadow,
            Action::Flag => Self::Flag,
            Action::Redact => Self::Redact,
            Action::Mask => Self::Mask,
            Action::Hash => Self::Hash,
            Action::Pseudonymise => Self::Pseudonymise,
            Action::Block => Self::Block,
        }
    }
}

/// Why something could not be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// The body is compressed.
    Compressed,
    /// The body is not JSON, or JSON that parsers read differently.
    NotJson,
    /// The body is of a type that has no text: sound, images, binary data.
    ContentType,
    /// A part is an image, sound, a file or token ids.
    Media,
    /// The body or an event is larger than what is read.
    TooLarge,
    /// An event of a kind that is not known.
    UnknownEvent,
    /// A text that would have to be edited carries a signature over itself.
    Signed,
    /// There is no memory to hold more of it.
    Memory,
    /// Inspecting itself failed.
    Internal,
}

impl Trouble {
    /// The name in metrics, logs and error messages, in the form of a rule id.
    pub fn name(self) -> &'static str {
        match self {
            Self::Compressed => "unscannable.compressed",
            Self::NotJson => "unscannable.not-json",
            Self::ContentType => "unscannable.content-type",
            Self::Media => "unscannable.media",
            Self::TooLarge => "unscannable.too-large",
            Self::Memory => "unscannable.memory",
            Self::UnknownEvent => "unscannable.unknown-event",
            Self::Signed => "unscannable.signed",
            Self::Internal => "error.internal",
        }
    }

    /// What the policy does about it. What is signed can only be refused: an edit would break the signature. Nor can memory be
    /// had by a policy.
    pub fn treatment(self, policy: &Policy) -> OnTrouble {
        let kind = match self {
            Self::Compressed => Unscannable::Compressed,
            Self::NotJson => Unscannable::NotJson,
            Self::ContentType => Unscannable::ContentType,
            Self::Media => Unscannable::Media,
            Self::TooLarge => Unscannable::TooLarge,
            Self::UnknownEvent => Unscannable::UnknownEvent,
            Self::Signed | Self::Memory => return OnTrouble::Block,
            Self::Internal => return policy.on_error,
        };
        policy.on_unscannable.of(kind)
    }
}

/// How often one rule led to one outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The rule's id, or a [`Trouble`]'s name.
    pub rule: Cow<'static, str>,
    /// What was done.
    pub outcome: Outcome,
    /// How often.
    pub count: u64,
}

/// All that was found in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    tallies: Vec<Tally>,
}

impl Report {
    /// Counts by rule and outcome, in the order of their first findings.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// How much was found in all.
    pub fn total(&self) -> u64 {
        self.tallies.iter().fold(0, |sum, tally| sum.saturating_add(tally.count))
    }

    /// The rules that led to a refusal.
    pub fn blocking(&self) -> Vec<&str> {
        let blocks = self.tallies.iter().filter(|tally| tally.outcome == Outcome::Block);
        blocks.map(|tally| tally.rule.as_ref()).collect()
    }

    /// The gravest outcome.
    pub fn outcome(&self) -> Option<Outcome> {
        self.tallies.iter().map(|tally| tally.outcome).max()
    }

    /// `redact pii.email=2 flag injection.override=1`: for access logs.
    pub fn summary(&self) -> String {
        let mut summary = String::new();
        for Tally { rule, outcome, count } in &self.tallies {
            let space = if summary.is_empty() { "" } else { " " };
            // Writing into a string cannot fail.
            let _ = write!(summary, "{space}{} {rule}={count}", outcome.name());
        }
        summary
    }

    /// Counts findings.
    pub(crate) fn add(&mut self, applied: &[Applied]) {
        for applied in applied {
            self.count(applied.finding.rule.id.clone(), Outcome::of(applied), 1);
        }
    }

    /// Counts a trouble as the policy treats it; true if it asks to refuse.
    pub fn trouble(&mut self, trouble: Trouble, policy: &Policy) -> bool {
        self.treated(trouble, trouble.treatment(policy))
    }

    /// Counts a trouble that is treated so whatever the policy says; true for a block.
    pub(crate) fn treated(&mut self, trouble: Trouble, treatment: OnTrouble) -> bool {
        match treatment {
            OnTrouble::Allow => {}
            OnTrouble::Flag => self.count(Cow::Borrowed(trouble.name()), Outcome::Flag, 1),
            OnTrouble::Block => self.count(Cow::Borrowed(trouble.name()), Outcome::Block, 1),
        }
        treatment == OnTrouble::Block
    }

    /// Adds what was found elsewhere.
    pub(crate) fn merge(&mut self, other: Report) {
        other
            .tallies
            .into_iter()
            .for_each(|tally| self.count(tally.rule, tally.outcome, tally.count));
    }

    /// Adds of what an event found that repeats others only what they did not show.
    pub(crate) fn merge_repeated(&mut self, other: Report) {
        for Tally { rule, outcome, count } in other.tallies {
            let same = |tally: &&Tally| tally.rule == rule && tally.outcome == outcome;
            let known = self.tallies.iter().find(same).map_or(0, |tally| tally.count);
            if count > known {
                self.count(rule, outcome, count - known);
            }
        }
    }

    fn count(&mut self, rule: Cow<'static, str>, outcome: Outcome, count: u64) {
        let same = |tally: &&mut Tally| tally.rule == rule && tally.outcome == outcome;
        match self.tallies.iter_mut().find(same) {
            Some(tally) => tally.count = tally.count.saturating_add(count),
            None => self.tallies.push(Tally { rule, outcome, count }),
        }
    }
}
