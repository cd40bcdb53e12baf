//! Takes the sidecar's snapshots into shared data.
