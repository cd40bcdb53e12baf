//! Which pools the policies of this VM name, and which of them nobody pushes.

use weir_host::Host;
use weir_pools::Undecodable;
use weir_snapshot::{Accepted, Directory, ServedPools, VersionStamp, keys};

/// How often it is looked, in ns: once a second. A look reads a stamp for each pool.
const LOOK_EVERY_NS: u64 = 1_000_000_000;

/// After how long without a push nobody pushes a pool, in ns: three of the sidecar's longest intervals.
const UNPUSHED_NS: u64 = 180_000_000_000;

const NS_PER_MS: u64 = 1_000_000;

/// What was found at the last look.
#[derive(Default)]
pub(crate) struct KnownPools {
    looked_at_ns: Option<u64>,
    names: Vec<String>,
    unpushed: Vec<String>,
}

impl KnownPools {
    /// Tells the sidecar.
    pub(crate) fn tell<H: Host>(
        &mut self,
        host: &H,
        undecodable: &Undecodable,
        reply: &mut Accepted,
    ) {
        let now_ns = host.now_ns();
        if self.looked_at_ns.is_none_or(|last| last.abs_diff(now_ns) >= LOOK_EVERY_NS) {
            self.looked_at_ns = Some(now_ns);
            self.look(host, undecodable, now_ns);
        }
        reply.pools = Some(self.names.clone());
        reply.unpushed.clone_from(&self.unpushed);
    }

    fn look<H: Host>(&mut self, host: &H, undecodable: &Undecodable, now_ns: u64) {
        let read = |key: &str| host.shared(key).ok().flatten().unwrap_or_default().0;
        let served = ServedPools::read(&read(keys::SERVED));
        if let Err(error) = served.check() {
            undecodable.note(host, keys::SERVED, &error);
        }
        let listed = read(keys::POOLS);
        let directory = Directory::new(&listed);
        self.names = served.names(now_ns / NS_PER_MS).map(str::to_owned).collect();
        let pushed = |name: &&String| {
            let slot = directory.slot(name)?;
            let stamp = VersionStamp::decode(&read(&keys::stamp(slot)))?;
            let recent = stamp.received_at_ns.abs_diff(now_ns) < UNPUSHED_NS;
            (stamp.pool == keys::pool_key(name) && recent).then_some(())
        };
        let unpushed = self.names.iter().filter(|name| pushed(name).is_none());
        self.unpushed = unpushed.cloned().collect();
    }
}
