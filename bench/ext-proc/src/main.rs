//! A minimal ext_proc server that only finds the model: the baseline.
fn main() {}
