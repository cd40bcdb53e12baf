//! What the sidecar and the filters say to each other.
