//! What a container can see of the network: names, addresses, ports.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

/// Attempts under way at once.
const THREADS: usize = 256;
/// So many targets are named one by one; of more only those that are open are.
const NAMED: usize = 2000;
/// The most targets of one scan: every port of one address.
const MOST: usize = 70_000;

/// Every address of a name, none if it has none.
pub(crate) fn addresses_of(name: &str) -> Vec<IpAddr> {
    let found = (name, 0).to_socket_addrs();
    let mut addresses: Vec<_> =
        found.into_iter().flatten().map(|address: SocketAddr| address.ip()).collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

/// `{"NAME": ["10.0.0.1"]}`, all looked up at once: a name that is not there takes seconds.
pub(crate) fn resolve(names: &[String]) -> Value {
    let texts = |name: &String| -> Vec<String> {
        addresses_of(name).iter().map(IpAddr::to_string).collect()
    };
    std::thread::scope(|scope| {
        let found = names.iter().map(|name| (name, scope.spawn(move || texts(name))));
        let found: Vec<_> = found.collect();
        let joined = found.into_iter().map(|(name, thread)| (name.clone(), thread.join()));
        joined.map(|(name, found)| (name, json!(found.unwrap_or_default()))).collect()
    })
}

/// What became of an attempt to connect.
fn attempt(target: &str, timeout: Duration) -> &'static str {
    let Some(address) = target.to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        return "unresolved";
    };
    match TcpStream::connect_timeout(&address, timeout) {
        Ok(_) => "open",
        Err(error) => match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => "refused",
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "silent",
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => "unreachable",
            _ => "failed",
        },
    }
}

/// `{"open": ["10.0.0.1:80"], "count": {"open": 1}, "targets": {"10.0.0.1:80": "open"}}`
///
/// # Errors
/// A target that is no HOST:PORT or HOST:FIRST-LAST, or too many.
pub(crate) fn scan(targets: &[String], timeout: Duration) -> Result<Value, String> {
    let mut all = Vec::new();
    for target in targets {
        all.extend(ports_of(target)?);
    }
    if all.len() > MOST {
        return Err(format!("{} targets, at most {MOST}", all.len()));
    }
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS.min(all.len()) {
            scope.spawn(|| {
                while let Some(target) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let state = attempt(target, timeout);
                    if let Ok(mut seen) = seen.lock() {
                        seen.insert(target.clone(), state);
                    }
                }
            });
        }
    });
    let seen = seen.into_inner().map_err(|error| error.to_string())?;
    let open: Vec<&String> =
        seen.iter().filter(|(_, state)| **state == "open").map(|(target, _)| target).collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    seen.values().for_each(|state| *count.entry(state).or_default() += 1);
    let targets = if seen.len() <= NAMED { json!(seen) } else { Value::Null };
    Ok(json!({"open": open, "count": count, "targets": targets}))
}

fn ports_of(target: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("{target}: no HOST:PORT or HOST:FIRST-LAST");
    let (host, ports) = target.rsplit_once(':').ok_or_else(wrong)?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u16>().map_err(|_| wrong());
    Ok((number(first)?..=number(last)?).map(|port| format!("{host}:{port}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_scan_tells_open_ports_from_closed_ones_and_unknown_names() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap().to_string();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let targets = [open.clone(), closed.clone(), "no-such-name.invalid:1".to_owned()];
        let seen = scan(&targets, Duration::from_secs(1)).unwrap();
        assert_eq!(seen["open"], json!([open]));
        assert_eq!(seen["targets"][&closed], "refused");
        assert_eq!(seen["targets"]["no-such-name.invalid:1"], "unresolved");
    }

    #[test]
    fn ranges_of_ports_are_spelled_out_and_too_many_targets_refused() {
        assert_eq!(ports_of("a:1-3").unwrap(), ["a:1", "a:2", "a:3"]);
        assert!(ports_of("a").is_err() && ports_of("a:70000").is_err());
        let twice = ["a:1-65535".to_owned(), "b:1-65535".to_owned()];
        assert!(scan(&twice, Duration::ZERO).unwrap_err().contains("at most"));
    }
}
