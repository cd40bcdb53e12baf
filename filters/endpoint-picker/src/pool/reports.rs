//! What replicas have reported themselves since the sidecar measured them.

use std::rc::Rc;

use weir_placement::LoadView;
use weir_snapshot::LoadReport;

use super::Pool;
use super::reported::Reported;

impl Pool {
    /// Takes over what the replica with this key has reported now; false if the view knows something newer, or has no
    /// such replica. Only this worker knows of it.
    pub(crate) fn take_report(&mut self, replica: u64, report: LoadReport, at_ns: u64) -> bool {
        let Some(index) = self.position(replica) else { return false };
        // What was sent since the snapshot is added to what waits when a request is placed; the replica has counted it.
        let dispatched = self.counts.load(replica).dispatched;
        let waiting = report.waiting.map(|waiting| waiting.saturating_sub(dispatched));
        let running = report.running.map(|running| running.saturating_sub(dispatched));
        let adjusted = LoadReport { waiting, running, ..report };
        let merged = merge(&mut self.view, index, &adjusted, at_ns);
        if merged {
            // As many as the view has replicas.
            self.reports.retain(|known| known.replica != replica);
            self.reports.push(Reported { replica, report, at_ns });
        }
        merged
    }

    /// A newer view has come, and the counts have been held against it: merges into it what was reported after it was
    /// measured. Counts must not be held against reports, which tell less than a page of metrics.
    pub(crate) fn merge_reports(&mut self) {
        if !std::mem::take(&mut self.unmerged) || self.reports.is_empty() {
            return;
        }
        let view = &mut self.view;
        self.reports.retain(|Reported { replica, report, at_ns }| {
            let index = view.as_ref().and_then(|view| view.position_of(*replica));
            index.is_some_and(|index| merge(view, index, report, *at_ns))
        });
    }
}

/// Merges a report into a view. Nobody holds the view between two callbacks, so it is not copied.
fn merge(view: &mut Option<Rc<LoadView>>, index: usize, report: &LoadReport, at_ns: u64) -> bool {
    view.as_mut().is_some_and(|view| Rc::make_mut(view).merge(index, report, at_ns))
}
