//! Configurations that need addresses where a compose file has only names.
//!
//! Envoy's listeners and the sidecar's endpoints are IP addresses, and which ones the containers get is
//! the engine's choice. So each container writes its own configuration when it starts.

use std::fs;
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::network;

/// How long the other containers may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes the configuration and becomes `program`, which then is the container's first process and gets
/// its signals.
///
/// # Errors
/// A name without an address, a port that nothing listens on, a file or program that does not work.
pub(crate) fn become_program(
    template: &Path,
    out: &Path,
    listen: &[String],
    program: &[String],
) -> Result<Value, String> {
    let shown = template.display();
    let text = fs::read_to_string(template).map_err(|error| format!("{shown}: {error}"))?;
    let text = with_names(&text, wait_for)?;
    let text = with_listeners(&text, listen, wait_for)?;
    fs::write(out, text).map_err(|error| format!("{}: {error}", out.display()))?;
    let (program, arguments) = program.split_first().ok_or("no program")?;
    let error = Command::new(program).args(arguments).exec();
    Err(format!("{program}: {error}"))
}

fn wait_for(name: &str) -> Result<IpAddr, String> {
    let started = Instant::now();
    loop {
        match network::addresses_of(name).first() {
            Some(address) => return Ok(*address),
            None if started.elapsed() > PATIENCE => return Err(format!("{name} has no address")),
            None => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// `text` with addresses in place of `{{NAME}}`.
fn with_names(
    text: &str,
    address_of: impl Fn(&str) -> Result<IpAddr, String>,
) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("`{{` without `}}`")?;
        filled.push_str(before);
        filled.push_str(&address_of(name)?.to_string());
        rest = after;
    }
    Ok(filled + rest)
}

/// `text` with listeners moved from 127.0.0.1 to the addresses that `PORT=NAME` say.
fn with_listeners(
    text: &str,
    listen: &[String],
    address_of: impl Fn(&str) -> Result<IpAddr, String>,
) -> Result<String, String> {
    let mut text = text.to_owned();
    for pair in listen {
        let (port, name) = pair.split_once('=').ok_or_else(|| format!("{pair}: no PORT=NAME"))?;
        let written = |address: &str| format!("{{address: {address}, port_value: {port}}}");
        let from = written("127.0.0.1");
        if !text.contains(&from) {
            return Err(format!("nothing listens on 127.0.0.1 and port {port}"));
        }
        text = text.replace(&from, &written(&address_of(name)?.to_string()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> Result<IpAddr, String> {
        match name {
            "a" => Ok(IpAddr::from([10, 0, 0, 1])),
            other => Err(format!("{other} has no address")),
        }
    }

    #[test]
    fn names_become_addresses_and_unknown_ones_are_errors() {
        assert_eq!(with_names("x: {{a}}:80\n", known).unwrap(), "x: 10.0.0.1:80\n");
        assert_eq!(with_names("x: {{b}}", known).unwrap_err(), "b has no address");
        assert!(with_names("x: {{a", known).is_err());
    }

    #[test]
    fn a_listener_moves_and_one_that_is_not_there_is_an_error() {
        let text = "- {address: 127.0.0.1, port_value: 1}\n- {address: 127.0.0.1, port_value: 10}";
        let moved = with_listeners(text, &["1=a".into()], known).unwrap();
        assert!(moved.contains("{address: 10.0.0.1, port_value: 1}"), "{moved}");
        assert!(moved.contains("{address: 127.0.0.1, port_value: 10}"), "{moved}");
        for (pair, problem) in [("2=a", "port 2"), ("1=b", "b has no"), ("1", "no PORT=NAME")] {
            let error = with_listeners(text, &[pair.into()], known).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
