//! DNS names, as the configuration has them.

use std::fmt;

/// Longest DNS name in bytes (RFC 1035, 2.3.4, as written with dots).
const MAX_NAME_BYTES: usize = 253;

/// Longest part of a name in bytes (RFC 1035, 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A DNS name and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedAddress {
    /// The name; one that ends with a dot is never completed by a search domain.
    pub name: String,
    /// Not 0.
    pub port: u16,
}

impl NamedAddress {
    /// Reads `name:port`; `None` for what is none, such as an IP address.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, port) = text.rsplit_once(':')?;
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse().ok().filter(|port| *port != 0 && digits)?;
        is_name(name).then(|| Self { name: name.to_owned(), port })
    }
}

impl fmt::Display for NamedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// Whether `text` can be looked up: letters, digits, `-`, `_` and dots, and no IP address.
pub(super) fn is_name(text: &str) -> bool {
    let relative = text.strip_suffix('.').unwrap_or(text);
    let label = |label: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=MAX_LABEL_BYTES).contains(&label.len()) && label.bytes().all(allowed)
    };
    let last = relative.rsplit('.').next().unwrap_or_default();
    text.len() <= MAX_NAME_BYTES
        && relative.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_name_needs_a_port_and_is_no_address() {
        for (text, expected) in [
            ("vllm:8000", Some(("vllm", 8000))),
            ("vllm.default.svc.cluster.local.:1", Some(("vllm.default.svc.cluster.local.", 1))),
            ("_http._tcp.x:80", Some(("_http._tcp.x", 80))),
            ("vllm", None),
            ("vllm:0", None),
            ("vllm:+1", None),
            ("vllm:65536", None),
            (":80", None),
            ("10.0.0.1:80", None),
            ("1:80", None),
            ("[::1]:80", None),
            ("a..b:80", None),
            ("a b:80", None),
            ("é:80", None),
        ] {
            let expected =
                expected.map(|(name, port): (&str, u16)| NamedAddress { name: name.into(), port });
            assert_eq!(NamedAddress::parse(text), expected, "{text}");
        }
        assert!(!is_name(&"a".repeat(64)) && !is_name(&"a.".repeat(127)) && !is_name(""));
    }
}
