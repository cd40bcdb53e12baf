//! `weir rules`: what there is to be found, and what a policy does about it.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use weir_detect::{Action, Rule, Treatment};

use crate::error::CliError;
use crate::guardrail::PolicyFile;

/// Arguments of `weir rules`.
#[derive(Debug, Args)]
#[command(after_help = "\
A policy names rules by GROUP, by ID or by ENTITY, which is also what stands for a value: `[EMAIL]`.
CONFIDENCE is that of a plain match; how it is written and the words near by raise or lower it. An
action stands in brackets where that is below the `min_confidence` of the policy, so that a plain
match does not count.")]
pub(crate) struct Rules {
    #[command(flatten)]
    policy: PolicyFile,
    /// JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// One rule as JSON.
#[derive(Debug, Serialize)]
struct RuleReport<'r> {
    id: &'r str,
    group: &'r str,
    entity: &'r str,
    confidence: f32,
    request: Option<TreatmentReport>,
    response: Option<TreatmentReport>,
}

/// What happens to what it finds in one direction.
#[derive(Debug, Serialize)]
struct TreatmentReport {
    action: Action,
    min_confidence: f32,
    shadow: bool,
}

impl Rules {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        let policy = self.policy.load()?;
        let rules: Vec<_> = policy.rules().map(|(rule, treated)| report(rule, treated)).collect();
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &rules)?;
            writeln!(out)?;
        } else {
            table(&mut out, &rules)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn report<'r>(rule: &'r Rule, treatments: [Option<&Treatment>; 2]) -> RuleReport<'r> {
    let [request, response] = treatments.map(|treatment| {
        let Treatment { action, min_confidence, shadow, .. } = *treatment?;
        Some(TreatmentReport { action, min_confidence, shadow })
    });
    RuleReport {
        id: &rule.id,
        group: rule.group.name(),
        entity: &rule.entity,
        confidence: rule.confidence,
        request,
        response,
    }
}

fn table(out: &mut impl Write, rules: &[RuleReport<'_>]) -> Result<(), CliError> {
    let longest = |cell: &str, width: usize| width.max(cell.chars().count());
    let id = rules.iter().fold(0, |width, rule| longest(rule.id, width));
    let entity = rules.iter().fold(0, |width, rule| longest(rule.entity, width));
    writeln!(
        out,
        "{:<id$}  {:<12}  {:<entity$}  CONFIDENCE  {:<14}  RESPONSE",
        "ID", "GROUP", "ENTITY", "REQUEST"
    )?;
    for rule in rules {
        writeln!(
            out,
            "{:<id$}  {:<12}  {:<entity$}  {:<10.2}  {:<14}  {}",
            rule.id,
            rule.group,
            rule.entity,
            rule.confidence,
            action(rule, rule.request.as_ref()),
            action(rule, rule.response.as_ref()),
        )?;
    }
    Ok(())
}

/// An action's name as a policy writes it; in brackets where only context makes a match count.
fn action(rule: &RuleReport<'_>, treatment: Option<&TreatmentReport>) -> String {
    let Some(treatment) = treatment else { return "-".to_owned() };
    let name = format!("{:?}", treatment.action).to_lowercase();
    let name = if treatment.shadow { format!("{name} shadow") } else { name };
    if rule.confidence < treatment.min_confidence { format!("({name})") } else { name }
}
