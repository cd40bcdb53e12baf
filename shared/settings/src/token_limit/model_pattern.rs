//! Models by name or by the beginning of it.

use crate::SettingsError;

/// A model's name, or the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelPattern {
    text: String,
    prefix: bool,
}

impl ModelPattern {
    pub(super) fn read(field: &str, written: &str) -> Result<Self, SettingsError> {
        let (text, prefix) = match written.strip_suffix('*') {
            Some(text) => (text, true),
            None => (written, false),
        };
        if text.contains('*') || (text.is_empty() && !prefix) {
            let problem = "must be a model's name, which may have one `*`, at the end";
            return Err(SettingsError::invalid(field, format!("{written:?}"), problem));
        }
        Ok(Self { text: text.to_owned(), prefix })
    }

    /// Whether it is `*`.
    pub fn is_any(&self) -> bool {
        self.prefix && self.text.is_empty()
    }

    /// Whether a model is meant.
    pub fn matches(&self, model: &str) -> bool {
        if self.prefix { model.starts_with(&self.text) } else { model == self.text }
    }

    /// How closely it names a model: a name more closely than any beginning, a longer beginning more
    /// closely than a shorter one.
    pub(super) fn closeness(&self) -> (bool, usize) {
        (!self.prefix, self.text.len())
    }
}

impl std::fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.text, if self.prefix { "*" } else { "" })
    }
}
