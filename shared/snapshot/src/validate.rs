//! From bytes to a checked message.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::error::{Invalid, ReadError};
use crate::limits::{
    MAX_ADAPTERS_PER_ENDPOINT, MAX_BODY_BYTES, MAX_DISTINCT_ADAPTERS, MAX_ENDPOINTS, MAX_EPOCH,
    MAX_NAME_BYTES, MESSAGE_VERSION,
};
use crate::message::{EndpointReport, SnapshotMessage};

/// Longest piece of a refused value that an error repeats.
const QUOTED_CHARS: usize = 64;
/// Longest parser message that an error repeats.
const PROBLEM_BYTES: usize = 200;

/// Reads the version alone, so that a newer format is refused as such and not for its unknown
/// fields.
#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

impl SnapshotMessage {
    /// Reads and checks a push body: size, version, shape, then every value.
    ///
    /// # Errors
    /// The first thing that is wrong, as [`ReadError`].
    pub fn parse(body: &[u8]) -> Result<Self, ReadError> {
        if body.len() > MAX_BODY_BYTES {
            return Err(ReadError::TooLarge { bytes: body.len() });
        }
        let VersionOnly { version } = serde_json::from_slice(body).map_err(malformed)?;
        if version != u64::from(MESSAGE_VERSION) {
            return Err(ReadError::UnknownVersion { version });
        }
        let message: Self = serde_json::from_slice(body).map_err(malformed)?;
        message.validate()?;
        Ok(message)
    }

    /// Checks every value against its limits.
    ///
    /// # Errors
    /// The first value that is outside, as [`Invalid`].
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.version != MESSAGE_VERSION {
            return Err(Invalid::Version(self.version));
        }
        if !is_pool_name(&self.pool) {
            return Err(Invalid::PoolName(quoted(&self.pool)));
        }
        if self.sequence == 0 {
            return Err(Invalid::Sequence);
        }
        if self.epoch > MAX_EPOCH {
            return Err(Invalid::Epoch(self.epoch));
        }
        if self.endpoints.len() > MAX_ENDPOINTS {
            return Err(Invalid::TooManyEndpoints(self.endpoints.len()));
        }
        self.validate_endpoints()
    }

    fn validate_endpoints(&self) -> Result<(), Invalid> {
        let mut addresses = BTreeSet::new();
        let mut adapters = BTreeSet::new();
        for (index, endpoint) in self.endpoints.iter().enumerate() {
            let address = check_address(index, &endpoint.address)?;
            if !addresses.insert(address) {
                return Err(Invalid::DuplicateAddress { index, value: address.to_string() });
            }
            check_fractions(index, endpoint)?;
            check_zone(index, endpoint)?;
            check_adapters(index, "running_adapters", &endpoint.running_adapters)?;
            check_adapters(index, "waiting_adapters", &endpoint.waiting_adapters)?;
            let names = endpoint.running_adapters.iter().chain(&endpoint.waiting_adapters);
            adapters.extend(names.map(String::as_str));
        }
        if adapters.len() > MAX_DISTINCT_ADAPTERS {
            return Err(Invalid::TooManyDistinctAdapters);
        }
        Ok(())
    }
}

/// Whether `name` may name a pool: it becomes part of a shared-data key, a log line and a metric
/// label.
#[must_use]
pub fn is_pool_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:/".contains(&byte);
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.bytes().all(allowed)
}

/// The one spelling of an endpoint address that views, headers and replies use; `None` if it is no
/// address.
///
/// It is the spelling that Envoy compares with: `[::1]:80` for `[0:0:0:0:0:0:0:1]:80`.
#[must_use]
pub fn canonical_address(address: &str) -> Option<String> {
    parse_address(address).map(|parsed| parsed.to_string())
}

/// Reads an endpoint address: `ip:port` with a port that can be dialled.
fn parse_address(address: &str) -> Option<SocketAddr> {
    address.parse().ok().filter(|parsed: &SocketAddr| parsed.port() != 0)
}

fn check_address(index: usize, address: &str) -> Result<SocketAddr, Invalid> {
    parse_address(address).ok_or_else(|| Invalid::Address { index, value: quoted(address) })
}

fn check_fractions(index: usize, endpoint: &EndpointReport) -> Result<(), Invalid> {
    let fields = [
        ("kv_cache_use", endpoint.kv_cache_use),
        ("gpu_use", endpoint.gpu_use),
        ("gpu_memory_use", endpoint.gpu_memory_use),
        ("gpu_tensor_active", endpoint.gpu_tensor_active),
        ("gpu_dram_active", endpoint.gpu_dram_active),
    ];
    for (field, value) in fields {
        // A NaN lies in no range, so it is refused here too.
        if let Some(value) = value.filter(|value| !(0.0..=1.0).contains(value)) {
            return Err(Invalid::Fraction { index, field, value });
        }
    }
    Ok(())
}

fn check_zone(index: usize, endpoint: &EndpointReport) -> Result<(), Invalid> {
    match endpoint.zone.as_ref().map(String::len) {
        Some(bytes) if !(1..=MAX_NAME_BYTES).contains(&bytes) => {
            Err(Invalid::Zone { index, bytes })
        }
        _ => Ok(()),
    }
}

fn check_adapters(index: usize, field: &'static str, names: &[String]) -> Result<(), Invalid> {
    if names.len() > MAX_ADAPTERS_PER_ENDPOINT {
        return Err(Invalid::TooManyAdapters { index, field, count: names.len() });
    }
    let bad = names.iter().map(String::len).find(|bytes| !(1..=MAX_NAME_BYTES).contains(bytes));
    match bad {
        Some(bytes) => Err(Invalid::AdapterName { index, field, bytes }),
        None => Ok(()),
    }
}

pub(crate) fn malformed(error: serde_json::Error) -> ReadError {
    let (line, column) = (error.line(), error.column());
    let mut problem = error.to_string();
    // The parser repeats the position at the end of its own message.
    if let Some(at) = problem.rfind(" at line ") {
        problem.truncate(at);
    }
    problem.truncate(problem.floor_char_boundary(PROBLEM_BYTES));
    ReadError::Malformed { problem, line, column }
}

fn quoted(value: &str) -> String {
    value.chars().take(QUOTED_CHARS).collect()
}
