//! Polls replicas and pushes snapshots into Envoy.
fn main() {}
