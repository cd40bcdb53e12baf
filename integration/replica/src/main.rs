//! A simulated vLLM replica.
fn main() {}
