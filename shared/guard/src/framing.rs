//! How the events of a stream are told apart.

/// How a stream's bytes are cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// The elements of a JSON array. Whether one was written that no comma follows yet, and whether the
    /// array's bracket was.
    Array { after_element: bool, opened: bool },
    /// JSON documents one after the other, each on a line of its own. Whether one was written whose line has
    /// not ended.
    Lines { after_element: bool },
}
