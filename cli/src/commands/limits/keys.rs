//! Keys of limits of a fleet, by way of a sidecar.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::Value;
use weir_snapshot::limit_commands::{
    KeyStanding, LimitAction, LimitCommand, LimitEntry, LimitList,
};
use weir_tokens::headers::duration;
use weir_tokens::limits::Calendar;

use super::date;
use super::words::afresh;
use crate::error::CliError;
use crate::sidecar::{Sidecar, SidecarArgs};

/// Arguments of `weir limits list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// Arguments of `weir limits show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    key: Key,
}

/// Arguments of `weir limits top-up`.
#[derive(Debug, Args)]
#[command(after_help = AGAIN)]
pub(crate) struct TopUp {
    #[command(flatten)]
    key: Key,
    /// How much more: tokens, requests, or money, as the limit counts. Below 0, how much of what was added to take back.
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    by: f64,
    #[command(flatten)]
    once: Once,
}

/// Arguments of `weir limits reset`.
#[derive(Debug, Args)]
#[command(after_help = AGAIN)]
pub(crate) struct Reset {
    #[command(flatten)]
    key: Key,
    #[command(flatten)]
    once: Once,
}

const AGAIN: &str = "\
A command is carried out once, however often its --id comes: where no answer came, it is sent again by itself, and can be
sent again by hand. What gateways were granted before and have not used is theirs still; a gateway hears of the change
after the next request of the key that it refuses.";

/// Whose key of which limit.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// The limit's name.
    limit: String,
    /// The values of the limit's `per`, in its order, such as the consumer's name; none for a limit without `per`.
    values: Vec<String>,
    /// In place of values: the key of requests that lack them (`unidentified: share`).
    #[arg(long, conflicts_with = "values")]
    unidentified: bool,
    #[command(flatten)]
    sidecar: SidecarArgs,
}

/// What makes a command one.
#[derive(Debug, Args)]
pub(crate) struct Once {
    /// The command's id, 16 hex digits [default: a random one].
    #[arg(long, value_name = "HEX")]
    id: Option<String>,
}

impl List {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        let (json, list): (Value, LimitList) = Sidecar::new(&self.sidecar)?.list()?;
        if self.sidecar.json {
            return print(&format!("{json:#}\n"));
        }
        if list.limits.is_empty() {
            return print(
                "no gateway has told this sidecar of a limit with `scope: fleet`; its /readyz and /status say which gateways it reaches\n",
            );
        }
        print(&list.limits.iter().map(listed).collect::<String>())
    }
}

impl Show {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        self.key.send(LimitAction::Show, None, None)
    }
}

impl TopUp {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        self.key.send(LimitAction::TopUp, Some(self.by), self.once.id.clone())
    }
}

impl Reset {
    pub(crate) fn run(&self) -> Result<ExitCode, CliError> {
        self.key.send(LimitAction::Reset, None, self.once.id.clone())
    }
}

impl Key {
    fn send(
        &self,
        action: LimitAction,
        amount: Option<f64>,
        id: Option<String>,
    ) -> Result<ExitCode, CliError> {
        let named = self.values.iter().cloned().map(Some);
        let nobody = self.unidentified.then_some(None);
        let command = LimitCommand {
            id: id.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..))),
            action,
            limit: self.limit.clone(),
            per: named.chain(nobody).collect(),
            amount,
        };
        let sent = Sidecar::new(&self.sidecar)?.command(&command);
        if sent.is_err() && action != LimitAction::Show {
            // It may have arrived, and be carried out later: another id would do it twice.
            eprintln!("to send the very same command again, add `--id {}`", command.id);
        }
        let (json, standing): (Value, KeyStanding) = sent?;
        if self.sidecar.json {
            return print(&format!("{json:#}\n"));
        }
        print(&told(action, &standing))
    }
}

fn print(text: &str) -> Result<ExitCode, CliError> {
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A line for each limit.
fn listed(limit: &LimitEntry) -> String {
    let LimitEntry { limit: name, measure, amount, keys, .. } = limit;
    let window = match Calendar::parse(&limit.calendar) {
        Some(calendar) => format!("a {}, afresh {}", calendar.period().name(), afresh(&calendar)),
        None => format!("in {}, at once {}", duration(limit.window_ms), limit.burst),
    };
    format!("{name}: {} {window}; {keys} keys in use here\n", counted(*amount, measure))
}

fn told(action: LimitAction, standing: &KeyStanding) -> String {
    let count = |amount: &f64| counted(*amount, &standing.measure);
    let mut text = String::new();
    if !standing.known {
        text += "nothing was known of this key: it has spent nothing, or is spelled otherwise than requests spell it\n";
    }
    text += &match (action, standing.carried_out) {
        (LimitAction::Show, _) => String::new(),
        (LimitAction::TopUp, true) if standing.added < 0.0 => {
            format!("taken back: {}", count(&-standing.added))
        }
        (LimitAction::TopUp, true) if standing.added == 0.0 => {
            "nothing was added, so nothing was taken back".to_owned()
        }
        (LimitAction::TopUp, true) => format!("topped up by {}", count(&standing.added)),
        (LimitAction::Reset, true) => "reset".to_owned(),
        (_, false) => "that command was carried out before; nothing was changed now\n".to_owned(),
    };
    if standing.carried_out {
        text += "; a gateway that has refused the key refuses its next request, too, and then hears of it\n";
    }
    text + &account(standing)
}

/// What a key may spend, has spent, and has left.
fn account(standing: &KeyStanding) -> String {
    let KeyStanding { limit, measure, amount, topped_up, spent, granted, left, .. } = standing;
    let count = |amount: &f64| counted(*amount, measure);
    let more =
        if *topped_up > 0.0 { format!(", and {topped_up} for this window") } else { String::new() };
    let mut text = format!("{limit}: {}{more}\n", count(amount));
    text += &format!(
        "  spent: {}\n  granted to gateways and not used: {}\n",
        count(spent),
        count(granted)
    );
    text += &format!("  left: {}\n", count(left));
    text += &match standing.ends_in_ms {
        Some(ms) => format!("  starts afresh on {}\n", date::after(ms)),
        None => "  what was spent comes back evenly\n".to_owned(),
    };
    text
}

/// `20 tokens`, `a cost of 2.5`.
fn counted(amount: f64, measure: &str) -> String {
    if measure == "cost" { format!("a cost of {amount}") } else { format!("{amount} {measure}") }
}
