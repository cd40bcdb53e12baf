//! How much of a VM's memory may be in use.
//!
//! Envoy gives a VM 1 GiB. An allocation that fails is a trap, and a trap ends every stream of the worker, so what grows
//! with the number of streams stops well before: new requests are refused first, then streams that hold much are ended.
//! The rest is for what one callback takes at a time (the largest: a body of 16 MiB with its values, its edits and the
//! edited body) and for what an allocator cannot use.

use crate::Host;

/// No new request from here on, in bytes: 384 MiB.
pub const REFUSE_ABOVE: usize = 384 << 20;

/// No stream may begin to hold more from here on, in bytes: 512 MiB.
pub const END_ABOVE: usize = 512 << 20;

/// Whether the VM takes no new request.
pub fn is_short<H: Host>(host: &H) -> bool {
    host.memory_in_use() > REFUSE_ABOVE
}

/// Whether streams that hold much have to end.
pub fn is_used_up<H: Host>(host: &H) -> bool {
    host.memory_in_use() > END_ABOVE
}
