//! `weir eval`: rules measured on labelled data, token estimates on any text.

mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use serde::Deserialize;
use weir_detect::{Direction, Finding, Group, Policy};

use crate::error::CliError;
use crate::guardrail::{self, EntityNames, PolicyFile};
use crate::report::{Matching, Report, Span, Tally};

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum Eval {
    /// The guardrail: precision, recall and F1 by type; the rate flagged by group and label.
    Guardrail(Guardrail),
    /// The token estimate: how far it is off from o200k, by group.
    Tokens(tokens::Tokens),
}

impl Eval {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        match self {
            Self::Guardrail(guardrail) => guardrail.run(),
            Self::Tokens(tokens) => tokens.run(),
        }
    }
}

/// Arguments of `weir eval guardrail`.
#[derive(Debug, Args)]
#[command(after_help = "\
`weir rules` lists the entity types that there are.
Exit code: 0, whatever the rates are, or 2 for an error.")]
pub(crate) struct Guardrail {
    #[command(flatten)]
    policy: PolicyFile,
    /// Records, one JSON object a line: `text` with `spans` or with `label`.
    ///
    /// `spans` is a list of `{"start": 9, "end": 24, "type": "EMAIL"}`, counted in characters;
    /// `label` is any word, counted by `group` if the record has one.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// When a finding counts as a labelled span.
    #[arg(long = "match", value_enum, default_value_t = Matching::Overlap)]
    matching: Matching,
    /// Names of the data set's entity types and ours, a YAML file of lines `THEIRS: OURS`.
    ///
    /// They go before the names that are known anyway, such as `PHONE_NUMBER: PHONE`. Types that
    /// then still are none of ours are listed on standard error; their spans count as missed.
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
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
        let policy = self.policy.load()?;
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
        if let Some(unknown) = unknown_types(&policy, &names, &records) {
            eprintln!("weir: {unknown}");
        }
        self.write(&report)?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, report: &Report) -> Result<(), CliError> {
        write!(std::io::stdout().lock(), "{report}")?;
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

/// What is said of types of the data that no rule looks for: a recall of 0 may be but a name.
fn unknown_types(policy: &Policy, names: &EntityNames, records: &[Record]) -> Option<String> {
    let ours: BTreeSet<&str> = policy.rules().map(|(rule, _)| rule.entity.as_ref()).collect();
    let mut unknown = BTreeMap::<String, usize>::new();
    for span in records.iter().filter_map(|record| record.spans.as_ref()).flatten() {
        let name = names.ours(&span.entity);
        if !ours.contains(name.as_str()) {
            let shown = if name.eq_ignore_ascii_case(&span.entity) {
                span.entity.clone()
            } else {
                format!("{} (as {name})", span.entity)
            };
            *unknown.entry(shown).or_default() += 1;
        }
    }
    let listed = unknown.iter().map(|(name, spans)| match spans {
        1 => format!("  {name}: 1 span"),
        _ => format!("  {name}: {spans} spans"),
    });
    (!unknown.is_empty()).then(|| {
        format!(
            "no rule looks for these types of the data, so their spans count as missed:\n{}\n\
             If `weir rules` lists one under another name, say so with --entities FILE, a YAML file \
             of lines `THEIRS: OURS`",
            listed.collect::<Vec<_>>().join("\n")
        )
    })
}

fn records(path: &Path) -> Result<Vec<Record>, CliError> {
    let text = guardrail::read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let records: Vec<_> = lines
        .map(|(number, line)| {
            let fail =
                |reason| CliError::Record { path: path.to_owned(), line: number + 1, reason };
            let record = serde_json::from_str(line).map_err(|error| fail(no_record(&error)))?;
            check(&record).map_err(fail)?;
            Ok(record)
        })
        .collect::<Result<_, CliError>>()?;
    if records.is_empty() {
        let reason = "holds no record".to_owned();
        return Err(CliError::Record { path: path.to_owned(), line: 1, reason });
    }
    Ok(records)
}

/// Why a line is no record. What serde says could show its text.
fn no_record(error: &serde_json::Error) -> String {
    let column = error.column();
    if error.is_data() {
        return format!(
            "needs `text` in quotes, and `spans`, a list of {{\"start\": 9, \"end\": 24, \"type\": \"EMAIL\"}}, or `label` in quotes (read up to column {column})"
        );
    }
    format!("is no JSON (column {column}); each line must be one object")
}

/// What is wrong with a record that can be read.
fn check(record: &Record) -> Result<(), String> {
    if record.spans.is_none() && record.label.is_none() {
        return Err("has neither `spans` nor `label`, so it says nothing about its text".to_owned());
    }
    let characters = record.text.chars().count();
    for (at, span) in record.spans.iter().flatten().enumerate() {
        let RecordSpan { start, end, .. } = span;
        if start >= end || *end > characters {
            return Err(format!(
                "spans[{at}]: {start} to {end} is no stretch of the text's {characters} characters"
            ));
        }
    }
    Ok(())
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
