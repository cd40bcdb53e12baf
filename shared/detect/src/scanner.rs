//! The compiled scanner: tables shared by every scan, built once.

use std::fmt;
use std::sync::Arc;

use crate::allow::Allowed;
use crate::custom::Custom;
use crate::hosts::Hosts;
use crate::phrases::Phrases;
use crate::rule::Rule;
use crate::scan::anchor::Fingerprints;
use crate::selection::Selection;

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

impl Selection {
    /// Every rule of `scanner` from confidence `minimum` on.
    pub fn all(scanner: &Scanner, minimum: f32) -> Self {
        Self::by_rule(scanner, |_| Some(minimum))
    }

    /// A minimum confidence for each rule; `None` switches it off.
    pub fn by_rule(scanner: &Scanner, minimum: impl Fn(&Rule) -> Option<f32>) -> Self {
        Self::in_order(scanner.rules(), scanner.rules.iter().map(|rule| minimum(rule)))
    }
}
