//! The compiled scanner: tables shared by every scan, built once.

use std::fmt;
use std::sync::Arc;

use crate::allow::Allowed;
use crate::custom::Custom;
use crate::detectors::exfil::Hosts;
use crate::detectors::phrases::Phrases;
use crate::rule::{BuiltIn, Finding, Group, Rule, RuleIndex};
use crate::scan::anchor::Fingerprints;
use crate::stream::StreamScanner;

/// Most text held back in a stream while a match could still grow, in bytes.
pub const DEFAULT_HOLD_BACK: usize = 4096;

/// Smallest hold-back limit: two overlaps of overlong segments.
pub const MIN_HOLD_BACK: usize = 2048;

/// Everything that can be found, compiled. Immutable; share it through an [`Arc`].
pub struct Scanner {
    rules: Vec<Arc<Rule>>,
    fingerprints: Fingerprints,
    phrases: Phrases,
    hold_back: usize,
    pub(crate) allowed: Allowed,
    pub(crate) hosts: Hosts,
    pub(crate) custom: Custom,
}

impl Scanner {
    /// The built-in rules, nothing allowed, every foreign host suspect.
    pub fn new() -> Self {
        Self::with(Custom::default(), Allowed::default(), Hosts::default(), DEFAULT_HOLD_BACK)
    }

    pub(crate) fn with(custom: Custom, allowed: Allowed, hosts: Hosts, hold_back: usize) -> Self {
        let phrases = Phrases::new();
        let mut rules = crate::rule::BuiltIn::table();
        rules.extend(custom.rules());
        Self {
            rules,
            fingerprints: Fingerprints::new(phrases.prints()),
            phrases,
            hold_back: hold_back.max(MIN_HOLD_BACK),
            allowed,
            hosts,
            custom,
        }
    }

    /// The table of rules; a finding's [`RuleIndex`] points into it.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// Finds everything that `selection` asks for in `text`, in order, without overlaps.
    pub fn scan(self: &Arc<Self>, text: &str, selection: &Arc<Selection>) -> Vec<Finding> {
        let mut stream = StreamScanner::new(self.clone(), selection.clone());
        stream.scan_whole(text)
    }

    /// Most bytes a stream holds back.
    pub fn hold_back(&self) -> usize {
        self.hold_back
    }

    pub(crate) fn fingerprints(&self) -> &Fingerprints {
        &self.fingerprints
    }

    pub(crate) fn phrases(&self) -> &Phrases {
        &self.phrases
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Scanner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scanner")
            .field("rules", &self.rules.len())
            .field("hold_back", &self.hold_back)
            .finish_non_exhaustive()
    }
}

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
    /// Every rule of `scanner` from confidence `minimum` on.
    pub fn all(scanner: &Scanner, minimum: f32) -> Self {
        Self::by_rule(scanner, |_| Some(minimum))
    }

    /// A minimum confidence for each rule; `None` switches it off.
    pub fn by_rule(scanner: &Scanner, minimum: impl Fn(&Rule) -> Option<f32>) -> Self {
        Self::in_order(scanner, scanner.rules.iter().map(|rule| minimum(rule)))
    }

    /// The same, in the order of the scanner's table.
    pub(crate) fn in_order(scanner: &Scanner, minimum: impl Iterator<Item = Option<f32>>) -> Self {
        let minimum: Vec<f32> = minimum.map(|least| least.unwrap_or(OFF)).collect();
        let enabled = scanner.rules.iter().zip(&minimum).filter(|(_, least)| **least < OFF);
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
