//! The machine that is measured on.

/// How many processes wanted a processor in the last minute, as the system says: figures are worth less on a busy machine.
pub(crate) fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
