//! What the sidecar logs, and how.

use serde::Deserialize;

/// As written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLog {
    /// `error`, `warn`, `info` (if not given), `debug` or `trace`.
    #[serde(default)]
    pub level: LogLevel,
    /// `text` (if not given) or `json`, one object a line.
    #[serde(default)]
    pub format: LogFormat,
}

/// Least severe level that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Only what stops the sidecar from doing its work.
    Error,
    /// Also what an operator should look at.
    Warn,
    /// Also changes of state.
    #[default]
    Info,
    /// Also every poll and push that fails.
    Debug,
    /// Everything.
    Trace,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSettings {
    /// Least severe level that is logged.
    pub level: LogLevel,
    /// Shape of a log line.
    pub format: LogFormat,
}

impl From<RawLog> for LogSettings {
    fn from(RawLog { level, format }: RawLog) -> Self {
        Self { level, format }
    }
}
