//! Bounds on what a push may contain, chosen so that one view fits in a few hundred kilobytes of
//! shared data.

/// The only message version that this crate reads and writes.
pub const MESSAGE_VERSION: u32 = 2;
/// Greatest epoch of a push: what is left above it keeps every sum of epochs from overflowing.
pub const MAX_EPOCH: u64 = i64::MAX as u64;
/// Greatest epoch of a refusal that a sidecar goes above. A refusal is not signed; whoever forges one
/// leaves room for as many take-overs as there will ever be.
pub const MAX_TOLD_EPOCH: u64 = MAX_EPOCH / 2;
/// Largest push body in bytes (1 MiB, Envoy's default buffer limit).
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// Most endpoints of one pool.
pub const MAX_ENDPOINTS: usize = 4096;
/// Longest pool or adapter name in bytes.
pub const MAX_NAME_BYTES: usize = 256;
/// Most adapters that one endpoint may report, running and waiting counted separately.
pub const MAX_ADAPTERS_PER_ENDPOINT: usize = 256;
/// Most distinct adapter names of one pool.
pub const MAX_DISTINCT_ADAPTERS: usize = 4096;
/// Most pools of one sidecar.
pub const MAX_POOLS: usize = 64;
/// Most pools that one VM keeps at a time. Shared data has no delete, so each has one of as many
/// slots, and a pool that is not pushed any more leaves its slot to another.
pub const MAX_SLOTS: usize = 256;
/// For how long a pool must not have been pushed before another may take its slot, in ns: 2 s, twenty
/// snapshots at the sidecar's default interval.
pub const SLOT_SILENCE_NS: u64 = 2_000_000_000;
/// Most names of pools that the policies of one VM are known to name.
pub const MAX_SERVED_POOLS: usize = 512;
/// Most grants of one push.
pub const MAX_GRANTS: usize = 1024;
/// Most keys of a fleet's limits that one reply tells of, 130 KB; the rest comes with the next.
pub const MAX_KEY_REPORTS: usize = 512;
/// Most entries of each list of a reply that a sidecar keeps.
pub const MAX_REPLY_ENTRIES: usize = 4096;
/// Most rows of what consumers have spent in one reply; the rest comes with the next. At the longest
/// names that is 200 KB.
pub const MAX_SPENDING_ROWS: usize = 256;
/// Most hex digits of what was learned of prefix caches, in a push and in a reply: 8 KiB of it.
pub const MAX_PREFIXES_DIGITS: usize = 2 * 8 * 1024;
