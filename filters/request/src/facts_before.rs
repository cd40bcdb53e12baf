//! The facts that a filter before this one has left in filter state.

use weir_host::notice::Notice;
use weir_host::{Host, LogLevel};
use weir_wire::facts::Facts;

use crate::FACTS;

/// Reads the facts of the current stream; `None` if no filter has left any.
///
/// Facts of another build are none, and said in the log through `odd`: the filters of one chain must be of
/// one module.
pub fn facts_before<H: Host>(host: &H, odd: &Notice) -> Option<Facts> {
    let bytes = host.state(FACTS).ok().flatten()?;
    match Facts::decode(&bytes) {
        Ok(facts) => Some(facts),
        Err(error) => {
            odd.say(host, LogLevel::Error, || {
                format!(
                    "weir: a filter before this one has left {FACTS} that cannot be read: {error}; use \
                     one module for all filters of a chain"
                )
            });
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    #[test]
    fn facts_of_another_build_are_none_and_said_once() {
        let (host, odd) = (FakeHost::new(), Notice::default());
        assert_eq!(facts_before(&host, &odd), None);
        assert!(host.logs().is_empty());
        host.set_state(FACTS, &[250, 1, 2]).unwrap();
        assert_eq!(facts_before(&host, &odd), None);
        assert_eq!(facts_before(&host, &odd), None);
        let logs = host.logs();
        assert_eq!(logs.len(), 1);
        assert!(logs[0].1.contains("facts version 250"), "{}", logs[0].1);
    }
}
