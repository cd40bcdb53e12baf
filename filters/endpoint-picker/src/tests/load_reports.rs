//! Load that replicas report with their responses.

use super::*;

const FORMAT: &str = "endpoint-load-metrics-format";
const REPORT: &str = "endpoint-load-metrics";

/// A worker that asks for reports.
fn asking() -> Vm {
    Vm::with(r#","orca":"json""#)
}

/// What waits at the replica, as it reports it.
fn waiting(count: u32) -> String {
    format!(r#"JSON {{"named_metrics":{{"num_requests_waiting":{count}}}}}"#)
}

/// A request that its first choice answers with this header; answers with what the client sees of it.
fn reporting(vm: &Vm, header: &[u8]) -> (Option<Vec<u8>>, String) {
    // The fake host's requests share their headers: this one comes without.
    vm.host.remove_header(HeaderMap::Request, FORMAT).unwrap();
    let sent = vm.send(false);
    let replica = sent.listed[0].clone();
    (report_of(vm, sent, header), replica)
}

/// The first choice of a request answers it with this header; answers with what the client sees of it.
fn report_of(vm: &Vm, sent: Sent, header: &[u8]) -> Option<Vec<u8>> {
    vm.envoy_says(&sent.listed[0], 1, 200, "via_upstream");
    vm.host.set_header(HeaderMap::Response, REPORT, header).unwrap();
    vm.answer(sent, ANSWER, true);
    let seen = vm.host.header_now(HeaderMap::Response, REPORT);
    vm.host.remove_header(HeaderMap::Response, REPORT).unwrap();
    seen
}

fn counted(vm: &mut Vm, outcome: &str) -> i64 {
    vm.root.on_tick();
    vm.host.metric(&format!("weir_load_reports_total.outcome.{outcome}")).unwrap_or(0)
}

/// The sidecar's next snapshot: all are idle, measured 5 ms before.
fn next_snapshot(vm: &Vm) {
    later(vm, 100);
    let endpoints = ADDRESSES.map(|address| {
        let mut report = EndpointReport::new(address.to_owned(), EndpointState::Ready);
        (report.age_ms, report.waiting, report.running) = (Some(5), Some(0), Some(0));
        report
    });
    let message = SnapshotMessage::new("p", (1, vm.host.now_ns()), 0, endpoints.to_vec());
    let stamp = VersionStamp::of(&message, vm.host.now_ns());
    let view = encode(&message, vm.host.now_ns()).unwrap();
    vm.host.set_shared(&keys::stamp(0), &stamp.encode(), None).unwrap();
    vm.host.set_shared(&keys::view(0), &view, None).unwrap();
}

#[test]
fn a_replica_is_asked_and_its_report_is_kept_from_clients_that_did_not_ask() {
    let mut vm = asking();
    let (seen, _) = reporting(&vm, waiting(0).as_bytes());
    assert_eq!(vm.host.header_now(HeaderMap::Request, FORMAT).as_deref(), Some(&b"JSON"[..]));
    assert_eq!((seen, counted(&mut vm, "merged")), (None, 1));
    // A client that has asked gets what it asked for.
    vm.host.set_header(HeaderMap::Request, FORMAT, b"TEXT").unwrap();
    let sent = vm.send(false);
    let seen = report_of(&vm, sent, b"TEXT named_metrics.num_requests_waiting=0");
    assert_eq!(vm.host.header_now(HeaderMap::Request, FORMAT).as_deref(), Some(&b"TEXT"[..]));
    assert!(seen.is_some());
    assert_eq!(counted(&mut vm, "merged"), 2);
}

#[test]
fn a_policy_that_does_not_ask_leaves_the_headers_alone() {
    let mut vm = Vm::new();
    let (seen, replica) = reporting(&vm, waiting(500).as_bytes());
    assert_eq!(vm.host.header_now(HeaderMap::Request, FORMAT), None);
    assert!(seen.is_some());
    assert_eq!(counted(&mut vm, "merged"), 0);
    assert_eq!(vm.send(false).listed[0], replica);
}

#[test]
fn a_reported_queue_counts_until_the_sidecar_has_measured_again() {
    let vm = asking();
    let (_, replica) = reporting(&vm, waiting(500).as_bytes());
    assert_ne!(vm.send(false).listed[0], replica, "its queue is longer than any prefix is worth");
    next_snapshot(&vm);
    assert_eq!(vm.send(false).listed[0], replica, "measured after that, and idle");
}

#[test]
fn a_snapshot_that_was_measured_before_a_report_does_not_undo_it() {
    let vm = asking();
    next_snapshot(&vm);
    drop(vm.send(false));
    later(&vm, 97);
    // The next snapshot is measured 2 ms before this and comes 3 ms after it.
    let (_, replica) = reporting(&vm, waiting(500).as_bytes());
    later(&vm, 3);
    vm.host.set_now_ns(vm.host.now_ns() - 100 * 1_000_000);
    next_snapshot(&vm);
    assert_ne!(vm.send(false).listed[0], replica);
    next_snapshot(&vm);
    assert_eq!(vm.send(false).listed[0], replica);
}

#[test]
fn what_a_replica_has_counted_is_not_counted_again_as_sent() {
    let vm = asking();
    let sent = vm.send(true);
    let replica = sent.listed[0].clone();
    // One was sent to it since the snapshot, which is among those that it says wait.
    report_of(&vm, sent, waiting(3).as_bytes());
    let pools = vm.root.shared_for_tests().unwrap().pools.borrow();
    let view = pools.pools[0].view.as_ref().unwrap();
    let at = view.position(replica.as_bytes()).unwrap();
    assert_eq!(view.compact().endpoints()[at].waiting, Some(2));
}

#[test]
fn what_is_no_report_is_counted_and_told_once_a_minute_and_changes_nothing() {
    let mut vm = asking();
    let (_, replica) =
        reporting(&vm, b"JSON {\"named_metrics\":{\"num_requests_waiting\":\"secret\"}}");
    for header in [
        &b"\xff\xfe"[..],
        b"BIN CgI=",
        b"TEXT named_metrics.kv_cache_usage_perc=nan",
        &[b'x'; 70_000],
    ] {
        let (seen, _) = reporting(&vm, header);
        assert_eq!(seen, None);
    }
    assert_eq!(counted(&mut vm, "malformed"), 5);
    let said: Vec<_> = vm.host.logs().into_iter().map(|(_, line)| line).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains(&replica) && said[0].contains("pool \"p\"") && !said[0].contains("secret")
    );
    reporting(&vm, b"TEXT cpu_utilization=0.3");
    assert_eq!((counted(&mut vm, "unknown"), counted(&mut vm, "merged")), (1, 0));
    assert_eq!(vm.send(false).listed[0], replica);
}

#[test]
fn a_report_of_a_replica_that_a_retry_chose_is_that_replicas() {
    let vm = asking();
    let sent = vm.send(false);
    let [first, second] = [0, 1].map(|place: usize| sent.listed[place].clone());
    vm.envoy_says(&second, 2, 200, "via_upstream");
    vm.host.set_header(HeaderMap::Response, REPORT, waiting(500).as_bytes()).unwrap();
    vm.answer(sent, ANSWER, true);
    vm.host.remove_header(HeaderMap::Response, REPORT).unwrap();
    let next = vm.send(false).listed;
    assert!(next[0] != first && next[0] != second, "one has failed, the other is busy: {next:?}");
}
