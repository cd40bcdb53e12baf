//! Configuration of every filter and the sidecar: as written, then compiled.
