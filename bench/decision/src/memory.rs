//! Shared data of one process, in memory.

use std::collections::BTreeMap;

use weir_tokens::limits::{Place, Store, Stored};

/// Values with their versions. What is read and written is copied, as a host does.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    values: BTreeMap<Place, (Vec<u8>, u32)>,
    next: u32,
}

impl Store for Memory {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        self.values.get(&place).cloned()
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        let stored = self.values.get_mut(&place);
        if stored.as_ref().map(|(_, version)| *version) != version {
            return Stored::Lost;
        }
        self.next = self.next.wrapping_add(1);
        match stored {
            Some((value, version)) => {
                value.clear();
                value.extend_from_slice(bytes);
                *version = self.next;
            }
            None => {
                self.values.insert(place, (bytes.to_vec(), self.next));
            }
        }
        Stored::Done
    }
}
