//! Names of the shared-data entries.
//!
//! The version of the format is part of each key: two module versions that share a `vm_id` while
//! listeners drain look at different entries. A change that an older module would misread takes a new
//! number. Shared data has no delete, so no key holds a name that comes from outside: each pool has a
//! slot, and [`Directory`](crate::Directory) says which.

/// What all keys of this format begin with.
pub const PREFIX: &str = "weir/v2/";

/// Key of the [`Directory`](crate::Directory): which pool has which slot.
pub const POOLS: &str = "weir/v2/pools";

/// Key of the pools that policies name ([`ServedPools`](crate::ServedPools)).
pub const SERVED: &str = "weir/v2/served";

/// Key of the challenge that pushes are signed with.
pub const CHALLENGE: &str = "weir/v2/challenge";

/// Key of the shares of splits that have failed lately.
pub const CANARIES: &str = "weir/v2/canaries";

/// Key of the compact view in `slot`.
#[must_use]
pub fn view(slot: usize) -> String {
    format!("weir/v2/view/{slot}")
}

/// Key of the version stamp of the view in `slot`.
#[must_use]
pub fn stamp(slot: usize) -> String {
    format!("weir/v2/stamp/{slot}")
}

/// Key of the in-flight counts of the pool in `slot`.
#[must_use]
pub fn outstanding(slot: usize) -> String {
    format!("weir/v2/outstanding/{slot}")
}

/// Key of what the workers tell each other of prefix caches in the pool in `slot`.
#[must_use]
pub fn prefixes(slot: usize) -> String {
    format!("weir/v2/prefixes/{slot}")
}

/// What stands for a pool's name in a stamp: FNV-1a, 64 bits.
#[must_use]
pub fn pool_key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
