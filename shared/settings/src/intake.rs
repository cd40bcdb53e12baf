//! Configuration of `intake`.

use std::fmt;

use serde::Deserialize;

use crate::SettingsError;

/// Largest accepted snapshot unless configured otherwise, in bytes: room for 4,096 endpoints.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1024 * 1024;

/// Shortest accepted signing key, in bytes: below that a key can be guessed.
pub const MIN_KEY_BYTES: usize = 16;

/// As written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawIntake {
    /// Name of the environment variable of the VM that holds the signing key
    /// (`vm_config.environment_variables`).
    #[serde(default)]
    pub signing_key_env: Option<String>,
    /// True to take unsigned snapshots: only for a Unix socket that nobody else can write to.
    #[serde(default)]
    pub allow_unsigned: bool,
    /// Largest accepted snapshot in bytes.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: u64,
}

fn default_max_body_bytes() -> u64 {
    DEFAULT_MAX_BODY_BYTES
}

/// Whose snapshots are believed.
pub enum Trust {
    /// Anybody's who can connect.
    Anyone,
    /// Those signed with this key.
    Signed(Vec<u8>),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anyone => "Anyone",
            Self::Signed(_) => "Signed(…)",
        })
    }
}

/// Compiled.
#[derive(Debug)]
pub struct IntakeSettings {
    /// Whose snapshots are believed.
    pub trust: Trust,
    /// Largest accepted snapshot in bytes.
    pub max_body_bytes: u64,
}

impl IntakeSettings {
    /// Reads the plugin's configuration; `variable` looks up an environment variable.
    ///
    /// # Errors
    /// Unreadable JSON; neither or both of `signing_key_env` and `allow_unsigned`; a variable
    /// that is not set, or holds fewer than [`MIN_KEY_BYTES`] bytes.
    pub fn from_json(
        json: &[u8],
        variable: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self, SettingsError> {
        let raw: RawIntake = crate::plugin::read(json)?;
        let trust = match (raw.signing_key_env, raw.allow_unsigned) {
            (Some(name), false) => Trust::Signed(key(&name, variable(&name))?),
            (None, true) => Trust::Anyone,
            (found, _) => {
                return Err(SettingsError::invalid(
                    "signing_key_env",
                    found.as_deref().unwrap_or("(none)"),
                    "needs exactly one of signing_key_env and allow_unsigned: true",
                ));
            }
        };
        if raw.max_body_bytes == 0 {
            return Err(SettingsError::invalid("max_body_bytes", 0, "must be at least 1"));
        }
        Ok(Self { trust, max_body_bytes: raw.max_body_bytes })
    }
}

fn key(name: &str, value: Option<Vec<u8>>) -> Result<Vec<u8>, SettingsError> {
    let problem = match value {
        Some(key) if key.len() >= MIN_KEY_BYTES => return Ok(key),
        Some(_) => format!("holds fewer than {MIN_KEY_BYTES} bytes"),
        None => "is not set in the VM: export it where Envoy starts, and name it in \
             vm_config.environment_variables.host_env_keys"
            .into(),
    };
    Err(SettingsError::invalid("signing_key_env", name, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<IntakeSettings, String> {
        let variable = |name: &str| match name {
            "KEY" => Some(b"0123456789abcdef".to_vec()),
            "SHORT" => Some(b"x".to_vec()),
            _ => None,
        };
        IntakeSettings::from_json(json.as_bytes(), variable).map_err(|error| error.to_string())
    }

    #[test]
    fn trust_has_to_be_said() {
        assert!(matches!(read(r#"{"allow_unsigned":true}"#).unwrap().trust, Trust::Anyone));
        let signed = read(r#"{"signing_key_env":"KEY"}"#).unwrap();
        assert!(matches!(&signed.trust, Trust::Signed(key) if key == b"0123456789abcdef"));
        for (json, expected) in [
            ("{}", "exactly one"),
            (r#"{"signing_key_env":"KEY","allow_unsigned":true}"#, "exactly one"),
            (r#"{"signing_key_env":"NONE"}"#, "host_env_keys"),
            (r#"{"signing_key_env":"SHORT"}"#, "fewer than 16"),
            (r#"{"allow_unsigned":true,"max_body_bytes":0}"#, "0 must be at least 1"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_key_is_never_printed() {
        let settings = read(r#"{"signing_key_env":"KEY"}"#).unwrap();
        assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    }
}
