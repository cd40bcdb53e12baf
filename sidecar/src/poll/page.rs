//! From a metrics page to what it says about the replica.

use std::fmt;

use weir_snapshot::EndpointReport;

use super::gather::Gathered;
use super::model_server::ModelServer;

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

/// A page that could be used.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    pub(crate) metrics: Metrics,
    /// The first value that made no sense and was left out.
    pub(crate) flaw: Option<Flaw>,
}

/// A series whose value was left out, and why. The value itself is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw {
    pub(crate) series: &'static str,
    pub(crate) problem: Problem,
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The line is no sample.
    Malformed,
    /// NaN, infinite, negative, or over what the metric can reach.
    OutOfRange,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.series)?;
        f.write_str(match self.problem {
            Problem::Malformed => " is malformed",
            Problem::OutOfRange => " is out of range",
        })
    }
}

/// Why a page is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    /// No text.
    #[error("the page is not UTF-8 at byte {at}")]
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// Another page, or another server.
    #[error("the page has neither waiting nor running requests of {server}")]
    NoMetrics {
        /// The server whose names were looked for.
        server: &'static str,
    },
    /// The values that matter most make no sense.
    #[error("{0}")]
    Nonsense(Flaw),
}

/// Reads a page. Values that make no sense are left out, as long as the queue is known.
///
/// # Errors
/// [`PageError`] if neither the number of waiting nor of running requests can be read.
pub(crate) fn read(server: &'static ModelServer, page: &[u8]) -> Result<Page, PageError> {
    let text = std::str::from_utf8(page)
        .map_err(|error| PageError::NotUtf8 { at: error.valid_up_to() })?;
    let mut gathered = Gathered::default();
    for line in lines(text) {
        for (series, rest) in server.named(line) {
            gathered.add(series, rest);
        }
    }
    let page = gathered.finish();
    if page.metrics.waiting.is_some() || page.metrics.running.is_some() {
        return Ok(page);
    }
    Err(page.flaw.map_or(PageError::NoMetrics { server: server.name }, PageError::Nonsense))
}

/// Lines by `memchr`: most of a page is skipped, so finding line ends is most of the work.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]).filter_map(move |end| {
        let line = text.get(start..end);
        start = end.saturating_add(1);
        line
    })
}

#[cfg(test)]
mod tests;
