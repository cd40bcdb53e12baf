//! What something before Weir vouches for: who the consumer is, and with what priority it may ask.
//!
//! A client can write any header and any body, so nothing of either says who it is. An Envoy
//! authentication filter can: it leaves what it has verified in metadata, in the connection, or in a
//! header that it overwrites. Without this setting nobody is known and nothing that a client claims counts.

use serde::Deserialize;

use crate::SettingsError;

/// Most segments of a path into metadata.
const MAX_SEGMENTS: usize = 16;

/// The metadata namespace of Envoy's `jwt_authn` filter, whatever it is called in the chain.
const JWT: &str = "envoy.filters.http.jwt_authn";

/// The setting as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTrust {
    /// Where the consumer's name stands, in the order in which the places are looked at.
    #[serde(default)]
    pub consumer: Vec<RawConsumerSource>,
    /// True if a filter or gateway before Weir sets the objective and fairness headers; otherwise a
    /// client may have, and they are removed.
    #[serde(default)]
    pub objective: bool,
}

/// One place as written: exactly one member.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConsumerSource {
    /// A claim that `jwt_authn` has verified: its `payload_in_metadata` and the claim's path.
    #[serde(default)]
    pub jwt: Option<Vec<String>>,
    /// A part of the client's certificate.
    #[serde(default)]
    pub certificate: Option<CertificatePart>,
    /// A header that a filter before Weir overwrites, such as `api_key_auth`'s `forwarding`.
    #[serde(default)]
    pub header: Option<String>,
    /// A value in the dynamic metadata of any filter: its namespace and the path below.
    #[serde(default)]
    pub metadata: Option<Vec<String>>,
}

/// A part of the certificate of a client whose connection uses mutual TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CertificatePart {
    /// The subject.
    Subject,
    /// The first URI among the subject alternative names, such as a SPIFFE id.
    Uri,
    /// The first DNS name among the subject alternative names.
    Dns,
}

/// What is vouched for, compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Where the consumer's name stands; the first place that has one decides.
    pub consumer: Vec<ConsumerSource>,
    /// Whether the headers with objective and fairness id are somebody's before Weir.
    pub objective: bool,
}

/// One place where the consumer's name stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsumerSource {
    /// An attribute of Envoy, by its path.
    Attribute(Vec<String>),
    /// The same, if the connection uses mutual TLS.
    Certificate(CertificatePart),
    /// A request header, in lower case.
    Header(String),
}

impl Trust {
    /// Compiles what stands at `field`.
    ///
    /// # Errors
    /// A place with no member or several, an empty path or segment, or a header that is Weir's or a
    /// client's own.
    pub fn compile(field: &str, raw: RawTrust) -> Result<Self, SettingsError> {
        let sources = raw.consumer.into_iter().enumerate();
        let sources = sources.map(|(at, raw)| source(&format!("{field}.consumer[{at}]"), raw));
        Ok(Self { consumer: sources.collect::<Result<_, _>>()?, objective: raw.objective })
    }

    /// The attribute with a claim of the token that says who the consumer is, by the claim's path;
    /// `None` where no token does.
    pub fn claim<'a>(&'a self, path: &'a [String]) -> Option<Vec<&'a str>> {
        /// `metadata`, `filter_metadata`, the namespace, and the payload's name.
        const PAYLOAD: usize = 4;
        let payload = self.consumer.iter().find_map(|source| match source {
            ConsumerSource::Attribute(attribute) => {
                attribute.get(..PAYLOAD).filter(|to| to.get(PAYLOAD - 2).is_some_and(|n| n == JWT))
            }
            _ => None,
        })?;
        Some(payload.iter().chain(path).map(String::as_str).collect())
    }
}

fn source(field: &str, raw: RawConsumerSource) -> Result<ConsumerSource, SettingsError> {
    let RawConsumerSource { jwt, certificate, header, metadata } = raw;
    match (jwt, certificate, header, metadata) {
        (Some(path), None, None, None) => {
            segments(&format!("{field}.jwt"), &[JWT], path, 2).map(ConsumerSource::Attribute)
        }
        (None, None, None, Some(path)) => {
            segments(&format!("{field}.metadata"), &[], path, 2).map(ConsumerSource::Attribute)
        }
        (None, Some(part), None, None) => Ok(ConsumerSource::Certificate(part)),
        (None, None, Some(name), None) => {
            header_name(&format!("{field}.header"), name).map(ConsumerSource::Header)
        }
        _ => {
            let problem = "must have exactly one of `jwt`, `certificate`, `header` and `metadata`";
            Err(SettingsError::misfit(field, problem))
        }
    }
}

