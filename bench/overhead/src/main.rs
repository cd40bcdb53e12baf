//! CPU time per request of Weir's chain beside a minimal ext_proc.
fn main() {}
