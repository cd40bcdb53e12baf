//! Keeps a snapshot within what the intake filter takes.

use std::collections::BTreeSet;

use weir_snapshot::EndpointReport;
use weir_snapshot::limits::MAX_DISTINCT_ADAPTERS;

/// Drops adapters that are over the limit of distinct names in one pool; true if there were any.
///
/// Each replica is within its own limits, but a snapshot with too many names in all would be
/// refused as a whole.
pub(crate) fn fit_adapters(endpoints: &mut [EndpointReport]) -> bool {
    let lengths = |endpoint: &EndpointReport| {
        endpoint.running_adapters.len() + endpoint.waiting_adapters.len()
    };
    if endpoints.iter().map(lengths).sum::<usize>() <= MAX_DISTINCT_ADAPTERS {
        return false;
    }
    let mut names = BTreeSet::new();
    let mut dropped = false;
    for endpoint in endpoints {
        for list in [&mut endpoint.running_adapters, &mut endpoint.waiting_adapters] {
            list.retain(|name| {
                let fits = names.contains(name) || names.len() < MAX_DISTINCT_ADAPTERS;
                if fits {
                    names.insert(name.clone());
                }
                dropped |= !fits;
                fits
            });
        }
    }
    dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_snapshot::{EndpointState, SnapshotMessage};

    #[test]
    fn a_pool_with_too_many_adapters_still_makes_a_valid_snapshot() {
        let mut endpoints: Vec<EndpointReport> = (1..=20)
            .map(|replica| {
                let address = format!("10.0.0.{replica}:1");
                let mut report = EndpointReport::new(address, EndpointState::Ready);
                report.running_adapters = (0..256).map(|at| format!("{replica}-{at}")).collect();
                report
            })
            .collect();
        assert!(fit_adapters(&mut endpoints));
        assert!(!fit_adapters(&mut endpoints));
        assert_eq!(endpoints[15].running_adapters.len(), 256);
        assert_eq!(endpoints[16].running_adapters.len(), 0);
        let message = SnapshotMessage::new("p", (1, 1), 0, endpoints);
        message.validate().unwrap();
    }
}
