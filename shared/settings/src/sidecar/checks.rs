//! What all parts of the configuration check and show alike.

use crate::SettingsError;

/// Largest configuration file that is read, in bytes.
pub const MAX_YAML_BYTES: usize = 4 * 1024 * 1024;

/// Refuses a list without entries, or with more than `limit`.
pub(super) fn count(field: &str, found: usize, limit: usize) -> Result<(), SettingsError> {
    if (1..=limit).contains(&found) {
        return Ok(());
    }
    Err(SettingsError::invalid(field, found, format!("entries, must be 1 to {limit}")))
}

/// A value as shown in an error: in quotes, cut to what a line can hold.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}
