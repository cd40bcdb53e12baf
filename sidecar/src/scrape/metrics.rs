//! The metrics of one replica.

use std::borrow::Cow;
use std::fmt;

use weir_snapshot::EndpointReport;

/// What one page says; what it doesn't say is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    pub(crate) waiting: Option<u32>,
    pub(crate) running: Option<u32>,
    /// 0 to 1.
    pub(crate) kv_cache_use: Option<f64>,
    /// Tokens per KV-cache block.
    pub(crate) block_size: Option<u32>,
    /// KV-cache blocks in all.
    pub(crate) blocks: Option<u32>,
    /// LoRA adapters that fit at once.
    pub(crate) max_lora: Option<u32>,
    pub(crate) running_adapters: Vec<String>,
    pub(crate) waiting_adapters: Vec<String>,
    pub(crate) first_tokens: Option<FirstTokens>,
}

/// What a server has counted of first tokens since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct FirstTokens {
    /// Requests that have got theirs.
    pub(crate) count: f64,
    /// Seconds that they waited for it.
    pub(crate) seconds: f64,
    /// Seconds of these in the queue.
    pub(crate) queued_seconds: Option<f64>,
}

impl Metrics {
    /// Writes what is known into `report`.
    pub(crate) fn fill(&self, report: &mut EndpointReport) {
        report.waiting = self.waiting;
        report.running = self.running;
        report.kv_cache_use = self.kv_cache_use;
        report.block_size = self.block_size;
        report.blocks = self.blocks;
        report.max_lora = self.max_lora;
        report.running_adapters.clone_from(&self.running_adapters);
        report.waiting_adapters.clone_from(&self.waiting_adapters);
    }
}

/// What tells a server that was restarted from the one before; what the page doesn't say is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Life {
    /// When the process was started, in s since 1970.
    pub(crate) started: Option<f64>,
    /// Sum of counters that only a restart lowers.
    pub(crate) counted: Option<f64>,
}

/// A page that could be used.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) metrics: Metrics,
    pub(crate) life: Life,
    /// The first value that made no sense and was left out.
    pub(crate) flaw: Option<Flaw>,
}

/// A series whose value was left out, and why. The value itself is not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) series: Cow<'static, str>,
    pub(crate) problem: Problem,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The line is no sample.
    Malformed,
    /// The same labels twice.
    Duplicate,
    /// NaN, infinite, negative, or over what the metric can reach.
    OutOfRange,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.series)?;
        f.write_str(match self.problem {
            Problem::Malformed => " is malformed",
            Problem::Duplicate => " stands twice with the same labels",
            Problem::OutOfRange => " is out of range",
        })
    }
}
