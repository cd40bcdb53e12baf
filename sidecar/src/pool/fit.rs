//! Keeps a snapshot within what the intake filter takes, and small.

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

/// Digits of a share that are pushed, as a power of ten: nothing goes by finer ones, and each costs every gateway time.
const SHARE_STEPS: f64 = 1e4;

/// Rounds the shares, which pages give with up to 17 digits.
pub(crate) fn shorten_shares(endpoints: &mut [EndpointReport]) {
    for endpoint in endpoints {
        let EndpointReport { kv_cache_use, gpu_use, gpu_memory_use, .. } = endpoint;
        let (tensor, dram) = (&mut endpoint.gpu_tensor_active, &mut endpoint.gpu_dram_active);
        for share in [kv_cache_use, gpu_use, gpu_memory_use, tensor, dram].into_iter().flatten() {
            *share = (*share * SHARE_STEPS).round() / SHARE_STEPS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_snapshot::{EndpointState, SnapshotMessage};

    #[test]
    fn shares_are_pushed_with_four_digits_and_stay_shares() {
        let mut report = EndpointReport::new("10.0.0.1:1", EndpointState::Ready);
        report.kv_cache_use = Some(0.039_840_637_450_199_17);
        (report.gpu_use, report.gpu_memory_use) = (Some(1.0), Some(0.999_99));
        (report.gpu_tensor_active, report.gpu_dram_active) = (None, Some(0.000_04));
        let mut endpoints = [report];
        shorten_shares(&mut endpoints);
        let [short] = &endpoints;
        assert_eq!((short.kv_cache_use, short.gpu_use), (Some(0.0398), Some(1.0)));
        assert_eq!((short.gpu_memory_use, short.gpu_tensor_active), (Some(1.0), None));
        assert_eq!(short.gpu_dram_active, Some(0.0));
        let text = serde_json::to_string(short).unwrap();
        assert!(text.contains(r#""kv_cache_use":0.0398,"#), "{text}");
    }

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
