//! Stamp files: what a folder was filled with, so that a step knows whether it is done.

use std::fs;
use std::path::PathBuf;

use crate::failure::Failure;

/// A file that holds a description of what was installed beside it. It is written last, so an
/// interrupted step has none and is done again.
#[derive(Debug)]
pub(super) struct Stamp {
    path: PathBuf,
    wanted: String,
}

impl Stamp {
    /// The stamp at `path`, which is up to date when it reads `wanted`.
    pub(super) fn new(path: PathBuf, wanted: String) -> Stamp {
        Stamp { path, wanted }
    }

    /// Whether what is there is what is wanted.
    pub(super) fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|found| found == self.wanted)
    }

    /// Says that the step is done.
    ///
    /// # Errors
    /// [`Failure::File`] if the file can't be written.
    pub(super) fn write(&self) -> Result<(), Failure> {
        fs::write(&self.path, &self.wanted).map_err(Failure::file(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_current_only_for_what_it_was_written_for() {
        let path = std::env::temp_dir().join(format!("weir-stamp-{}", std::process::id()));
        let stamp = Stamp::new(path.clone(), "envoy 1".into());
        assert!(!stamp.is_current());
        stamp.write().unwrap();
        assert!(stamp.is_current());
        assert!(!Stamp::new(path.clone(), "envoy 2".into()).is_current());
        fs::remove_file(path).unwrap();
    }
}
