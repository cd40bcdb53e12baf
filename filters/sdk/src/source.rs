//! One pool's view in shared data. The steps are those of Weir's own filters (`filters/pools/src/source.rs`).

use std::rc::Rc;

use weir_snapshot::{CompactView, Directory, VersionStamp, keys};

use crate::Unreadable;
use crate::host::SharedData;

/// Where a pool lies, and what was read of it.
#[derive(Debug)]
pub(crate) struct Source {
    pool: String,
    /// What stands for the name in a stamp.
    key: u64,
    slot: Option<usize>,
    /// The view that was read last, with the stamp that it was read for.
    read: Option<(Vec<u8>, Rc<CompactView>)>,
}

impl Source {
    /// The pool by that name, before any look.
    pub(crate) fn new(pool: &str) -> Self {
        Self { pool: pool.to_owned(), key: keys::pool_key(pool), slot: None, read: None }
    }

    /// The newest view.
    pub(crate) fn look(
        &mut self,
        shared: &impl SharedData,
    ) -> Result<Option<Rc<CompactView>>, Unreadable> {
        let Some((slot, stamp)) = self.find(shared)? else {
            (self.slot, self.read) = (None, None);
            return Ok(None);
        };
        if let Some((_, view)) = self.read.as_ref().filter(|(read, _)| *read == stamp) {
            return Ok(Some(view.clone()));
        }
        let key = keys::view(slot);
        let Some(bytes) = shared.read(&key) else { return Ok(None) };
        let view = CompactView::decode(&bytes);
        let view = view.map_err(|reason| Unreadable::View { key, reason })?;
        // The slot was given to this pool a moment ago, and its first view is being written.
        if view.pool() != self.pool.as_bytes() {
            return Ok(None);
        }
        let view = Rc::new(view);
        // The stamp is written before the view: one that does not fit it yet is read again.
        if view.stamp().encode() == stamp.as_slice() {
            self.read = Some((stamp, view.clone()));
        }
        Ok(Some(view))
    }

    /// The pool's slot, and the stamp that lies there. Looks the slot up if it is not known, or turns out to be another
    /// pool's.
    fn find(&mut self, shared: &impl SharedData) -> Result<Option<(usize, Vec<u8>)>, Unreadable> {
        for _ in 0..2 {
            let slot = match self.slot {
                Some(slot) => slot,
                None => match self.find_slot(shared) {
                    Some(slot) => slot,
                    None => return Ok(None),
                },
            };
            self.slot = Some(slot);
            let key = keys::stamp(slot);
            let Some(bytes) = shared.read(&key) else { return Ok(None) };
            match VersionStamp::decode(&bytes) {
                Some(stamp) if stamp.pool == self.key => return Ok(Some((slot, bytes))),
                Some(_) => self.slot = None,
                None => return Err(Unreadable::Stamp { key, bytes: bytes.len() }),
            }
        }
        Ok(None)
    }

    fn find_slot(&self, shared: &impl SharedData) -> Option<usize> {
        Directory::new(&shared.read(keys::POOLS)?).slot(&self.pool)
    }
}
