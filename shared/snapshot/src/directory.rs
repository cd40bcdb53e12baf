//! Which pool has which slot of shared data.

use crate::limits::{MAX_NAME_BYTES, MAX_SLOTS};
use crate::validate::is_pool_name;

/// The pools of a VM by slot. Stored as text: the name of slot 0, a line end, that of slot 1, and so on;
/// an empty line is a free slot.
#[derive(Debug, Clone, Copy)]
pub struct Directory<'a>(&'a [u8]);

/// Why a line of a stored directory is no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// A line that is no pool name.
    #[error("pools: line {0} is no pool name")]
    Name(usize),
    /// More lines than slots.
    #[error("pools: more than {MAX_SLOTS} lines")]
    Slots,
}

impl<'a> Directory<'a> {
    /// Reads a stored directory; lines that are no pool name count as free slots.
    #[must_use]
    pub fn new(stored: &'a [u8]) -> Self {
        Self(stored)
    }

    /// The first thing that is wrong with the stored text.
    ///
    /// # Errors
    /// [`DirectoryError`]; what is right is read all the same.
    pub fn check(&self) -> Result<(), DirectoryError> {
        let mut lines = self.0.split(|&byte| byte == b'\n').enumerate();
        if let Some((slot, _)) =
            lines.clone().take(MAX_SLOTS).find(|(_, line)| !line.is_empty() && name(line).is_none())
        {
            return Err(DirectoryError::Name(slot));
        }
        lines.nth(MAX_SLOTS).map_or(Ok(()), |_| Err(DirectoryError::Slots))
    }

    /// The slot of `pool`.
    #[must_use]
    pub fn slot(&self, pool: &str) -> Option<usize> {
        self.pools().find(|(_, name)| *name == pool).map(|(slot, _)| slot)
    }

    /// Slots and names of all pools.
    pub fn pools(&self) -> impl Iterator<Item = (usize, &'a str)> {
        self.lines().filter_map(|(slot, line)| Some((slot, name(line)?)))
    }

    /// The first free slot.
    #[must_use]
    pub fn free_slot(&self) -> Option<usize> {
        let lines = self.0.split(|&byte| byte == b'\n').count();
        let free = self.lines().find(|(_, line)| name(line).is_none()).map(|(slot, _)| slot);
        free.or(Some(lines)).filter(|slot| *slot < MAX_SLOTS)
    }

    /// The text to store once `slot` is `pool`'s.
    #[must_use]
    pub fn with(&self, slot: usize, pool: &str) -> Vec<u8> {
        let mut names: Vec<&str> = Vec::new();
        for (at, name) in self.pools() {
            names.resize(names.len().max(at.saturating_add(1)), "");
            if let Some(place) = names.get_mut(at) {
                *place = name;
            }
        }
        names.resize(names.len().max(slot.min(MAX_SLOTS - 1) + 1), "");
        if let Some(place) = names.get_mut(slot) {
            *place = pool;
        }
        names.join("\n").into_bytes()
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &'a [u8])> + Clone + use<'a> {
        self.0.split(|&byte| byte == b'\n').enumerate().take(MAX_SLOTS)
    }
}

fn name(line: &[u8]) -> Option<&str> {
    let line = Some(line).filter(|line| line.len() <= MAX_NAME_BYTES)?;
    std::str::from_utf8(line).ok().filter(|name| is_pool_name(name))
}

/// Every slot is taken by a pool that is still pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pool: {MAX_SLOTS} other pools are being pushed, at most {MAX_SLOTS} are kept at a time")]
pub struct PoolsFull;
