//! Which rules count.

use std::sync::Arc;

use crate::rule::{BuiltIn, Group, Rule, RuleIndex};

/// Which rules count, and from what confidence on.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    minimum: Vec<f32>,
    groups: u16,
    weak_numbers: bool,
}

/// The rules of numbers that are found without separators and without a word near by, of fewer
/// digits than a payment card has, and the most they are then worth.
const WEAKLY_FOUND: [BuiltIn; 8] = [
    BuiltIn::Phone,
    BuiltIn::UkNhs,
    BuiltIn::AuTfn,
    BuiltIn::AuMedicare,
    BuiltIn::PlPesel,
    BuiltIn::DeTaxId,
    BuiltIn::AuAbn,
    BuiltIn::BrCpf,
];
const WEAK_NUMBER: f32 = 0.4;

/// Above every confidence: a rule that is switched off.
const OFF: f32 = 2.0;

impl Selection {
    /// A minimum confidence for each rule of a scanner's table, in its order; `None` switches it off.
    pub(crate) fn in_order(
        rules: &[Arc<Rule>],
        minimum: impl Iterator<Item = Option<f32>>,
    ) -> Self {
        let minimum: Vec<f32> = minimum.map(|least| least.unwrap_or(OFF)).collect();
        let enabled = rules.iter().zip(&minimum).filter(|(_, least)| **least < OFF);
        let groups = enabled.fold(0, |bits, (rule, _)| bits | 1 << rule.group as u16);
        let weak = WEAKLY_FOUND.iter().filter_map(|rule| minimum.get(rule.index().position()));
        let weak_numbers = weak.fold(OFF, |least, own| least.min(*own)) <= WEAK_NUMBER;
        Self { minimum, groups, weak_numbers }
    }

    /// Whether a match of `rule` at `confidence` counts.
    pub(crate) fn accepts(&self, rule: RuleIndex, confidence: f32) -> bool {
        self.minimum.get(rule.position()).is_some_and(|least| confidence >= *least)
    }

    /// Whether a number that nothing but its length speaks for could count.
    pub(crate) fn takes_weak_numbers(&self) -> bool {
        self.weak_numbers
    }

    /// Whether any rule of the group is on.
    pub(crate) fn has(&self, group: Group) -> bool {
        self.groups >> group as u16 & 1 == 1
    }
}
