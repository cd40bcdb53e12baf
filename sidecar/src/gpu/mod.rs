//! GPUs: read from the pages of DCGM exporters or through NVML, and joined to the replicas that run on them.
//!
//! A source (a poller of pages, or [`Nvml`]) leaves [`Reading`]s in the [`Inventory`]; the snapshot asks it for the
//! [`Load`] of each replica's GPUs. What no source says is unknown, never 0.

mod dcgm;
mod inventory;
mod load;
mod nvml;
mod reading;
mod sampler;
mod source;

pub(crate) use dcgm::{read as read_page, write as write_page};
pub(crate) use inventory::{Inventory, Joined, Wanted};
pub(crate) use nvml::{Nvml, NvmlFailure};
pub(crate) use reading::Reading;
