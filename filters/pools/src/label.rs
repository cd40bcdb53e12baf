//! Names of pools in the names of metrics.

/// A pool's name as the value of a label. Dots and other marks would end it.
pub fn label(pool: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    pool.chars().map(plain).collect()
}
