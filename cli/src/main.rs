//! Check a config, try a policy, explain a pick: Weir without Envoy.
fn main() {}
