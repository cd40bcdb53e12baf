//! The work behind the just recipes.
fn main() {}
