//! Which pools the policies of a VM name.
//!
//! The filters whose policies name pools (model-router, endpoint-picker) say so when they are configured, and
//! again now and then, because nothing tells that a filter has gone. What was not said again for
//! [`SAID_AGAIN_MS`] is forgotten.

use crate::limits::MAX_SERVED_POOLS;
use crate::validate::is_pool_name;

/// For how long a name holds without being said again, in ms: one minute.
pub const SAID_AGAIN_MS: u64 = 60_000;

/// How old a name may be before it is said again, in ms: a third of that.
const RENEW_MS: u64 = SAID_AGAIN_MS / 3;

/// The names with the time at which each was last said, ms since 1970. Stored as text, a line each:
/// `TIME NAME`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServedPools {
    entries: Vec<(u64, String)>,
    /// Lines that could not be read.
    broken: usize,
}

/// The list has lines that are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("served pools: {0} lines are no `TIME NAME`")]
pub struct ServedError(usize);

impl ServedPools {
    /// Reads a stored list; lines that cannot be read are left out.
    #[must_use]
    pub fn read(stored: &[u8]) -> Self {
        let mut pools = Self::default();
        for line in stored.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            match entry(line) {
                Some(_) if pools.entries.len() >= MAX_SERVED_POOLS => pools.broken += 1,
                Some((at, name)) => pools.entries.push((at, name.to_owned())),
                None => pools.broken += 1,
            }
        }
        pools
    }

    /// Whether all of it could be read.
    ///
    /// # Errors
    /// [`ServedError`] with the number of other lines.
    pub fn check(&self) -> Result<(), ServedError> {
        if self.broken == 0 { Ok(()) } else { Err(ServedError(self.broken)) }
    }

    /// The text to store once `names` have been said at `now_ms`; `None` if all of them were said a
    /// short while ago. Names that no sidecar could push, and those over [`MAX_SERVED_POOLS`], are left
    /// out.
    #[must_use]
    pub fn say<'a>(&self, names: impl Iterator<Item = &'a str>, now_ms: u64) -> Option<Vec<u8>> {
        let mut entries: Vec<(u64, &str)> =
            self.current(now_ms).map(|(at, name)| (*at, name.as_str())).collect();
        let mut changed = self.broken > 0;
        for name in names.filter(|name| is_pool_name(name)) {
            let full = entries.len() >= MAX_SERVED_POOLS;
            match entries.iter_mut().find(|(_, known)| *known == name) {
                Some((at, _)) if at.abs_diff(now_ms) < RENEW_MS => {}
                Some((at, _)) => (*at, changed) = (now_ms, true),
                None if full => {}
                None => {
                    entries.push((now_ms, name));
                    changed = true;
                }
            }
        }
        changed.then(|| text(&entries))
    }

    /// The names that hold at `now_ms`.
    pub fn names(&self, now_ms: u64) -> impl Iterator<Item = &str> {
        self.current(now_ms).map(|(_, name)| name.as_str())
    }

    /// A time that is yet to come says that the clock was set back: it holds as long as any other.
    fn current(&self, now_ms: u64) -> impl Iterator<Item = &(u64, String)> {
        self.entries.iter().filter(move |(at, _)| at.abs_diff(now_ms) < SAID_AGAIN_MS)
    }
}

fn entry(line: &[u8]) -> Option<(u64, &str)> {
    let (at, name) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some((at.parse().ok()?, Some(name).filter(|name| is_pool_name(name))?))
}

fn text(entries: &[(u64, &str)]) -> Vec<u8> {
    let mut text = String::new();
    for (at, name) in entries {
        text.push_str(&at.to_string());
        text.push(' ');
        text.push_str(name);
        text.push('\n');
    }
    text.into_bytes()
}
