//! Prefix fingerprints, the prefix index, the load view, and picking a replica.
