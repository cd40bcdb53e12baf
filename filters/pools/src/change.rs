//! Changing a value of shared data that others change, too.

use weir_host::{Host, HostError};

/// How often a write that lost against another worker is tried again.
///
/// A sidecar has one push per pool in flight, so two in a row are already unlikely.
const ATTEMPTS: usize = 8;

/// Why a value was not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeError<E> {
    /// The change itself refuses.
    Refused(E),
    /// The host cannot read or write.
    Host(HostError),
    /// Others were faster every time.
    Contended,
}

/// Changes the value of `key` by `edit` (old → new, `None` for no change), again when somebody else
/// was faster. A value that does not exist is empty.
///
/// # Errors
/// [`ChangeError`]; then nothing was written.
pub fn change_shared<H: Host, E>(
    host: &H,
    key: &str,
    mut edit: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>, E>,
) -> Result<(), ChangeError<E>> {
    for _ in 0..ATTEMPTS {
        let (stored, cas) = host.shared(key).map_err(ChangeError::Host)?.unwrap_or_default();
        let Some(changed) = edit(&stored).map_err(ChangeError::Refused)? else { return Ok(()) };
        match host.set_shared(key, &changed, Some(cas)) {
            Err(HostError::CasMismatch) => {}
            other => return other.map_err(ChangeError::Host),
        }
    }
    Err(ChangeError::Contended)
}
