//! Ways in which a replica can fail on purpose.

use serde::{Deserialize, Serialize};

/// How a replica misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureMode {
    /// Not at all.
    #[default]
    None,
    /// The listener and all its connections are closed, as when the process has died.
    Refuse,
    /// Generation requests are taken and never answered; `/health` answers 503.
    Hang,
    /// Generation requests are answered with a 500; `/health` answers 503.
    Error500,
    /// The connection of a generation request is closed without an answer.
    Reset,
    /// The connection is cut in the middle of every response body.
    CutMidstream,
    /// `/metrics` answers bytes that are no metrics page.
    GarbageMetrics,
    /// The headers of a stream come, and nothing after them; of a raw reply the body, without its end.
    HangBeforeToken,
    /// The connection of a stream is cut after its headers.
    CutBeforeToken,
    /// A stream ends after its headers.
    NoToken,
    /// Streams end without `data: [DONE]` (or the dialect's own last event).
    NoDone,
    /// `/metrics` takes ten seconds.
    SlowMetrics,
}

/// A failure mode with an unknown name.
#[derive(Debug, thiserror::Error)]
#[error(
    "failure mode {0:?} is not one of none, refuse, hang, error500, reset, cut_midstream, \
     hang_before_token, cut_before_token, no_token, garbage_metrics, no_done, slow_metrics"
)]
pub struct UnknownFailureMode(String);

impl std::str::FromStr for FailureMode {
    type Err = UnknownFailureMode;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let value = serde_json::Value::String(name.to_owned());
        serde_json::from_value(value).map_err(|_| UnknownFailureMode(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_control_request() {
        let cases = [("none", FailureMode::None), ("cut_midstream", FailureMode::CutMidstream)];
        for (name, mode) in cases {
            assert_eq!(name.parse::<FailureMode>().unwrap(), mode);
        }
        assert!("Hang".parse::<FailureMode>().is_err());
    }
}