/// The attribute's path: `metadata.filter_metadata`, then `before`, then what is written.
fn segments(
    field: &str,
    before: &[&str],
    path: Vec<String>,
    least: usize,
) -> Result<Vec<String>, SettingsError> {
    if path.len() < least || path.len() > MAX_SEGMENTS {
        let problem = format!("must be a list of {least} to {MAX_SEGMENTS} names");
        return Err(SettingsError::misfit(field, problem));
    }
    if let Some(bad) = path.iter().find(|name| name.is_empty() || name.contains('\0')) {
        return Err(SettingsError::invalid(field, format!("{bad:?}"), "is no name"));
    }
    let known = ["metadata", "filter_metadata"].iter().chain(before).map(|name| (*name).to_owned());
    Ok(known.chain(path).collect())
}

/// Headers that clients set themselves, so that nothing before Weir can be meant.
const CLIENTS_OWN: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "cookie", "user-agent", "x-session-id"];

fn header_name(field: &str, name: String) -> Result<String, SettingsError> {
    let name = name.to_ascii_lowercase();
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let problem = if name.is_empty() || !name.bytes().all(token) {
        "is no name of a header"
    } else if CLIENTS_OWN.contains(&name.as_str()) {
        "is a header that clients set themselves: name one that an authentication filter overwrites"
    } else if name.starts_with("x-gateway-") || name.starts_with("x-weir-") {
        "is a header of Weir's own"
    } else {
        return Ok(name);
    };
    Err(SettingsError::invalid(field, format!("{name:?}"), problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn trust(json: &str) -> Result<Trust, String> {
        let value = serde_json::from_str(json).unwrap();
        let raw = crate::located::read("trust", value).map_err(|error| error.to_string())?;
        Trust::compile("trust", raw).map_err(|error| error.to_string())
    }

    #[test]
    fn every_place_is_compiled_to_where_envoy_has_it() {
        let all = trust(
            r#"{"consumer":[{"jwt":["jwt_payload","sub"]},{"certificate":"uri"},
                {"header":"X-Consumer"},{"metadata":["envoy.filters.http.ext_authz","team"]}]}"#,
        )
        .unwrap();
        let path = |names: &[&str]| {
            ConsumerSource::Attribute(names.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(
            all.consumer,
            [
                path(&["metadata", "filter_metadata", JWT, "jwt_payload", "sub"]),
                ConsumerSource::Certificate(CertificatePart::Uri),
                ConsumerSource::Header("x-consumer".to_owned()),
                path(&["metadata", "filter_metadata", "envoy.filters.http.ext_authz", "team"]),
            ]
        );
        assert!(!all.objective);
    }

    #[test]
    fn what_is_not_said_is_not_trusted() {
        assert_eq!(trust("{}").unwrap(), Trust::default());
    }

    #[test]
    fn mistakes_name_their_place() {
        for (json, expected) in [
            (r#"{"consumer":[{}]}"#, "trust.consumer[0]: must have exactly one of"),
            (r#"{"consumer":[{"jwt":["a","b"],"header":"x-a"}]}"#, "trust.consumer[0]: must"),
            (r#"{"consumer":[{"jwt":["sub"]}]}"#, "trust.consumer[0].jwt: must be a list of 2"),
            (r#"{"consumer":[{"jwt":["a",""]}]}"#, "trust.consumer[0].jwt: \"\" is no name"),
            (r#"{"consumer":[{"header":"Authorization"}]}"#, "that clients set themselves"),
            (r#"{"consumer":[{"header":"x-gateway-a"}]}"#, "of Weir's own"),
            (r#"{"consumer":[{"header":"x a"}]}"#, "is no name of a header"),
            (r#"{"consumer":[{"certificate":"serial"}]}"#, "trust.consumer[0].certificate"),
            (r#"{"objectives":true}"#, "objectives"),
        ] {
            let error = trust(json).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
