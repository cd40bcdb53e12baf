//! Other systems than Linux put threads where they like.

use std::io;

/// Nothing is arranged.
#[derive(Default)]
pub(crate) struct Processors;

impl Processors {
    /// Does nothing.
    ///
    /// # Errors
    /// Never.
    pub(crate) fn reserve(_awake: bool) -> io::Result<Self> {
        Ok(Self)
    }

    /// Does nothing.
    ///
    /// # Errors
    /// Never.
    pub(crate) fn seat(&self, _process: u32) -> io::Result<()> {
        Ok(())
    }
}
