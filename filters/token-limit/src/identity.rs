//! What tells those apart who each have a limit for themselves.

use std::cell::OnceCell;

use weir_host::Host;
use weir_request::{Consumer, RequestHead};
use weir_settings::token_limit::Dimension;
use weir_settings::trust::Trust;
use weir_wire::facts::Facts;

/// A request's values of dimensions; each is asked for when a limit needs it.
pub(crate) struct Identity<'a, H> {
    host: &'a H,
    trust: &'a Trust,
    facts: &'a Facts,
    head: &'a RequestHead,
    consumer: OnceCell<Option<Consumer>>,
}

impl<'a, H: Host> Identity<'a, H> {
    pub(crate) fn new(
        host: &'a H,
        trust: &'a Trust,
        facts: &'a Facts,
        head: &'a RequestHead,
    ) -> Self {
        Self { host, trust, facts, head, consumer: OnceCell::new() }
    }

    /// The value of a dimension; `None` if there is none. Only its digest is ever kept.
    pub(crate) fn value(&self, dimension: &Dimension) -> Option<Vec<u8>> {
        let value = match dimension {
            Dimension::Consumer => self.consumer()?.name().as_bytes().to_vec(),
            Dimension::Model => self.facts.upstream_model.clone().into_bytes(),
            Dimension::Pool => self.facts.pool.clone().into_bytes(),
            Dimension::Route => self.host.property(&["xds", "route_name"]).ok()??,
            Dimension::ClientIp => address(&self.host.property(&["source", "address"]).ok()??)?,
            Dimension::Header(name) => self.head.header(name)?.to_vec(),
            Dimension::Claim(path) => self.host.property(&self.trust.claim(path)?).ok()??,
        };
        (!value.is_empty()).then_some(value)
    }

    /// Who asks.
    pub(crate) fn consumer(&self) -> Option<&Consumer> {
        let who = || Consumer::of(self.host, Some(self.head), self.trust);
        self.consumer.get_or_init(who).as_ref()
    }
}

/// An address without its port: `10.0.0.1:80`, `[::1]:80`.
fn address(with_port: &[u8]) -> Option<Vec<u8>> {
    let colon = with_port.iter().rposition(|byte| *byte == b':')?;
    with_port.get(..colon).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_without_its_port() {
        for (with_port, expected) in
            [("10.0.0.1:80", Some("10.0.0.1")), ("[::1]:80", Some("[::1]")), ("nothing", None)]
        {
            let found = address(with_port.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{with_port}");
        }
    }
}
