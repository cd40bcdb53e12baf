//! Throughput of the guardrail's scanner.
fn main() {}
