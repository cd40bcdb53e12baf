//! Names of the shared-data entries, and the list of pools.

use crate::limits::{MAX_NAME_BYTES, MAX_POOLS};
use crate::validate::is_pool_name;

/// Key of the list of pool names that have a view.
pub const POOLS: &str = "weir/pools";

/// Key of the compact view of `pool`.
#[must_use]
pub fn view(pool: &str) -> String {
    format!("weir/view/{pool}")
}

/// Key of the 24-byte version stamp of `pool`.
#[must_use]
pub fn version(pool: &str) -> String {
    format!("weir/version/{pool}")
}

/// Key of the in-flight counts of `pool`.
#[must_use]
pub fn outstanding(pool: &str) -> String {
    format!("weir/outstanding/{pool}")
}

/// Adds `pool` to a stored list of pools (one name per line).
///
/// Returns the list to store, or `None` when nothing changes because the name is listed already.
///
/// # Errors
/// [`PoolsFull`] when the list holds [`MAX_POOLS`] other names.
pub fn add_pool(stored: &[u8], pool: &str) -> Result<Option<Vec<u8>>, PoolsFull> {
    let mut names: Vec<&str> = pools(stored).collect();
    if names.contains(&pool) {
        return Ok(None);
    }
    if names.len() >= MAX_POOLS {
        return Err(PoolsFull);
    }
    names.push(pool);
    Ok(Some(names.join("\n").into_bytes()))
}

/// The names in a stored list of pools; lines that are no pool name are skipped.
pub fn pools(stored: &[u8]) -> impl Iterator<Item = &str> {
    stored
        .split(|&byte| byte == b'\n')
        .filter(|name| name.len() <= MAX_NAME_BYTES)
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| is_pool_name(name))
        .take(MAX_POOLS)
}

/// The list of pools is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pool: {MAX_POOLS} pools are known already, at most {MAX_POOLS} are kept")]
pub struct PoolsFull;
