//! The restriction of a request to some endpoints.

use std::net::{IpAddr, SocketAddr};

use crate::load_view::LoadView;

/// Endpoints of a view that a request may use.
pub(super) enum Subset {
    /// No restriction.
    All,
    /// Allowed or not, by position.
    Only(Vec<bool>),
}

impl Subset {
    /// Reads the header `x-gateway-destination-endpoint-subset`: `ip:port` or `ip` (every port),
    /// comma-separated. Entries that are neither, or no endpoint of the view, allow nothing.
    pub(super) fn new(header: Option<&[u8]>, view: &LoadView) -> Self {
        let Some(header) = header else { return Self::All };
        let mut allowed = vec![false; view.len()];
        let entries = header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        for entry in entries.filter_map(|entry| std::str::from_utf8(entry).ok()) {
            allow(entry, view, &mut allowed);
        }
        Self::Only(allowed)
    }

    pub(super) fn allows(&self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::Only(allowed) => allowed.get(index).copied().unwrap_or(false),
        }
    }
}

fn allow(entry: &str, view: &LoadView, allowed: &mut [bool]) {
    if let Ok(address) = entry.parse::<SocketAddr>() {
        let position = view.position(address.to_string().as_bytes());
        if let Some(slot) = position.and_then(|index| allowed.get_mut(index)) {
            *slot = true;
        }
    } else if let Ok(ip) = entry.parse::<IpAddr>() {
        let host = match ip {
            IpAddr::V4(ip) => format!("{ip}:"),
            IpAddr::V6(ip) => format!("[{ip}]:"),
        };
        for (index, slot) in allowed.iter_mut().enumerate() {
            *slot |=
                view.address(index).is_some_and(|address| address.starts_with(host.as_bytes()));
        }
    }
}
