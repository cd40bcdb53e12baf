//! The load of pools, as the sidecar has pushed it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use weir_snapshot::CompactView;
use weir_snapshot::limits::MAX_SLOTS;

use crate::Unreadable;
use crate::host::{Envoy, SharedData, now_ns};
use crate::source::Source;

/// The pools that a filter has asked for, each with the view that was decoded last.
///
/// A root context makes one and gives each stream a clone, which is the same: a view is then decoded once per push and
/// worker, not once per request.
#[derive(Clone, Debug, Default)]
pub struct Pools(Rc<RefCell<BTreeMap<String, Source>>>);

/// What is known of a pool's load.
#[derive(Clone, Debug)]
pub struct PoolLoad {
    view: Rc<CompactView>,
    age: Duration,
}

impl PoolLoad {
    /// Time since the gateway has received it. Weir takes nothing older than a second for the present.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }
}

impl Deref for PoolLoad {
    type Target = CompactView;

    fn deref(&self) -> &CompactView {
        &self.view
    }
}

impl Pools {
    /// The newest view of `pool`; `None` if no sidecar has pushed one to a gateway with the same `vm_id`, or the slot was
    /// given to another pool since.
    ///
    /// Costs a read of 40 bytes of shared data where nothing has changed.
    ///
    /// # Errors
    /// [`Unreadable`] if there is one that this build cannot read.
    pub fn load(&self, pool: &str) -> Result<Option<PoolLoad>, Unreadable> {
        self.load_from(&Envoy, pool, now_ns)
    }

    /// How many pools are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn load_from(
        &self,
        shared: &impl SharedData,
        pool: &str,
        now_ns: impl FnOnce() -> u64,
    ) -> Result<Option<PoolLoad>, Unreadable> {
        let Ok(mut sources) = self.0.try_borrow_mut() else { return Ok(None) };
        // Names come from Weir's configuration. If a filter asks for more than there can be, they came from elsewhere.
        if sources.len() >= MAX_SLOTS && !sources.contains_key(pool) {
            sources.clear();
        }
        let source = sources.entry(pool.to_owned()).or_insert_with(|| Source::new(pool));
        let view = source.look(shared)?;
        let age = |view: &CompactView| Duration::from_nanos(view.stamp().age_ns(now_ns()));
        Ok(view.map(|view| PoolLoad { age: age(&view), view }))
    }
}
