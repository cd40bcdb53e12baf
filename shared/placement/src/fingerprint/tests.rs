//! Chunking, boundaries, and what must and must not share a fingerprint.
