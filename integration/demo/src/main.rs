//! The demo: real Envoy, simulated replicas, one table.
fn main() {}
