//! Slots of limits in the host's shared data.

use weir_host::{Host, HostError};
use weir_tokens::limits::{Place, Store, Stored};

/// A number that Envoy never gives to a value: it counts up from 1. Writing with it succeeds only where
/// there is no value yet.
const NONE_YET: u32 = u32::MAX;

/// Shared data as the ledger needs it.
pub(crate) struct SharedSlots<'h, H>(pub(crate) &'h H);

impl<H: Host> Store for SharedSlots<'_, H> {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        // What cannot be read cannot be written over either: the write then fails.
        self.0.shared(&place.to_string()).ok().flatten()
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        match self.0.set_shared(&place.to_string(), bytes, Some(version.unwrap_or(NONE_YET))) {
            Ok(()) => Stored::Done,
            Err(HostError::CasMismatch) => Stored::Lost,
            Err(_) => Stored::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    #[test]
    fn of_two_who_make_a_page_one_is_told_to_read_it_again() {
        let host = FakeHost::new();
        let mut slots = SharedSlots(&host);
        let place = Place::Page(3);
        assert_eq!(slots.load(place), None);
        assert_eq!(slots.swap(place, b"first", None), Stored::Done);
        assert_eq!(slots.swap(place, b"second", None), Stored::Lost);
        let (bytes, version) = slots.load(place).unwrap();
        assert_eq!(bytes, b"first");
        assert_eq!(slots.swap(place, b"third", Some(version)), Stored::Done);
        assert_eq!(slots.swap(place, b"fourth", Some(version)), Stored::Lost);
    }
}
