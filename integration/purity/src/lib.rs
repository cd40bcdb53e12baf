//! Proves that the shared crates compute and nothing else: their module imports nothing.
