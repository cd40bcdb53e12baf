//! What Weir has left in filter state of the request.

use weir_wire::facts::Facts;

use crate::Unreadable;
use crate::host;

/// Filter state with the compact facts.
pub(crate) const FACTS: &str = "weir.facts";

/// Text that Weir leaves in filter state, for people and for access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The model as the client named it.
    Model,
    /// The pool that serves the request.
    Pool,
    /// `ip:port` of the endpoint that the picker chose.
    Endpoint,
    /// Why another model serves than was named: `saturated=small`. Not there if none does.
    Decision,
    /// What the response took, once it is known: `prompt=20 cached=16 completion=7 reasoning=0`.
    Tokens,
    /// The same as one number.
    TokensTotal,
    /// What the guardrail found: `action=redact; request redact pii.email=2`. Never the text itself.
    Guard,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Model,
        Self::Pool,
        Self::Endpoint,
        Self::Decision,
        Self::Tokens,
        Self::TokensTotal,
        Self::Guard,
    ];

    /// Its key; access logs and matchers of Envoy put `wasm.` before it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Model => "weir.model",
            Self::Pool => "weir.pool",
            Self::Endpoint => "weir.endpoint",
            Self::Decision => "weir.decision",
            Self::Tokens => "weir.tokens",
            Self::TokensTotal => "weir.tokens_total",
            Self::Guard => "weir.guard",
        }
    }

    /// The text of the current stream; `None` where no filter before this one has left any.
    #[must_use]
    pub fn read(self) -> Option<String> {
        let bytes = host::state(self.key())?;
        Some(String::from_utf8(bytes).unwrap_or_else(|bad| {
            // Weir writes UTF-8; what another filter wrote under this name is shown as far as it can be.
            String::from_utf8_lossy(bad.as_bytes()).into_owned()
        }))
    }
}

/// What the current stream's request body says and where the request goes; `None` where no filter before this one has
/// left any facts: what is no inference request, or was refused, has none.
///
/// # Errors
/// [`Unreadable::Facts`] if a Weir of another version has left them.
pub fn facts() -> Result<Option<Facts>, Unreadable> {
    read_facts(host::state(FACTS))
}

pub(crate) fn read_facts(bytes: Option<Vec<u8>>) -> Result<Option<Facts>, Unreadable> {
    bytes.map(|bytes| Facts::decode(&bytes)).transpose().map_err(Unreadable::Facts)
}
