//! `weir eval`: rules measured on labelled data.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use weir_detect::{Direction, Finding, Group, Policy};

use crate::error::CliError;
use crate::guardrail::{self, EntityNames};
use crate::report::{Report, Span, Tally};

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// The guardrail: precision, recall and F1 by type; the rate flagged by group and label.
    Guardrail(Guardrail),
}

impl Eval {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        match self {
            Self::Guardrail(guardrail) => guardrail.run(),
        }
    }
}

/// Arguments of `weir eval guardrail`.
#[derive(Debug, Args)]
pub(crate) struct Guardrail {
    /// Policy in YAML; without it the default policy applies.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Which policy to take, where FILE is a filter's configuration with several.
    #[arg(long, value_name = "NAME", default_value = "default")]
    policy_name: String,
    /// Records, one JSON object a line: `text` with `spans` or with `label`.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// When a finding counts as a labelled span.
    #[arg(long = "match", value_enum, default_value_t = Matching::Overlap)]
    matching: Matching,
    /// Entity names of the data set and ours, in YAML (`THEIRS: OURS`).
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
}

/// `--match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Matching {
    /// Same type, at least one character in common.
    Overlap,
    /// Same type, same characters.
    Exact,
}

/// One line of a data file.
#[derive(Deserialize)]
struct Record {
    text: String,
    #[serde(default)]
    group: String,
    spans: Option<Vec<RecordSpan>>,
    label: Option<String>,
}

#[derive(Deserialize)]
struct RecordSpan {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    entity: String,
}

impl Guardrail {
    fn run(&self) -> Result<ExitCode, CliError> {
        let policy = guardrail::policy(self.policy.as_deref(), &self.policy_name)?;
        let names = EntityNames::load(self.entities.as_deref())?;
        let records = records(&self.data)?;
        let mut tally = Tally::new(self.matching);
        let started = Instant::now();
        let found: Vec<_> = records.iter().map(|record| scan(&policy, &record.text)).collect();
        let seconds = started.elapsed().as_secs_f64();
        for (record, findings) in records.iter().zip(&found) {
            count(&mut tally, &names, record, findings);
        }
        let bytes: usize = records.iter().map(|record| record.text.len()).sum();
        let report = tally.report(bytes as f64 / 1e6 / seconds.max(1e-9));
        self.write(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, report: &Report) -> Result<(), CliError> {
        print!("{report}");
        let Some(path) = &self.json else { return Ok(()) };
        let json = serde_json::to_vec_pretty(report)?;
        std::fs::write(path, json).map_err(|source| CliError::File { path: path.clone(), source })
    }
}

/// What the policy finds in a prompt. A label says what a text is, not which way it goes, so the
/// request's rules apply.
fn scan(policy: &Policy, text: &str) -> Vec<Finding> {
    policy.scanner().scan(text, policy.selection(Direction::Request, false))
}

fn records(path: &Path) -> Result<Vec<Record>, CliError> {
    let text = guardrail::read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| CliError::Record {
                path: path.to_owned(),
                line: number + 1,
                reason: format!("{:?} at column {}", error.classify(), error.column()),
            })
        })
        .collect()
}

fn count(tally: &mut Tally, names: &EntityNames, record: &Record, findings: &[Finding]) {
    if let Some(spans) = &record.spans {
        let labelled = spans.iter().map(|span| Span {
            entity: names.ours(&span.entity),
            start: span.start,
            end: span.end,
        });
        tally.spans(labelled.collect(), found(&record.text, findings));
    }
    if let Some(label) = &record.label {
        let counts = |finding: &&Finding| !matches!(finding.group(), Group::Size);
        tally.label(&record.group, label, findings.iter().any(|finding| counts(&finding)));
    }
}

/// Findings in characters, as the data sets count.
fn found(text: &str, findings: &[Finding]) -> Vec<Span> {
    let characters = |bytes: usize| text.get(..bytes).map_or(0, |head| head.chars().count());
    let span = |finding: &Finding| Span {
        entity: finding.entity().to_owned(),
        start: characters(finding.span.start),
        end: characters(finding.span.end),
    };
    findings.iter().map(span).collect()
}
