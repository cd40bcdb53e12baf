//! How pages are asked for: TLS, tokens, HTTP/2.

use serde::Deserialize;

use super::checks::quoted;
use crate::SettingsError;

/// As written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAccess {
    /// PEM file of the certificate authorities that `https` is checked against; the system's if not given.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// PEM file of the client certificate that is shown, with those between it and the authority.
    #[serde(default)]
    pub certificate_file: Option<String>,
    /// PEM file of its private key.
    #[serde(default)]
    pub key_file: Option<String>,
    /// The name that the server's certificate must have; the URL's host if not given.
    #[serde(default)]
    pub server_name: Option<String>,
    /// File of a token that is sent as `Authorization: Bearer …`; read again when it changes.
    #[serde(default)]
    pub bearer_token_file: Option<String>,
    /// True: HTTP/2. Over `https` the server may still choose HTTP/1.1; over `http` it must speak HTTP/2 at once.
    #[serde(default)]
    pub http2: bool,
}

/// Compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AccessSettings {
    /// PEM file of certificate authorities instead of the system's.
    pub ca_file: Option<String>,
    /// PEM files of the client certificate and its key.
    pub certificate: Option<(String, String)>,
    /// The name in the server's certificate instead of the URL's host.
    pub server_name: Option<String>,
    /// File of a bearer token.
    pub bearer_token_file: Option<String>,
    /// Whether HTTP/2 is wanted.
    pub http2: bool,
}

impl RawAccess {
    pub(super) fn compile(self, field: &str) -> Result<AccessSettings, SettingsError> {
        let path = |part: &str, value: &Option<String>| match value.as_deref() {
            Some(text) if text.is_empty() || text.contains('\0') => Err(SettingsError::invalid(
                format!("{field}.{part}"),
                quoted(text),
                "names nothing",
            )),
            _ => Ok(()),
        };
        path("ca_file", &self.ca_file)?;
        path("certificate_file", &self.certificate_file)?;
        path("key_file", &self.key_file)?;
        path("server_name", &self.server_name)?;
        path("bearer_token_file", &self.bearer_token_file)?;
        let certificate = match (self.certificate_file, self.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(text), None) | (None, Some(text)) => {
                let problem = "needs certificate_file and key_file both";
                return Err(SettingsError::invalid(field, quoted(&text), problem));
            }
        };
        Ok(AccessSettings {
            ca_file: self.ca_file,
            certificate,
            server_name: self.server_name,
            bearer_token_file: self.bearer_token_file,
            http2: self.http2,
        })
    }
}
