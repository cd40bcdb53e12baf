//! Who is asking: what an authentication filter before Weir vouches for, and nothing else.

use std::fmt;

use weir_host::{HeaderMap, Host};
use weir_settings::trust::{CertificatePart, ConsumerSource, Trust};

use crate::RequestHead;

/// Longest name of a consumer in bytes. Longer than any key's name, subject or SPIFFE id in use (a
/// SPIFFE id has at most 2,048); what is longer is nobody.
const MAX_NAME_BYTES: usize = 2048;

/// The name of a consumer, as something before Weir has verified it.
///
/// Its `Debug` shows no name: it may be a person's.
#[derive(Clone, PartialEq, Eq)]
pub struct Consumer(String);

impl Consumer {
    /// Who asks, from the first place of `trust` that has a name; `None` is nobody.
    ///
    /// `head` are the request's headers, if they were read.
    pub fn of<H: Host>(host: &H, head: Option<&RequestHead>, trust: &Trust) -> Option<Self> {
        trust.consumer.iter().find_map(|source| named(host, head, source))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consumer(…)")
    }
}

fn named<H: Host>(
    host: &H,
    head: Option<&RequestHead>,
    source: &ConsumerSource,
) -> Option<Consumer> {
    let bytes = match source {
        ConsumerSource::Attribute(path) => {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            host.property(&path).ok()?
        }
        ConsumerSource::Certificate(part) => certificate(host, *part),
        ConsumerSource::Header(name) => match head {
            Some(head) => head.header(name).map(<[u8]>::to_vec),
            None => host.header(HeaderMap::Request, name).ok()?,
        },
    };
    let name = String::from_utf8(bytes?).ok()?;
    // A number in metadata arrives as 8 bytes, some of which are no characters of a name.
    let fits = (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains(char::is_control);
    fits.then_some(Consumer(name))
}

/// A part of the certificate of a connection with mutual TLS.
fn certificate<H: Host>(host: &H, part: CertificatePart) -> Option<Vec<u8>> {
    let mutual = host.property(&["connection", "mtls"]).ok()??;
    if mutual != [1] {
        return None;
    }
    let attribute = match part {
        CertificatePart::Subject => "subject_peer_certificate",
        CertificatePart::Uri => "uri_san_peer_certificate",
        CertificatePart::Dns => "dns_san_peer_certificate",
    };
    host.property(&["connection", attribute]).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    const JWT: [&str; 5] =
        ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "jwt_payload", "sub"];

    fn trust() -> Trust {
        let path = JWT.map(str::to_owned).to_vec();
        let consumer = vec![
            ConsumerSource::Attribute(path),
            ConsumerSource::Certificate(CertificatePart::Uri),
            ConsumerSource::Header("x-consumer".to_owned()),
        ];
        Trust { consumer, objective: false }
    }

    fn name(host: &FakeHost) -> Option<String> {
        let head = RequestHead::read(host);
        let with = Consumer::of(host, Some(&head), &trust());
        assert_eq!(with, Consumer::of(host, None, &trust()));
        with.map(|consumer| consumer.name().to_owned())
    }

    #[test]
    fn the_first_place_that_has_a_name_decides() {
        let host = FakeHost::new();
        assert_eq!(name(&host), None);
        host.set_header(HeaderMap::Request, "x-consumer", b"by header").unwrap();
        assert_eq!(name(&host).as_deref(), Some("by header"));
        host.set_property(&["connection", "uri_san_peer_certificate"], b"spiffe://a/b");
        assert_eq!(name(&host).as_deref(), Some("by header"), "without mutual TLS it is nobody's");
        host.set_property(&["connection", "mtls"], &[1]);
        assert_eq!(name(&host).as_deref(), Some("spiffe://a/b"));
        host.set_property(&JWT, b"ann");
        assert_eq!(name(&host).as_deref(), Some("ann"));
    }

    #[test]
    fn what_is_no_name_is_nobody() {
        for bytes in [&b""[..], b"a\nb", b"\xff", &7.0f64.to_le_bytes(), &[b'x'; 2049]] {
            let host = FakeHost::new();
            host.set_property(&JWT, bytes);
            assert_eq!(name(&host), None, "{bytes:?}");
        }
    }

    #[test]
    fn nobody_is_known_where_nothing_is_trusted() {
        let host = FakeHost::new();
        host.set_header(HeaderMap::Request, "x-consumer", b"ann").unwrap();
        host.set_property(&JWT, b"ann");
        assert_eq!(Consumer::of(&host, None, &Trust::default()), None);
    }

    #[test]
    fn a_name_is_not_shown_by_accident() {
        assert_eq!(format!("{:?}", Consumer("ann".to_owned())), "Consumer(…)");
    }
}
