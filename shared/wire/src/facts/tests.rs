//! Round trips and arbitrary bytes.
