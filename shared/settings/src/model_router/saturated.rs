//! What becomes of a model's requests while its pool is saturated: something less, in place of a queue.

use serde::Deserialize;

use crate::SettingsError;

/// The load from which on a pool counts as saturated unless said otherwise, in thousandths: the mark of llm-d's
/// saturation detector, at which every replica has 5 requests waiting or uses 0.8 of its KV cache.
const ENTER_PERMILLE: u32 = 1_000;

/// The load below which it no longer does, as a part of the other mark.
const LEAVE_OF_ENTER: f64 = 0.8;

/// Largest mark: a hundred times as much as fits.
const MAX_LOAD: f64 = 100.0;

/// What clients are told to wait unless said otherwise, in ms.
const RETRY_AFTER_MS: u32 = 1_000;

/// Longest wait that clients are told, in ms: a day.
const MAX_RETRY_AFTER_MS: u32 = 86_400_000;

/// What is done while a pool is saturated, as written: one of `model`, `pool` and `reply`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWhenSaturated {
    /// The model that serves in its place, as clients would name it.
    pub model: Option<String>,
    /// The pool that serves the same model in place of its own.
    pub pool: Option<String>,
    /// What clients are answered.
    pub reply: Option<RawReply>,
    /// The load from which on the pool counts as saturated; 1 if not given, which is full.
    pub enter: Option<f64>,
    /// The load below which it no longer does; 0.8 of `enter` if not given.
    pub leave: Option<f64>,
}

/// An answer in place of service, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawReply {
    /// The status, 400 to 599; 429 if not given.
    pub status: Option<u32>,
    /// What people are told.
    pub message: Option<String>,
    /// After how many ms clients are told to try again; 1000 if not given, and 0 says nothing of that.
    pub retry_after_ms: Option<u32>,
}

/// What is done while a pool is saturated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhenSaturated {
    /// What serves in its place.
    pub instead: Instead,
    /// When.
    pub thresholds: Thresholds,
}

/// What serves in place of a saturated pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// Another model of the policy.
    Model(String),
    /// The same model in another pool.
    Pool {
        /// Its name.
        pool: String,
        /// What its replicas were started with, if the entries of that pool agree on it.
        base_model: Option<String>,
    },
    /// Nobody.
    Reply(SaturatedReply),
}

/// What clients are answered in place of service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaturatedReply {
    /// The status.
    pub status: u16,
    /// What people are told; `None` for what is said of overload anyway.
    pub message: Option<String>,
    /// After how many ms to try again; 0 if that is left out.
    pub retry_after_ms: u32,
}

/// Loads of a pool, in thousandths of what fits, at which its state changes. Two of them, so that a pool which the
/// change relieves does not change back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thresholds {
    /// From this load on it is saturated.
    pub enter_permille: u32,
    /// Below this load it no longer is.
    pub leave_permille: u32,
}

impl Thresholds {
    /// Whether a pool with that load is saturated that was, or was not, when last looked at.
    pub fn is_saturated(self, was: bool, load_permille: u32) -> bool {
        load_permille >= if was { self.leave_permille } else { self.enter_permille }
    }

    pub(super) fn compile(field: &str, raw: &RawWhenSaturated) -> Result<Self, SettingsError> {
        let load = |name: &str, written: f64| {
            if written > 0.0 && written <= MAX_LOAD {
                // In range, so the cast is exact to a thousandth.
                return Ok(((written * 1_000.0).round() as u32).max(1));
            }
            let problem = format!("must be above 0 and at most {MAX_LOAD}");
            Err(SettingsError::invalid(format!("{field}.{name}"), written, problem))
        };
        let enter_permille = match raw.enter {
            Some(written) => load("enter", written)?,
            None => ENTER_PERMILLE,
        };
        let leave_permille = match raw.leave {
            Some(written) => load("leave", written)?,
            None => ((f64::from(enter_permille) * LEAVE_OF_ENTER) as u32).max(1),
        };
        if leave_permille > enter_permille {
            let leave = raw.leave.unwrap_or_default();
            let problem = "is above `enter`";
            return Err(SettingsError::invalid(format!("{field}.leave"), leave, problem));
        }
        Ok(Self { enter_permille, leave_permille })
    }
}

pub(super) fn compile_reply(field: &str, raw: RawReply) -> Result<SaturatedReply, SettingsError> {
    let written = raw.status.unwrap_or(429);
    let status = u16::try_from(written).ok().filter(|status| (400..=599).contains(status));
    let Some(status) = status else {
        let problem = "is no status of an error: 400 to 599";
        return Err(SettingsError::invalid(format!("{field}.reply.status"), written, problem));
    };
    let retry_after_ms = raw.retry_after_ms.unwrap_or(RETRY_AFTER_MS);
    if retry_after_ms > MAX_RETRY_AFTER_MS {
        let problem = format!("is more than {MAX_RETRY_AFTER_MS}, a day");
        let field = format!("{field}.reply.retry_after_ms");
        return Err(SettingsError::invalid(field, retry_after_ms, problem));
    }
    if raw.message.as_deref() == Some("") {
        return Err(SettingsError::invalid(format!("{field}.reply.message"), "\"\"", "is empty"));
    }
    Ok(SaturatedReply { status, message: raw.message, retry_after_ms })
}

#[cfg(test)]
mod tests;
