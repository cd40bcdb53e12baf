//! Bounds on what a push may contain, chosen so that one view fits in a few hundred kilobytes of
//! shared data.

/// The only message version that this crate reads and writes.
pub const MESSAGE_VERSION: u32 = 1;
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
/// Most pools that one VM keeps: shared data has no delete, so the key space is bounded here.
pub const MAX_POOLS: usize = 64;
