//! What a person says to a sidecar of limits of a fleet, and what it answers.
//!
//! The list of limits is a signed `GET` of [`PATH`], everything else a signed `POST` of a [`LimitCommand`] to it (see
//! [`crate::signature`]). All of it is JSON.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Where a sidecar takes commands.
pub const PATH: &str = "/limits";

/// Largest command in bytes.
pub const MAX_COMMAND_BYTES: usize = 64 * 1024;

/// Digits of an id.
pub const ID_DIGITS: usize = 16;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitAction {
    /// Tell how a key stands.
    Show,
    /// Let it spend more in the calendar's window that has begun.
    TopUp,
    /// Forget what it has spent.
    Reset,
}

impl LimitAction {
    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::TopUp => "top-up",
            Self::Reset => "reset",
        }
    }
}

/// A command for one key of one limit.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitCommand {
    /// [`ID_DIGITS`] hex digits: a command of an id is carried out once, however often it comes.
    pub id: String,
    /// What to do.
    pub action: LimitAction,
    /// The limit's name.
    pub limit: String,
    /// Whose key: the values of the limit's `per`, in its order; `null` for one that requests lack. One `null` alone stands
    /// for as many as the limit goes by.
    pub per: Vec<Option<String>>,
    /// By how much to top up: tokens, requests, or money; below 0, how much of what was added to take back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<f64>,
}

impl fmt::Debug for LimitCommand {
    /// Without the values, which say who is meant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, action, limit, amount, .. } = self;
        write!(f, "LimitCommand({id} {} {limit} {amount:?})", action.name())
    }
}

impl LimitCommand {
    /// Whether the id is one.
    #[must_use]
    pub fn has_id(&self) -> bool {
        self.id.len() == ID_DIGITS && self.id.bytes().all(|digit| digit.is_ascii_hexdigit())
    }
}

/// How a key stands. Amounts are tokens, requests or money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyStanding {
    /// The limit's name.
    pub limit: String,
    /// What it counts: `tokens`, `cost` or `requests`.
    pub measure: String,
    /// What may be spent at once.
    pub amount: f64,
    /// What was added to that for this window.
    pub topped_up: f64,
    /// What the command has added to that, or, below 0, taken back.
    #[serde(default)]
    pub added: f64,
    /// What was spent and has not come back.
    pub spent: f64,
    /// What gateways hold of it to spend next.
    pub granted: f64,
    /// What is left beside that.
    pub left: f64,
    /// ms until the window ends; `None` where what was spent comes back little by little.
    pub ends_in_ms: Option<u64>,
    /// Whether anything is known of the key: it has spent or was given something.
    pub known: bool,
    /// Whether the command was carried out now; false where it was before.
    pub carried_out: bool,
}

/// A limit of the fleet, as the sidecar's gateways tell it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitEntry {
    /// Its name.
    pub limit: String,
    /// What it counts.
    pub measure: String,
    /// How much in which time.
    pub amount: f64,
    /// How much at once.
    pub burst: f64,
    /// In which time, in ms; 0 where it goes by a calendar.
    pub window_ms: u64,
    /// The calendar, such as `month+01:00`, or nothing.
    pub calendar: String,
    /// How many keys of it are in use at the sidecar's gateways.
    pub keys: u64,
}

/// The limits of a fleet that a sidecar knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LimitList {
    /// By their ids.
    pub limits: Vec<LimitEntry>,
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_command_is_read_as_it_is_documented_and_does_not_show_who_is_meant() {
        let json = r#"{"id":"0123456789abcdef","action":"top-up","limit":"key-month","per":["ann",null],"amount":2.5}"#;
        let command: LimitCommand = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&command).unwrap(), json);
        assert!(command.has_id() && command.action == LimitAction::TopUp);
        assert_eq!(
            format!("{command:?}"),
            "LimitCommand(0123456789abcdef top-up key-month Some(2.5))"
        );
        for id in
            ["", "0123456789abcde", "0123456789abcdeg", "0123456789abcdef0", "0123456789abc é"]
        {
            assert!(!LimitCommand { id: id.to_owned(), ..command.clone() }.has_id(), "{id}");
        }
        assert!(serde_json::from_str::<LimitCommand>(&json.replace("amount", "extra")).is_err());
        assert!(serde_json::from_str::<LimitCommand>(&json.replace("top-up", "pay")).is_err());
    }
}
