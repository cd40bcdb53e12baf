//! What endpoint-picker says of a request whose stream may be begun anew at the next endpoint.

use weir_host::{Host, HostError};
use weir_wire::path::Dialect;

/// Filter state with the dialect of such a request. Where it is missing, an attempt's answer passes as it comes.
const MARK: &str = "weir.failover";

/// Each dialect with its name there.
const NAMES: [(Dialect, &[u8]); 3] = [
    (Dialect::OpenAi, b"openai"),
    (Dialect::Anthropic, b"anthropic"),
    (Dialect::Gemini, b"gemini"),
];

/// Says to the attempts of the request that their answers are to be held until the first token.
///
/// # Errors
/// As [`Host::set_state`].
pub fn mark<H: Host>(host: &H, dialect: Dialect) -> Result<(), HostError> {
    match NAMES.iter().find(|(known, _)| *known == dialect) {
        Some((_, name)) => host.set_state(MARK, name),
        None => Ok(()),
    }
}

/// The dialect of a request whose attempts are to be held.
pub(crate) fn marked<H: Host>(host: &H) -> Option<Dialect> {
    let name = host.state(MARK).ok().flatten()?;
    NAMES.iter().find(|(_, known)| *known == name).map(|(dialect, _)| *dialect)
}
