//! The Redis or Valkey through which sidecars share load and limits.
//!
//! [`Redis`] is what everybody asks. Its keeper connects, and connects again after a failure, with pauses that grow and
//! differ from sidecar to sidecar. Nobody waits for it: while there is no connection an exchange fails at once, and
//! otherwise within the configured timeout. Nothing that Redis answers is trusted: whoever asks bounds what can come.

mod access;
mod client;
mod connection;
mod error;
mod health;
mod keeper;
mod script;

pub(crate) use access::RedisAccess;
pub use access::RedisAccessError;
pub(crate) use client::{Redis, Reply};
pub(crate) use error::{AskError, Failure};
pub(crate) use health::Health;
pub(crate) use keeper::Keeper;
pub(crate) use script::{Call, Script};
use weir_settings::sidecar::RedisSettings;

/// What `settings` name, read, and found to be of use.
///
/// # Errors
/// [`RedisAccessError`] with the field below `redis` that is wrong.
pub(crate) fn load(
    settings: &RedisSettings,
) -> Result<RedisAccess, (&'static str, RedisAccessError)> {
    let access = RedisAccess::read(settings)?;
    let refused = |error: ::redis::RedisError| RedisAccessError::Refused(error.to_string());
    connection::Connector::new(&access).map_err(|error| ("urls", refused(error)))?;
    Ok(access)
}

#[cfg(test)]
mod tests;
