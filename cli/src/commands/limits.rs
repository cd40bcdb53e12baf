//! `weir limits`: what a policy of token-limit allows, in words; and the keys of limits of a fleet.

mod date;
mod keys;
mod words;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use weir_settings::token_limit::{self, TokenLimitPolicy};
use weir_tokens::charge::Demand;
use weir_wire::path::{Operation, classify};
use weir_wire::request::{RequestScanner, ScanLimits};

use crate::error::CliError;
use crate::guardrail::{read, yaml};
use crate::within_envoy::{chosen_policy, settings_of};

/// What to do with limits.
#[derive(Debug, Subcommand)]
pub(crate) enum Limits {
    /// Say what a policy allows, and what a request would be charged.
    Explain(Explain),
    /// List the limits with `scope: fleet` that a sidecar's gateways have.
    List(keys::List),
    /// Say how one key of such a limit stands.
    Show(keys::Show),
    /// Let a key spend more in the calendar's window that has begun.
    TopUp(keys::TopUp),
    /// Forget what a key has spent.
    Reset(keys::Reset),
}

impl Limits {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        match self {
            Self::Explain(explain) => explain.run(),
            Self::List(list) => list.run(),
            Self::Show(show) => show.run(),
            Self::TopUp(top_up) => top_up.run(),
            Self::Reset(reset) => reset.run(),
        }
    }
}

/// Arguments of `weir limits explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
A request is given as its body (--request), or by its numbers.
Exit code: 0, also where a limit would never admit the request, or 2 for an error.")]
pub(crate) struct Explain {
    /// Policy in YAML or JSON: one policy, the configuration of token-limit or gateway, or one of Envoy.
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Which policy to take, where POLICY has several [default: default].
    #[arg(long = "policy-name", value_name = "NAME")]
    name: Option<String>,
    /// Body of a request, as it would be sent to --path.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prompt_tokens", "max_tokens", "choices"])]
    request: Option<PathBuf>,
    /// Path that the body would be sent to.
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions")]
    path: String,
    /// Model of the request.
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Tokens of its prompt.
    #[arg(long, value_name = "N")]
    prompt_tokens: Option<u64>,
    /// Its `max_tokens`.
    #[arg(long, value_name = "N")]
    max_tokens: Option<u64>,
    /// How many choices it asks for.
    #[arg(long = "n", value_name = "N", default_value_t = 1)]
    choices: u64,
}

/// A request as far as limits care.
#[derive(Debug)]
struct Asked {
    model: String,
    demand: Demand,
}

impl Explain {
    fn run(&self) -> Result<ExitCode, CliError> {
        let policy = self.load()?;
        let asked = self.asked()?;
        let mut out = std::io::stdout().lock();
        write!(out, "{}", words::policy(&policy))?;
        if let Some(asked) = asked {
            write!(out, "\n{}", words::request(&policy, &asked.model, &asked.demand))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn load(&self) -> Result<TokenLimitPolicy, CliError> {
        let unusable = |reason: String| CliError::Yaml { path: self.policy.clone(), reason };
        let mut written = settings_of("token-limit", yaml(&self.policy)?).map_err(unusable)?;
        if let Some(members) = written.as_object_mut() {
            // Who is asking is no matter of what a policy allows.
            members.remove("trust");
        }
        if written.get("policies").is_some() {
            // What Envoy would refuse, also of the policies that were not chosen.
            let checked = token_limit::policies(written.to_string().as_bytes());
            checked.map_err(|error| unusable(error.to_string()))?;
        }
        let (field, written) = chosen_policy(written, self.name.as_deref()).map_err(unusable)?;
        token_limit::read(&field, written).map_err(|error| unusable(error.to_string()))
    }

    fn asked(&self) -> Result<Option<Asked>, CliError> {
        if let Some(path) = &self.request {
            return self.scanned(path).map(Some);
        }
        let given =
            self.prompt_tokens.is_some() || self.max_tokens.is_some() || self.model.is_some();
        Ok(given.then(|| Asked {
            model: self.model.clone().unwrap_or_default(),
            demand: Demand {
                prompt: self.prompt_tokens.unwrap_or(0),
                max_tokens: self.max_tokens,
                choices: self.choices,
            },
        }))
    }

    /// The request in a file, read as the filters read it.
    fn scanned(&self, file: &Path) -> Result<Asked, CliError> {
        let unusable = |reason: String| CliError::Yaml { path: file.to_owned(), reason };
        let endpoint = classify(b"POST", self.path.as_bytes())
            .ok_or_else(|| unusable(format!("{} is no inference API (--path)", self.path)))?;
        let body = read(file)?;
        let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
        let scanned = scanner.feed(body.as_bytes()).and_then(|()| scanner.finish());
        let facts = scanned.map_err(|error| unusable(error.to_string()))?;
        let in_body = facts.model.as_ref().map(|model| model.name.clone());
        Ok(Asked {
            model: self.model.clone().or(in_body).unwrap_or_default(),
            demand: Demand {
                prompt: facts.prompt_tokens().into(),
                max_tokens: facts.max_tokens,
                choices: if completes(endpoint.operation) { facts.n.unwrap_or(1) } else { 0 },
            },
        })
    }
}

/// Whether an operation makes text.
fn completes(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::ChatCompletions
            | Operation::Completions
            | Operation::Responses
            | Operation::Messages
            | Operation::GenerateContent
            | Operation::Infer
            | Operation::Generate
    )
}
