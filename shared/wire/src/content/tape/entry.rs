//! What a tape is made of.

/// Deepest nesting that is read, as [`ScanLimits`](crate::request::ScanLimits) has it.
pub(super) const MAX_DEPTH: u32 = 96;

/// Most values that are read: a prompt of a million token ids, 28 MiB of tape.
pub const MAX_VALUES: usize = 1 << 20;

/// No value.
pub(super) const NONE: u32 = u32::MAX;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number.
    Number,
    /// `true`, `false`
    Boolean,
    /// `null`
    Null,
}

/// One value, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// Between the quotes of the key; empty for elements of arrays.
    pub(super) key: (u32, u32),
    /// The value, quotes and brackets included.
    pub(super) span: (u32, u32),
    pub(super) parent: u32,
    /// The entry after this one and all below it.
    pub(super) after: u32,
}
