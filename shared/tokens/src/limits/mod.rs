//! Limits of tokens, cost, requests and concurrency: reserved on the way in, settled on the way out.
//!
//! # How it fits together
//! A [`Limit`] says how much may be spent in which time. What one key (a consumer, a model, …) has
//! spent of one limit is a [`Slot`] of 80 bytes. Slots lie in pages of a fixed number and size, and
//! each page is one value of shared data that is changed by compare-and-swap ([`Store`]). A request
//! is one [`Ask`] per limit; [`Ledger::reserve`] admits all of them or none. What was admitted is a
//! [`Reservation`], which the stream keeps, and which [`Ledger::settle`] turns into what was used.
//!
//! # What holds whenever a request is admitted
//! `debt + reserved + asked <= capacity`, for each limit that can refuse. Debt is what was used and
//! has not drained yet; it drains by the limit's amount per window. What is reserved does not
//! drain: it becomes debt when it is settled. A request may use more than was reserved for it. The
//! debt then exceeds the capacity, and nobody is admitted before it has drained.
//!
//! # What becomes of a reservation
//! | what happens | what is charged |
//! |---|---|
//! | the response ends | the usage that the replica reports |
//! | the stream is cut | what was seen of it |
//! | a local reply, a guardrail's block | nothing of tokens and cost; the request counts |
//! | the stream goes on for longer than [`EXPIRY_MS`] | [`Ledger::extend`] keeps it reserved |
//! | nobody settles or extends it (the VM is gone) | all of it, 1 to 2 times [`EXPIRY_MS`] later |
//! | it is settled after that | what was used beyond the reservation, in addition |
//!
//! # Bounds
//! [`PAGES`] pages of [`PAGE_SLOTS`] slots, 5.2 MB when all are in use, and one slot per limit for
//! what does not fit. A slot is given to another key only when it is worth nothing: no debt and
//! nothing reserved. Where all slots of a page are owed, new keys share the overflow slot of their
//! limit, and [`Admission::overflowed`] says how many did.

mod bucket;
mod calendar;
mod digest;
mod directory;
mod fleet;
mod invariants;
mod lease;
mod ledger;
mod limit;
mod page;
mod reservation;
mod slot;
mod standing;
mod store;

pub use calendar::{Calendar, MAX_OFFSET_MIN, Period};
pub use digest::KeyDigester;
pub use directory::{
    DIRECTORY_KEY, Listed, MAX_LISTED, measure_by_name, measure_name, read_directory, with_limits,
};
pub use fleet::{FLEET_STATE_KEY, FleetState, SlotGone, fleet_place};
pub use lease::{Granted, LEASE_BYTES, Lease};
pub use ledger::{Ask, Ledger, Notes, Outcome, Refusal};
pub use limit::{
    Away, FleetTerms, Limit, LimitError, LimitId, MAX_UNITS, MAX_WINDOW_MS, MIN_WINDOW_MS, Measure,
};
pub use page::{PAGE_SLOTS, Page};
pub use reservation::{Admission, Reservation, Settlement};
pub use slot::{EXPIRY_MS, FLEET_SLOT_BYTES, SLOT_BYTES, Slot, SlotKey};
pub use standing::{Standing, Wait};
pub use store::{FLEET_PAGES, PAGES, Place, Store, Stored};

#[cfg(test)]
mod tests;
