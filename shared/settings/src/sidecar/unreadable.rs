//! YAML that cannot be read.

use crate::SettingsError;

/// What is wrong with YAML, without the reader's advice to programmers.
pub(super) fn told(error: &serde_saphyr::Error) -> SettingsError {
    let told = error.without_snippet().to_string();
    SettingsError::Syntax(told.replace(", set DuplicateKeyPolicy in Options if acceptable", ""))
}
