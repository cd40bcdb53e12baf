//! `weir eval tokens`: the estimate against a real vocabulary.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};
use weir_tokens::{TextCounter, estimate};

use crate::error::CliError;
use crate::guardrail::read;

/// Arguments of `weir eval tokens`.
#[derive(Debug, Args)]
#[command(after_help = "\
The tokens are those of OpenAI's vocabulary o200k, counted by tiktoken-rs. An error is that of one text:
|estimated - counted| / counted; BIAS is their mean with the sign, SUM that of all tokens together.
Exit code: 0, whatever the errors are, or 2 for an error.")]
pub(crate) struct Tokens {
    /// Texts, one JSON object a line: `text`, and `group` if the result is to be by group.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Leaves out texts of fewer tokens: of a handful, one more or less is a large error.
    #[arg(long, value_name = "TOKENS", default_value_t = 1)]
    min_tokens: u32,
    /// Writes the result as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// One line of a data file.
#[derive(Deserialize)]
struct Record {
    text: String,
    #[serde(default)]
    group: String,
}

/// What was estimated and what was counted, by text.
#[derive(Default)]
struct Pairs(Vec<(u32, u32)>);

/// The result of a group.
#[derive(Debug, Serialize)]
struct GroupReport {
    texts: usize,
    tokens: u64,
    mean_error: f64,
    p95_error: f64,
    bias: f64,
    sum_error: f64,
}

/// The result by group, and of all texts together.
#[derive(Debug, Serialize)]
struct Report {
    groups: BTreeMap<String, GroupReport>,
    all: GroupReport,
}

impl Tokens {
    pub(super) fn run(&self) -> Result<ExitCode, CliError> {
        let record = |line, reason: &str| CliError::Record {
            path: self.data.clone(),
            line,
            reason: reason.to_owned(),
        };
        let vocabulary = tiktoken_rs::o200k_base()
            .map_err(|error| record(0, &format!("no vocabulary: {error}")))?;
        let mut groups = BTreeMap::<String, Pairs>::new();
        let mut all = Pairs::default();
        for (line, text) in lines(&self.data)?.into_iter().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let no_record = "is no JSON object with `text` and perhaps `group`, both in quotes";
            let read: Record =
                serde_json::from_str(&text).map_err(|_| record(line + 1, no_record))?;
            let counted = vocabulary.encode_ordinary(&read.text).len();
            let counted = u32::try_from(counted).unwrap_or(u32::MAX);
            if counted >= self.min_tokens.max(1) {
                let pair = (estimated(&read.text), counted);
                groups.entry(read.group).or_default().0.push(pair);
                all.0.push(pair);
            }
        }
        if all.0.is_empty() {
            return Err(record(1, "holds no text to count, or none of --min-tokens"));
        }
        let groups = groups.into_iter().map(|(name, pairs)| (name, pairs.report())).collect();
        self.write(&Report { groups, all: all.report() })?;
        Ok(ExitCode::SUCCESS)
    }

    fn write(&self, report: &Report) -> Result<(), CliError> {
        write!(std::io::stdout().lock(), "{report}")?;
        let Some(path) = &self.json else { return Ok(()) };
        let json = serde_json::to_vec_pretty(report)?;
        std::fs::write(path, json).map_err(|source| CliError::File { path: path.clone(), source })
    }
}

fn lines(path: &Path) -> Result<Vec<String>, CliError> {
    Ok(read(path)?.lines().map(str::to_owned).collect())
}

fn estimated(text: &str) -> u32 {
    let mut counter = TextCounter::new();
    counter.push(text.as_bytes());
    estimate(&counter.counts())
}

impl Pairs {
    fn report(&self) -> GroupReport {
        let off = |estimated: f64, counted: f64| (estimated - counted) / counted;
        let errors: Vec<f64> =
            self.0.iter().map(|(a, b)| off(f64::from(*a), f64::from(*b))).collect();
        let mut sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let texts = errors.len();
        let sum =
            |of: fn(&(u32, u32)) -> u32| self.0.iter().map(|pair| u64::from(of(pair))).sum::<u64>();
        let (estimated, counted) = (sum(|pair| pair.0), sum(|pair| pair.1));
        GroupReport {
            texts,
            tokens: counted,
            mean_error: sizes.iter().sum::<f64>() / texts as f64,
            // The smallest error that 95 of 100 texts do not exceed.
            p95_error: sizes
                .get((texts * 95).div_ceil(100).saturating_sub(1))
                .copied()
                .unwrap_or(0.0),
            bias: errors.iter().sum::<f64>() / texts as f64,
            sum_error: off(estimated as f64, counted as f64),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}",
            "GROUP", "TEXTS", "TOKENS", "MEAN", "P95", "BIAS", "SUM"
        )?;
        let groups = self.groups.iter().map(|(name, group)| (name.as_str(), group));
        for (name, group) in groups.chain([("all", &self.all)]) {
            let name = if name.is_empty() { "-" } else { name };
            let GroupReport { texts, tokens, mean_error, p95_error, bias, sum_error } = group;
            writeln!(
                f,
                "{name:<20}{texts:>7}{tokens:>9}{:>7.1} %{:>7.1} %{:>+7.1} %{:>+7.1} %",
                mean_error * 100.0,
                p95_error * 100.0,
                bias * 100.0,
                sum_error * 100.0,
            )?;
        }
        Ok(())
    }
}
