//! What to do about findings: as written, and compiled.

mod check;
mod compiled;
mod error;
mod raw;

pub use compiled::{Policy, Treatment};
pub use error::PolicyError;
pub(crate) use error::confidence;
pub(crate) use raw::has_role;
pub use raw::{
    Action, Allow, Direction, Directions, OnTrouble, ROLES, RawDictionary, RawPolicy, RawRegex,
    RawRule,
};
