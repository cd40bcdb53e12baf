//! Files that may change.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// What tells one content of a file from another without reading it: device, inode, length, and when content and inode
/// were changed, in s and ns. The second time tells of what was written with a time of long ago.
type Stamp = Option<(u64, u64, u64, (i64, i64), (i64, i64))>;

/// Some files, and how they looked.
#[derive(Debug)]
pub struct Watched {
    files: Vec<(PathBuf, Stamp)>,
    /// How they looked the last time, if otherwise than when they were taken: half of a change is no change.
    pending: Option<Vec<Stamp>>,
}

impl Watched {
    /// The files as they are now.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        let files = paths.into_iter().map(|path| (path.clone(), stamp(&path))).collect();
        Self { files, pending: None }
    }

    /// Takes the files as they are now, before they are read.
    pub fn refresh(&mut self) {
        for (path, stamp) in &mut self.files {
            *stamp = self::stamp(path);
        }
        self.pending = None;
    }

    /// Whether a file looks otherwise than before, and already did so at the last look: whoever writes it has ended
    /// by then, or will be noticed once more.
    pub fn has_changed(&mut self) -> bool {
        let now: Vec<Stamp> = self.files.iter().map(|(path, _)| stamp(path)).collect();
        if self.files.iter().map(|(_, stamp)| stamp).eq(&now) {
            self.pending = None;
            return false;
        }
        if self.pending.as_ref() != Some(&now) {
            self.pending = Some(now);
            return false;
        }
        self.pending = None;
        for ((_, stamp), now) in self.files.iter_mut().zip(now) {
            *stamp = now;
        }
        true
    }
}

fn stamp(path: &PathBuf) -> Stamp {
    let of = |it: Metadata| {
        let content = (it.mtime(), it.mtime_nsec());
        (it.dev(), it.ino(), it.len(), content, (it.ctime(), it.ctime_nsec()))
    };
    std::fs::metadata(path).ok().map(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_it_has_held_for_two_looks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut watched = Watched::new([path.clone()]);
        assert!(!watched.has_changed());
        std::fs::write(&path, "one").unwrap();
        assert!(!watched.has_changed(), "it may be half of it");
        assert!(watched.has_changed());
        assert!(!watched.has_changed());
        // As Kubernetes replaces what it mounts.
        let other = folder.path().join("other");
        std::fs::write(&other, "two").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert!(!watched.has_changed() && watched.has_changed());
        std::fs::remove_file(&path).unwrap();
        assert!(!watched.has_changed() && watched.has_changed() && !watched.has_changed());
    }
}
