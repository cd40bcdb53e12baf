//! What to do about findings: as written, and compiled.

pub(crate) mod check;
mod compiled;
mod raw;

pub use compiled::{Policy, PolicyError, Treatment};
pub(crate) use raw::has_role;
pub use raw::{
    Action, Allow, Direction, Directions, OnTrouble, ROLES, RawDictionary, RawPolicy, RawRegex,
    RawRule,
};
