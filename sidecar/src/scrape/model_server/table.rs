//! What the table of a model server holds.

use std::borrow::Cow;

/// The metric names of one model server.
#[derive(Debug)]
pub(crate) struct ModelServer {
    /// For messages.
    pub(crate) name: &'static str,
    /// What the names of all its series start with: other lines are skipped unread.
    pub(crate) prefix: &'static str,
    /// Whether its page can be asked for in part (`name[]=`).
    pub(crate) filters: bool,
    /// The series that are read.
    pub(crate) series: Vec<Series>,
}

/// One series name.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: Cow<'static, str>,
    /// Only samples with these label values count, for servers that put several meanings in one name.
    pub(crate) labels: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// What values are multiplied by.
    pub(crate) scale: f64,
    pub(crate) meaning: Meaning,
}

/// What a series says about the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Requests in the queue, summed over engines.
    Waiting,
    /// Requests being served, summed over engines.
    Running,
    /// Share of the KV cache in use, 0 to 1: the mean over engines, as each has its own cache.
    KvCacheUse,
    /// The same under a name that newer releases replaced: counts only where the newer is missing.
    KvCacheUseOlder,
    /// Tokens per block, equal in all engines.
    BlockSize,
    /// Blocks, summed over engines.
    Blocks,
    /// Labels with tokens per block (equal in all engines) and blocks (summed over engines).
    CacheConfig { block_size: &'static str, blocks: &'static str },
    /// Labels with the adapters; the value is the time, and the newest counts.
    Lora { max: &'static str, running: &'static str, waiting: &'static str },
    /// When the process was started, in s since 1970.
    Started,
    /// A counter that only a restart lowers.
    Counted,
    /// Requests that have got their first token since the server started, summed over engines.
    FirstTokens,
    /// Seconds that they waited for it, all together.
    FirstTokenSeconds,
    /// Seconds of these in the queue.
    QueueSeconds,
}

impl Meaning {
    /// Whether it tells a server from the one before it.
    pub(crate) const fn is_of_life(self) -> bool {
        matches!(self, Self::Started | Self::Counted)
    }

    /// Whether a replica counts as flawed when such a value makes no sense: what only predictions use does not matter.
    pub(crate) fn matters(self) -> bool {
        !matches!(self, Self::FirstTokens | Self::FirstTokenSeconds | Self::QueueSeconds)
    }
}

/// A series without labels.
pub(super) fn series(name: &'static str, meaning: Meaning) -> Series {
    Series { name: name.into(), labels: Vec::new(), scale: 1.0, meaning }
}
