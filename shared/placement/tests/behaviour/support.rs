//! A pool to pick from.

use weir_placement::{LoadView, PrefixIndex};
use weir_snapshot::{EndpointReport, EndpointState, SnapshotMessage, encode};

/// When the views of the tests are received, in ns.
pub(crate) const RECEIVED_NS: u64 = 50_000_000_000;

/// `10.0.0.<host>:80`, measured 5 ms before the push, idle.
pub(crate) fn idle(host: u8) -> EndpointReport {
    let mut report = EndpointReport::new(format!("10.0.0.{host}:80"), EndpointState::Ready);
    (report.age_ms, report.waiting, report.running) = (Some(5), Some(0), Some(0));
    report
}

/// The view of these endpoints with this sequence.
pub(crate) fn view(
    endpoints: Vec<EndpointReport>,
    sequence: u64,
    prefixes: &mut PrefixIndex,
) -> LoadView {
    let pool = "llama".to_owned();
    let message = SnapshotMessage::new(pool, (1, sequence), 0, endpoints);
    LoadView::decode(&encode(&message, RECEIVED_NS).unwrap(), prefixes).unwrap()
}

/// The fingerprints of a prompt of `blocks` times 64 tokens whose text is named by `text`.
pub(crate) fn prompt(text: u64, blocks: u64) -> Vec<u64> {
    (0..blocks).map(|block| (text << 32) | block).collect()
}
