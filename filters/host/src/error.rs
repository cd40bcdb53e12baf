//! What a host call can answer other than success.

/// A host call that did not succeed, by the status that Envoy returned.
///
/// The numbers are those of the proxy-wasm ABI 0.2.1 (`WasmResult`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing by that name (a header, a property, a key).
    #[error("not found")]
    NotFound,
    /// The call is not allowed in this phase, or an argument is out of range.
    #[error("bad argument or wrong phase")]
    BadArgument,
    /// The value was changed by somebody else since it was read.
    #[error("compare-and-swap mismatch")]
    CasMismatch,
    /// The host has no such buffer or map at this moment.
    #[error("empty")]
    Empty,
    /// The host could not do it; of a call: its cluster has no host, or is at the limit of its circuit breakers.
    #[error("failed in the host")]
    Failed,
    /// Any other status, by its number.
    #[error("host status {0}")]
    Status(u32),
}

impl HostError {
    /// Reads a status: `Ok` for 0, else the error.
    pub(crate) fn check(status: u32) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            1 => Err(Self::NotFound),
            2 => Err(Self::BadArgument),
            7 => Err(Self::Empty),
            8 => Err(Self::CasMismatch),
            10 => Err(Self::Failed),
            other => Err(Self::Status(other)),
        }
    }

    /// `NotFound` and `Empty` are an absent value, everything else stays an error.
    pub(crate) fn absent<T>(result: Result<T, Self>) -> Result<Option<T>, Self> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Self::NotFound | Self::Empty) => Ok(None),
            Err(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_meaning() {
        assert_eq!(HostError::check(0), Ok(()));
        assert_eq!(HostError::check(1), Err(HostError::NotFound));
        assert_eq!(HostError::check(8), Err(HostError::CasMismatch));
        assert_eq!(HostError::check(10), Err(HostError::Failed));
        assert_eq!(HostError::check(4711), Err(HostError::Status(4711)));
    }

    #[test]
    fn an_absent_value_is_not_an_error_but_a_wrong_phase_is() {
        assert_eq!(HostError::absent::<u8>(Err(HostError::NotFound)), Ok(None));
        assert_eq!(HostError::absent::<u8>(Err(HostError::Empty)), Ok(None));
        assert_eq!(HostError::absent(Ok(3)), Ok(Some(3)));
        assert_eq!(
            HostError::absent::<u8>(Err(HostError::BadArgument)),
            Err(HostError::BadArgument)
        );
    }
}
