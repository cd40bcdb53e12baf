//! What the sidecar and the filters say to each other.
//!
//! # Overview
//! The sidecar polls the replicas of a pool and pushes one [`SnapshotMessage`] (JSON) per pool to
//! the intake filter. [`SnapshotMessage::parse`] checks it completely; [`encode`] turns it into the
//! compact binary form that lies in Envoy's shared data; [`CompactView::decode`] reads that form in
//! every worker. A small [`VersionStamp`] beside each view tells a worker whether it has to decode
//! again. [`signature`] signs and verifies pushes and looks. [`Directory`] says in which slot of shared
//! data a pool's view lies. [`ServedPools`] says which pools the policies of a VM name. [`LoadReport`] reads what a
//! replica reports of its load with a response, and [`CompactView::merge`] takes it over.
//!
//! # Example
//! ```
//! use weir_snapshot::{CompactView, SnapshotMessage, encode};
//! let body = br#"{"version":2,"pool":"llama","epoch":1,"sequence":7,
//!     "endpoints":[{"address":"127.0.0.1:9001","state":"ready","age_ms":3,"waiting":2}]}"#;
//! let message = SnapshotMessage::parse(body).unwrap();
//! let stored = encode(&message, 1_000_000).unwrap();
//! let view = CompactView::decode(&stored).unwrap();
//! let first = view.endpoints().first().unwrap();
//! assert_eq!(view.address(first), b"127.0.0.1:9001");
//! assert_eq!(first.waiting, Some(2));
//! ```
//!
//! # Limits
//! Every bound is a constant of [`limits`]. No function here can panic on any input, and none reads
//! a clock.

mod compact;
mod directory;
mod encode;
mod error;
mod fleet;
mod hex;
pub mod keys;
pub mod limit_commands;
pub mod limits;
mod message;
mod orca;
mod prefixes;
mod refusal;
mod reply;
mod served;
pub mod signature;
mod validate;
mod version;
mod view_json;

pub use compact::{CompactView, DecodeError, EndpointDetails, EndpointRecord, used_share};
pub use directory::{Directory, DirectoryError, PoolsFull};
pub use encode::{EncodeError, encode};
pub use error::{Invalid, ReadError};
pub use fleet::{FleetLimit, FleetNews, FleetReport, Grant, KeyName, KeyReport};
pub use hex::{bytes_of_hex, hex};
pub use message::{EndpointHealth, EndpointReport, EndpointRole, EndpointState, SnapshotMessage};
pub use orca::{LoadReport, MAX_ORCA_BYTES, OrcaError};
pub use prefixes::LearnedPrefixes;
pub use refusal::{Held, Refusal, RefusalCode, Told};
pub use reply::{Accepted, EndpointFeedback, Spending, SpendingRow, SpendingSeen};
pub use served::{SAID_AGAIN_MS, ServedError, ServedPools};
pub use validate::{canonical_address, is_pool_name};
pub use version::{Order, VersionStamp};
pub use view_json::view_json;
