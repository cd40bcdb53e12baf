//! What changes while a pool is saturated.

use super::raw::RawSaturated;
use crate::SettingsError;

/// What changes while the request's pool is saturated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saturated {
    /// The objectives whose requests are refused.
    pub shed: Vec<String>,
    /// Thousandths of every burst that are left.
    pub burst_permille: u32,
}

impl Saturated {
    /// Whether it matters at all if a pool is saturated.
    pub fn matters(&self) -> bool {
        !self.shed.is_empty() || self.burst_permille < 1_000
    }

    pub(super) fn compile(field: &str, raw: RawSaturated) -> Result<Self, SettingsError> {
        if let Some(at) = raw.shed.iter().position(String::is_empty) {
            let problem = "must be an objective's name";
            return Err(SettingsError::invalid(format!("{field}.shed[{at}]"), "\"\"", problem));
        }
        let burst_permille = match raw.burst {
            None => 1_000,
            Some(part) if part > 0.0 && part <= 1.0 => ((part * 1_000.0).round() as u32).max(1),
            Some(part) => {
                let problem = "must be above 0 and at most 1";
                return Err(SettingsError::invalid(format!("{field}.burst"), part, problem));
            }
        };
        Ok(Self { shed: raw.shed, burst_permille })
    }
}
