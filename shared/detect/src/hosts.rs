//! Hosts that a policy trusts.

/// Hosts that links and images may point to, with their subdomains.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts(Vec<String>);

impl Hosts {
    /// Host names, lower-cased here.
    pub(crate) fn new(hosts: impl IntoIterator<Item = String>) -> Self {
        Self(
            hosts
                .into_iter()
                .map(|host| host.trim_start_matches("*.").to_ascii_lowercase())
                .collect(),
        )
    }

    /// Whether a host is one of them or below one.
    pub(crate) fn contains(&self, host: &[u8]) -> bool {
        let host = host.to_ascii_lowercase();
        self.0.iter().any(|allowed| {
            host.strip_suffix(allowed.as_bytes())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"."))
        })
    }
}
