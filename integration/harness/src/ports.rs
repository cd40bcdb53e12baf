//! Ports: the well-known ones of the shipped files, and the free ones that stand for them.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::error::HarnessError;

/// The ports that shipped files name: clients, intake, admin, sidecar, replicas; two for more replicas; and a collector of
/// traces, a provider's endpoint, a server of tools, another picker and a rate-limit service.
const WELL_KNOWN: [u16; 17] = [
    10000, 10001, 9901, 9500, 9001, 9002, 9003, 9004, 9005, 9006, 9007, 9008, 4318, 9443, 9100,
    9200, 8081,
];

/// Ports below the range that the system gives to outgoing connections.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port of 127.0.0.1 that nobody listens on and that this process has not given away before.
///
/// # Errors
/// When a whole round over the range finds none.
pub fn free_port() -> Result<u16, HarnessError> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries run side by side, so each begins elsewhere.
    let begin = std::process::id().wrapping_mul(37) % u32::from(COUNT);
    let begin = u16::try_from(begin).unwrap_or(0);
    let candidates = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        FIRST + (begin + step) % COUNT
    });
    let mut free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let none = || HarnessError::Port(io::Error::from(io::ErrorKind::AddrNotAvailable));
    free.next().ok_or_else(none)
}

/// Which actual port stands for each well-known one.
#[derive(Clone, Debug)]
pub struct Ports(BTreeMap<u16, u16>);

impl Ports {
    /// A free port for each well-known one.
    ///
    /// # Errors
    /// When there are not enough free ports.
    pub fn allocate() -> Result<Self, HarnessError> {
        let pairs = WELL_KNOWN.into_iter().map(|shipped| Ok((shipped, free_port()?)));
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// Every port stands for itself, for files that are used exactly as they are shipped.
    pub fn as_shipped() -> Self {
        Self(WELL_KNOWN.into_iter().map(|port| (port, port)).collect())
    }

    /// Lets `actual` stand for `shipped`.
    pub fn set(&mut self, shipped: u16, actual: u16) {
        self.0.insert(shipped, actual);
    }

    /// The port that stands for `shipped`: itself, if it is not a well-known one.
    pub fn actual(&self, shipped: u16) -> u16 {
        self.0.get(&shipped).copied().unwrap_or(shipped)
    }

    /// `text` with every well-known port replaced where it stands as a port: after `port_value:`,
    /// `port:` (also in JSON), or directly after the colon of an address.
    pub fn rewrite(&self, text: &str) -> String {
        let mut rewritten = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(|character: char| character.is_ascii_digit()) {
            let (before, from_digit) = rest.split_at(at);
            rewritten.push_str(before);
            let end = from_digit.find(|character: char| !character.is_ascii_digit());
            let (digits, after) = from_digit.split_at(end.unwrap_or(from_digit.len()));
            let port = digits.parse().ok().filter(|_| is_port_position(&rewritten, after));
            match port.and_then(|port: u16| self.0.get(&port)) {
                Some(actual) => rewritten.push_str(&actual.to_string()),
                None => rewritten.push_str(digits),
            }
            rest = after;
        }
        rewritten + rest
    }
}

fn is_port_position(before: &str, after: &str) -> bool {
    let follows =
        !after.starts_with(|next: char| next.is_alphanumeric() || matches!(next, '.' | '_'));
    let spaced = before.trim_end_matches(' ');
    let name = spaced.strip_suffix(':').map(|name| name.trim_end_matches('"'));
    let named = name.is_some_and(|name| name.ends_with("port_value") || name.ends_with("port"));
    let host_before =
        |text: &str| text.ends_with(|last: char| last.is_alphanumeric() || last == ']');
    follows && (named || before.strip_suffix(':').is_some_and(host_before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_are_rewritten() {
        let mut ports = Ports::as_shipped();
        ports.set(9001, 1);
        ports.set(10000, 22222);
        let cases = [
            ("port_value: 9001}", "port_value: 1}"),
            ("port_value:9001", "port_value:1"),
            (r#"{"port_value":9001}"#, r#"{"port_value":1}"#),
            ("- address: 127.0.0.1:9001\n", "- address: 127.0.0.1:1\n"),
            ("http://localhost:10000/v1", "http://localhost:22222/v1"),
            ("http://[::1]:9001", "http://[::1]:1"),
            ("fresh_ms: 10000", "fresh_ms: 10000"),
            ("port_value: 90010", "port_value: 90010"),
            ("seconds: 9001", "seconds: 9001"),
            ("model-9001:9001x", "model-9001:9001x"),
            ("at 19001 and 127.0.0.1:9002", "at 19001 and 127.0.0.1:9002"),
            ("é:9001 99999999999999999999", "é:1 99999999999999999999"),
        ];
        for (text, expected) in cases {
            assert_eq!(ports.rewrite(text), expected);
        }
    }

    #[test]
    fn free_ports_are_different_and_can_be_listened_on() {
        let ports: Vec<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        let listeners = ports.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap());
        assert_eq!(listeners.collect::<Vec<_>>().len(), 20);
    }
}
