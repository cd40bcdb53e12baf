//! Where a pool's views come from.

use weir_host::Host;
use weir_snapshot::{CompactView, Directory, VersionStamp, keys};

use crate::undecodable::Undecodable;

/// One pool in shared data: its slot, and what was read of it.
#[derive(Debug)]
pub struct PoolSource {
    name: String,
    /// What stands for the name in a stamp.
    key: u64,
    slot: Option<Slot>,
    /// The stamp of the view that was read last.
    version: Vec<u8>,
}

#[derive(Debug)]
struct Slot {
    stamp: String,
    view: String,
    outstanding: String,
    prefixes: String,
}

/// What a look at shared data brought.
#[derive(Debug)]
pub enum Latest {
    /// Nothing newer than what was read before, or nothing that can be read.
    Unchanged,
    /// The pool has no view, or none any more: its slot is another's now.
    Absent,
    /// A view.
    New(Box<CompactView>),
}

impl PoolSource {
    /// The pool by that name, before any look.
    pub fn new(name: &str) -> Self {
        let key = keys::pool_key(name);
        Self { name: name.to_owned(), key, slot: None, version: Vec::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Key of its in-flight counts; `None` as long as it has no slot.
    pub fn outstanding_key(&self) -> Option<&str> {
        self.slot.as_ref().map(|slot| slot.outstanding.as_str())
    }

    /// Key of what workers tell each other of its prefix caches; `None` as long as it has no slot.
    pub fn prefixes_key(&self) -> Option<&str> {
        self.slot.as_ref().map(|slot| slot.prefixes.as_str())
    }

    /// What stands for its name in shared data.
    pub fn pool_key(&self) -> u64 {
        self.key
    }

    /// Looks whether there is a newer view. Costs one read of 40 bytes when there is none.
    pub fn look<H: Host>(&mut self, host: &H, undecodable: &Undecodable) -> Latest {
        let (stamp, version) = match self.find_stamp(host, undecodable) {
            Ok(found) => found,
            Err(otherwise) => return otherwise,
        };
        let Some(slot) = &self.slot else { return Latest::Absent };
        let Ok(Some((bytes, _))) = host.shared(&slot.view) else { return Latest::Unchanged };
        match CompactView::decode(&bytes) {
            Err(error) => {
                undecodable.note(host, &slot.view, &error);
                Latest::Unchanged
            }
            // The slot was given to this pool a moment ago, and its first view is being written.
            Ok(view) if view.pool() != self.name.as_bytes() => Latest::Unchanged,
            Ok(view) => {
                // The stamp is written before the view: a view that does not fit it yet is read again.
                if stamp.same_view(&view.stamp()) {
                    self.version = version;
                }
                Latest::New(Box::new(view))
            }
        }
    }

    /// The stamp of a view to read; else what the look brought. Looks for the slot if it is not known, or
    /// turns out to be another pool's.
    fn find_stamp<H: Host>(
        &mut self,
        host: &H,
        undecodable: &Undecodable,
    ) -> Result<(VersionStamp, Vec<u8>), Latest> {
        for _ in 0..2 {
            if self.slot.is_none() {
                self.slot = find_slot(host, &self.name, undecodable);
            }
            let Some(slot) = &self.slot else { return Err(Latest::Absent) };
            let Ok(Some((version, _))) = host.shared(&slot.stamp) else {
                return Err(Latest::Unchanged);
            };
            if version == self.version {
                return Err(Latest::Unchanged);
            }
            match VersionStamp::decode(&version) {
                Some(stamp) if stamp.pool == self.key => return Ok((stamp, version)),
                Some(_) => (self.slot, self.version) = (None, Vec::new()),
                None => {
                    let reason = format!("{} bytes are no stamp", version.len());
                    undecodable.note(host, &slot.stamp, &reason);
                    return Err(Latest::Unchanged);
                }
            }
        }
        Err(Latest::Absent)
    }
}

fn find_slot<H: Host>(host: &H, name: &str, undecodable: &Undecodable) -> Option<Slot> {
    let (stored, _) = host.shared(keys::POOLS).ok()??;
    let directory = Directory::new(&stored);
    if let Err(error) = directory.check() {
        undecodable.note(host, keys::POOLS, &error);
    }
    let slot = directory.slot(name)?;
    Some(Slot {
        stamp: keys::stamp(slot),
        view: keys::view(slot),
        outstanding: keys::outstanding(slot),
        prefixes: keys::prefixes(slot),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_snapshot::{EndpointReport, EndpointState, SnapshotMessage, encode};

    fn message(pool: &str, sequence: u64) -> SnapshotMessage {
        let endpoints = vec![EndpointReport::new("10.0.0.1:80", EndpointState::Ready)];
        SnapshotMessage::new(pool, (1, sequence), 7, endpoints)
    }

    /// Writes as the intake filter does.
    fn store(host: &FakeHost, slot: usize, message: &SnapshotMessage) {
        let stored = host.shared(keys::POOLS).unwrap().unwrap_or_default().0;
        let listed = Directory::new(&stored).with(slot, &message.pool);
        host.set_shared(keys::POOLS, &listed, None).unwrap();
        let stamp = VersionStamp::of(message, 5).encode();
        host.set_shared(&keys::stamp(slot), &stamp, None).unwrap();
        host.set_shared(&keys::view(slot), &encode(message, 5).unwrap(), None).unwrap();
    }

    fn look(host: &FakeHost, source: &mut PoolSource) -> Option<u64> {
        match source.look(host, &Undecodable::new("weir.test")) {
            Latest::New(view) => Some(view.stamp().sequence),
            Latest::Unchanged => None,
            Latest::Absent => Some(0),
        }
    }

    #[test]
    fn a_view_is_read_once_per_version() {
        let (host, mut source) = (FakeHost::new(), PoolSource::new("llama"));
        assert_eq!(look(&host, &mut source), Some(0));
        store(&host, 3, &message("llama", 1));
        assert_eq!([look(&host, &mut source), look(&host, &mut source)], [Some(1), None]);
        assert_eq!(source.outstanding_key(), Some("weir/v2/outstanding/3"));
        store(&host, 3, &message("llama", 2));
        assert_eq!([look(&host, &mut source), look(&host, &mut source)], [Some(2), None]);
    }

    #[test]
    fn a_stamp_whose_view_is_not_there_yet_is_looked_at_again() {
        let (host, mut source) = (FakeHost::new(), PoolSource::new("llama"));
        store(&host, 0, &message("llama", 1));
        let next = VersionStamp::of(&message("llama", 2), 6).encode();
        host.set_shared(&keys::stamp(0), &next, None).unwrap();
        assert_eq!([look(&host, &mut source), look(&host, &mut source)], [Some(1), Some(1)]);
        store(&host, 0, &message("llama", 2));
        assert_eq!([look(&host, &mut source), look(&host, &mut source)], [Some(2), None]);
    }

    #[test]
    fn a_slot_that_is_given_to_another_pool_is_never_read_as_the_old_ones() {
        let (host, mut source) = (FakeHost::new(), PoolSource::new("llama"));
        store(&host, 0, &message("llama", 1));
        assert_eq!(look(&host, &mut source), Some(1));
        store(&host, 0, &message("qwen", 9));
        assert_eq!([look(&host, &mut source), look(&host, &mut source)], [Some(0), Some(0)]);
        assert_eq!(source.outstanding_key(), None);
        store(&host, 1, &message("llama", 2));
        assert_eq!([look(&host, &mut source), look(&host, &mut source)], [Some(2), None]);
        // Its stamp is there, but the view is still that of the pool before.
        let view = encode(&message("qwen", 10), 5).unwrap();
        store(&host, 1, &message("llama", 3));
        host.set_shared(&keys::view(1), &view, None).unwrap();
        assert_eq!(look(&host, &mut source), None);
    }

    #[test]
    fn what_an_older_module_wrote_is_never_read_and_what_cannot_be_read_is_counted_and_logged() {
        let host = FakeHost::new();
        let old = [b"WVS\x01".as_slice(), &[0; 44]].concat();
        for (key, value) in [
            ("weir/pools", b"llama".to_vec()),
            ("weir/version/llama", vec![0; 24]),
            ("weir/view/llama", old.clone()),
        ] {
            host.set_shared(key, &value, None).unwrap();
        }
        let (undecodable, mut source) = (Undecodable::new("weir.test"), PoolSource::new("llama"));
        assert!(matches!(source.look(&host, &undecodable), Latest::Absent));
        assert_eq!((host.metric("weir_undecodable_total"), host.logs().len()), (None, 0));

        store(&host, 0, &message("llama", 1));
        host.set_shared(&keys::view(0), &old, None).unwrap();
        assert!(matches!(source.look(&host, &undecodable), Latest::Unchanged));
        host.set_shared(&keys::stamp(0), &[0; 24], None).unwrap();
        assert!(matches!(source.look(&host, &undecodable), Latest::Unchanged));
        assert_eq!((host.metric("weir_undecodable_total"), host.logs().len()), (Some(2), 1));
        let line = &host.logs()[0].1;
        assert!(line.contains("weir/v2/view/0") && line.contains("format 1 is unknown"), "{line}");
        host.set_now_ns(61_000_000_000);
        assert!(matches!(source.look(&host, &undecodable), Latest::Unchanged));
        let line = &host.logs()[1].1;
        assert!(line.contains("weir/v2/stamp/0") && line.contains("24 bytes"), "{line}");
    }

    #[test]
    fn a_broken_directory_is_logged_and_its_other_lines_are_used() {
        let (host, mut source) = (FakeHost::new(), PoolSource::new("llama"));
        store(&host, 1, &message("llama", 1));
        host.set_shared(keys::POOLS, b"\xff\xff\nllama", None).unwrap();
        assert_eq!(look(&host, &mut source), Some(1));
        assert!(host.logs()[0].1.contains("weir/v2/pools cannot be read"), "{:?}", host.logs());
    }
}
