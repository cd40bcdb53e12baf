//! Why a configuration was refused.

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not JSON, a field that does not exist, a field that is missing, or a value of another kind.
    #[error("cannot read the configuration: {0}")]
    Syntax(String),
    /// A value that is of the right kind but makes no sense.
    #[error("{field}: {value} {problem}")]
    Invalid {
        /// Path of the field, as in the configuration.
        field: String,
        /// The value as written.
        value: String,
        /// What is wrong with it, and the limit if there is one.
        problem: String,
    },
}

impl SettingsError {
    /// An [`SettingsError::Invalid`].
    pub fn invalid(
        field: impl Into<String>,
        value: impl std::fmt::Display,
        problem: impl Into<String>,
    ) -> Self {
        Self::Invalid { field: field.into(), value: value.to_string(), problem: problem.into() }
    }
}

impl From<serde_json::Error> for SettingsError {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax(error.to_string())
    }
}
