//! `weir scan`: what a policy finds in a text and makes of it.

use std::io::{IsTerminal, Read, Write};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use weir_detect::{Action, Direction, Inspection, Pseudonyms, apply};

use crate::error::CliError;
use crate::guardrail::PolicyFile;

/// Arguments of `weir scan`.
#[derive(Debug, Args)]
#[command(after_help = "\
`weir rules` lists the rules, groups and entity types that findings and policies name. The `start` and
`end` of a finding are bytes of the text.
Exit code: 0, or 1 where the policy blocks the text, or 2 for an error.")]
pub(crate) struct Scan {
    #[command(flatten)]
    policy: PolicyFile,
    /// Which way the text goes.
    #[arg(long, value_enum, default_value_t = Way::Request)]
    direction: Way,
    /// JSON also on a terminal; into a pipe or file it always is.
    #[arg(long)]
    json: bool,
}

/// `--direction`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Way {
    Request,
    Response,
}

impl From<Way> for Direction {
    fn from(way: Way) -> Self {
        match way {
            Way::Request => Self::Request,
            Way::Response => Self::Response,
        }
    }
}

/// One finding as JSON: where and what, never the value.
#[derive(Debug, Serialize)]
struct FindingReport<'f> {
    start: usize,
    end: usize,
    #[serde(rename = "type")]
    entity: &'f str,
    rule: &'f str,
    group: &'f str,
    confidence: f32,
    action: Action,
    shadow: bool,
}

/// The result as JSON.
#[derive(Debug, Serialize)]
struct ScanReport<'f> {
    blocked: bool,
    findings: Vec<FindingReport<'f>>,
    text: String,
}

impl Scan {
    /// Reads standard input, writes the result; exit code 1 says that the policy blocks.
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        let policy = self.policy.load()?;
        let text = input()?;
        let inspection = policy.inspect(&text, self.direction.into(), &mut Pseudonyms::default());
        match self.show(&text, &inspection) {
            // Whoever reads the output may have read enough; the verdict stands.
            Err(error) if !error.is_broken_pipe() => Err(error),
            _ if inspection.blocked => Ok(ExitCode::from(1)),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn show(&self, text: &str, inspection: &Inspection) -> Result<(), CliError> {
        let mut out = std::io::stdout().lock();
        if !self.json && out.is_terminal() {
            return coloured(&mut out, text, inspection);
        }
        serde_json::to_writer_pretty(&mut out, &report(text, inspection))?;
        writeln!(out)?;
        Ok(())
    }
}

/// Standard input.
fn input() -> Result<String, CliError> {
    let mut stdin = std::io::stdin().lock();
    if stdin.is_terminal() {
        eprintln!("weir: reads the text from here; Ctrl-D on a line of its own ends it");
    }
    let mut bytes = Vec::new();
    stdin.read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|error| CliError::NotText(error.utf8_error().valid_up_to()))
}

fn report<'f>(text: &str, inspection: &'f Inspection) -> ScanReport<'f> {
    let findings = inspection.applied.iter().map(|applied| FindingReport {
        start: applied.finding.span.start,
        end: applied.finding.span.end,
        entity: applied.finding.entity(),
        rule: applied.finding.id(),
        group: applied.finding.group().name(),
        confidence: applied.finding.confidence,
        action: applied.action,
        shadow: applied.shadow,
    });
    ScanReport {
        blocked: inspection.blocked,
        findings: findings.collect(),
        text: apply(text, &inspection.edits),
    }
}

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[33m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

fn coloured(out: &mut impl Write, text: &str, inspection: &Inspection) -> Result<(), CliError> {
    let mut at = 0;
    for edit in &inspection.edits {
        write!(out, "{}", text.get(at..edit.span.start).unwrap_or_default())?;
        write!(out, "{RED}{}{PLAIN}", edit.replacement)?;
        at = edit.span.end;
    }
    writeln!(out, "{}", text.get(at..).unwrap_or_default())?;
    for applied in &inspection.applied {
        let (finding, shadow) = (&applied.finding, if applied.shadow { " (shadow)" } else { "" });
        writeln!(
            out,
            "{YELLOW}{:>6}..{:<6}{PLAIN} {} {DIM}{} {:.2}{PLAIN} {:?}{shadow}",
            finding.span.start,
            finding.span.end,
            finding.entity(),
            finding.id(),
            finding.confidence,
            applied.action,
        )?;
    }
    if inspection.blocked {
        writeln!(out, "{RED}blocked{PLAIN}")?;
    }
    Ok(())
}
