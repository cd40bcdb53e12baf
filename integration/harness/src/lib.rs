//! Starts real Envoy, replicas and the sidecar for tests, demo and benchmarks.
