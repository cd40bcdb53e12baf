//! Counting hits and misses, and showing them.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use serde::Serialize;

/// `--match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Matching {
    /// Same type, at least one character in common.
    Overlap,
    /// Same type, same characters.
    Exact,
}

/// A labelled or found entity, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) entity: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Counts of one entity type.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    labelled: usize,
    recalled: usize,
    found: usize,
    right: usize,
}

/// Counts of one label of one group.
#[derive(Clone, Copy, Debug, Default)]
struct Flagged {
    texts: usize,
    flagged: usize,
}

/// Counts over a data file.
#[derive(Debug)]
pub(crate) struct Tally {
    matching: Matching,
    types: BTreeMap<String, Counts>,
    groups: BTreeMap<String, BTreeMap<String, Flagged>>,
}

impl Tally {
    pub(crate) fn new(matching: Matching) -> Self {
        Self { matching, types: BTreeMap::new(), groups: BTreeMap::new() }
    }

    /// Counts the labelled and the found spans of one text.
    pub(crate) fn spans(&mut self, labelled: Vec<Span>, found: Vec<Span>) {
        for span in &labelled {
            let hit = found.iter().any(|other| self.matches(span, other));
            let counts = self.types.entry(span.entity.clone()).or_default();
            counts.labelled += 1;
            counts.recalled += usize::from(hit);
        }
        for span in &found {
            let hit = labelled.iter().any(|other| self.matches(span, other));
            let counts = self.types.entry(span.entity.clone()).or_default();
            counts.found += 1;
            counts.right += usize::from(hit);
        }
    }

    /// Counts one labelled text.
    pub(crate) fn label(&mut self, group: &str, label: &str, flagged: bool) {
        let labels = self.groups.entry(group.to_owned()).or_default();
        let counts = labels.entry(label.to_owned()).or_default();
        counts.texts += 1;
        counts.flagged += usize::from(flagged);
    }

    fn matches(&self, a: &Span, b: &Span) -> bool {
        a.entity == b.entity
            && match self.matching {
                Matching::Exact => a.start == b.start && a.end == b.end,
                Matching::Overlap => a.start < b.end && b.start < a.end,
            }
    }

    /// The rates. Types of the data that no rule looks for have a recall of zero.
    pub(crate) fn report(self, mb_per_s: f64) -> Report {
        let types = self.types.into_iter().map(|(name, counts)| (name, counts.into()));
        let groups = self.groups.into_iter().map(|(group, labels)| {
            (group, labels.into_iter().map(|(label, counts)| (label, counts.into())).collect())
        });
        Report { types: types.collect(), groups: groups.collect(), mb_per_s }
    }
}

/// The result of an evaluation.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    types: BTreeMap<String, TypeReport>,
    groups: BTreeMap<String, BTreeMap<String, LabelReport>>,
    mb_per_s: f64,
}

#[derive(Debug, Serialize)]
struct TypeReport {
    support: usize,
    recall: f64,
    precision: f64,
    f1: f64,
}

#[derive(Debug, Serialize)]
struct LabelReport {
    n: usize,
    flagged: usize,
    rate: f64,
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl From<Counts> for TypeReport {
    fn from(counts: Counts) -> Self {
        let recall = ratio(counts.recalled, counts.labelled);
        let precision = ratio(counts.right, counts.found);
        let sum = recall + precision;
        let f1 = if sum > 0.0 { 2.0 * recall * precision / sum } else { 0.0 };
        Self { support: counts.labelled, recall, precision, f1 }
    }
}

impl From<Flagged> for LabelReport {
    fn from(counts: Flagged) -> Self {
        Self { n: counts.texts, flagged: counts.flagged, rate: ratio(counts.flagged, counts.texts) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.types.is_empty() {
            writeln!(
                f,
                "{:<24}{:>8}{:>8}{:>10}{:>8}",
                "type", "support", "recall", "precision", "f1"
            )?;
        }
        for (name, t) in &self.types {
            if t.support == 0 {
                // Nothing to find: whatever was found is wrong, and there is no rate of it.
                writeln!(f, "{name:<24}{:>8}{:>8}{:>10}{:>8}", 0, "-", "-", "-")?;
                continue;
            }
            writeln!(
                f,
                "{name:<24}{:>8}{:>8.3}{:>10.3}{:>8.3}",
                t.support, t.recall, t.precision, t.f1
            )?;
        }
        if !self.groups.is_empty() {
            writeln!(f, "{:<24}{:>8}{:>8}{:>10}{:>8}", "group", "label", "n", "flagged", "rate")?;
        }
        for (group, labels) in &self.groups {
            for (label, l) in labels {
                writeln!(f, "{group:<24}{label:>8}{:>8}{:>10}{:>8.4}", l.n, l.flagged, l.rate)?;
            }
        }
        writeln!(f, "{:.1} MB/s scanned", self.mb_per_s)
    }
}
