//! From a metrics page to what it says about the replica.

use std::sync::Arc;

use super::gather::Gathered;
use super::metrics::{Flaw, Page};
use super::model_server::ModelServer;

/// Why a page is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// A page without any GPU.
    #[error("the page has no GPU: no DCGM_FI_… series with gpu or UUID")]
    NoGpus,
    /// A page that was compressed unasked.
    #[error("the page is compressed, though no compression was asked for")]
    Compressed,
    /// The values that matter most make no sense.
    #[error("{0}")]
    Nonsense(Flaw),
}

/// Reads a page of `server`, or of the one that its names tell, and says which it was. Values that make no sense are
/// left out, as long as the queue is known.
///
/// # Errors
/// [`PageError`] if neither the number of waiting nor of running requests can be read.
pub(crate) fn read(
    server: Option<&Arc<ModelServer>>,
    page: &[u8],
) -> Result<(Page, Arc<ModelServer>), PageError> {
    let text = text_of(page)?;
    let unknown = PageError::NoMetrics { server: "any known model server" };
    let detected = || ModelServer::detect(lines(text));
    let server = server.cloned().or_else(detected).ok_or(unknown)?;
    let mut gathered = Gathered::default();
    for line in lines(text) {
        for (series, rest) in server.named_or_common(line) {
            gathered.add(series, rest);
        }
    }
    let page = gathered.finish();
    if page.metrics.waiting.is_some() || page.metrics.running.is_some() {
        return Ok((page, server));
    }
    Err(page.flaw.map_or(PageError::NoMetrics { server: server.name }, PageError::Nonsense))
}

/// What gzip data starts with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The page as text.
///
/// # Errors
/// [`PageError`] if it is none.
pub(crate) fn text_of(page: &[u8]) -> Result<&str, PageError> {
    if page.starts_with(&GZIP) {
        return Err(PageError::Compressed);
    }
    std::str::from_utf8(page).map_err(|error| PageError::NotUtf8 { at: error.valid_up_to() })
}

/// Lines by `memchr`: most of a page is skipped, so finding line ends is most of the work.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut start = 0;
    memchr::memchr_iter(b'\n', text.as_bytes()).chain([text.len()]).filter_map(move |end| {
        let line = text.get(start..end);
        start = end.saturating_add(1);
        line
    })
}

#[cfg(test)]
mod tests;
