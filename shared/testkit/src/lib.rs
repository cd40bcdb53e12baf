//! Development only: case loader, every-chunking driver.
//!
//! Cases are data: a file of `testdata/` holds a list of them, the test says what must hold for
//! each. What reads bytes in pieces is driven through every way to cut them.

mod cases;
mod chunking;

pub use cases::cases;
pub use chunking::{SMALL, every_chunking};
