//! Configuration of `attempt`.

use serde::Deserialize;

use crate::SettingsError;

/// As written, and all there is to it. No configuration at all is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttemptSettings {
    /// True to leave what became of a request's attempts in filter state, for access logs. It costs two host calls
    /// per attempt that read and two that write.
    #[serde(default)]
    pub leave_state: bool,
    /// True where endpoints may say in their metadata, `weir: {model: NAME}`, that they serve another model than the one that
    /// was asked for. It costs a host call per attempt, and reading the request again where one says so.
    #[serde(default)]
    pub rename: bool,
}

impl AttemptSettings {
    /// Reads the plugin's configuration, which may be empty.
    ///
    /// # Errors
    /// As [`crate::plugin::read`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SettingsError> {
        if bytes.is_empty() { Ok(Self::default()) } else { crate::plugin::read(bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn nothing_needs_to_be_said_and_what_nobody_knows_is_refused() {
        for nothing in ["", "{}", r#"{"leave_state":false}"#] {
            let settings = AttemptSettings::from_bytes(nothing.as_bytes()).unwrap();
            assert!(!settings.leave_state, "{nothing:?}");
        }
        assert!(AttemptSettings::from_bytes(br#"{"leave_state":true}"#).unwrap().leave_state);
        for (wrong, said) in [
            (r#"{"leave-state":true}"#, "unknown field `leave-state`"),
            (r#"{"leave_state":"yes"}"#, "leave_state"),
            ("[", "cannot read the configuration"),
        ] {
            let error = AttemptSettings::from_bytes(wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
