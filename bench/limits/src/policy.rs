//! The ways to reserve.

use serde::Serialize;
use serde_json::{Value, json};

/// What is reserved for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Policy {
    /// Nothing.
    None,
    /// A half of `max_tokens`.
    Fraction,
    /// All of it.
    Full,
    /// What nine of ten completions of the key stay below.
    Learned,
}

/// Tokens that a run's key may use.
pub(crate) const LIMIT: u64 = 20_000;

impl Policy {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::None, Self::Fraction, Self::Full, Self::Learned];

    /// The name in settings and tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fraction => "fraction",
            Self::Full => "full",
            Self::Learned => "learned",
        }
    }

    /// The limit, as settings write it. Nothing comes back while it is measured: of 20,000 a day, two in ten seconds.
    pub(crate) fn limit(self) -> Value {
        let mut limit = json!({
            "name": "hammered", "per": ["header:x-run"], "tokens": LIMIT, "window": "1d",
            "reserve": self.name(),
        });
        if self == Self::Fraction {
            limit.as_object_mut().map(|limit| limit.insert("fraction".into(), json!("0.5")));
        }
        limit
    }
}
