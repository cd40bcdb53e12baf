//! Replicas and gateways from the Kubernetes API.
//!
//! A client of its own over the sidecar's HTTP client, since of three kinds of objects a handful of fields is read. What
//! it has to get right is the watch: list with a resource version, watch from there with bookmarks, go on from the last one when the connection
//! ends, and list again when the server says `410 Gone`.

mod api;
mod objects;
mod pool;
mod slices;
mod watch;

pub(crate) use api::Api;
pub use api::KubernetesError;
pub(super) use pool::watch_pool;
pub(super) use slices::Slices;
