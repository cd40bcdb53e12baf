//! Why a configuration was refused.

/// A configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not JSON, nor a Struct.
    #[error("cannot read the configuration: {0}")]
    Syntax(String),
    /// A field that does not exist or is missing, a value of another kind, a policy's mistake.
    #[error("{field}{}{problem}", if field.is_empty() { "" } else { ": " })]
    Misfit {
        /// Path of the field, as in the configuration: `policies.strict.rules[2].action`. Empty for
        /// the whole of it.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
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
    /// A [`SettingsError::Misfit`].
    pub fn misfit(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Misfit { field: field.into(), problem: problem.into() }
    }

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
