//! What filters leave in filter state.

/// One piece of filter state that a request leaves; `wasm.weir.NAME` in access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKey {
    /// `weir.facts`: what the body says, encoded, for Weir filters that follow in the chain.
    Facts,
    /// `weir.model`: the model as the client named it.
    Model,
    /// `weir.pool`: where the router sent the request.
    Pool,
    /// `weir.endpoint`: the endpoint that the picker chose.
    Endpoint,
    /// `weir.decision`: why the model is another than the client named.
    Decision,
    /// `weir.tokens`: what a response took, by type of token.
    Tokens,
    /// `weir.tokens_total`: the same as one number, for filters that count it.
    TokensTotal,
}

impl StateKey {
    /// What filters leave that stand alone: later ones may need all of it.
    pub const ALL: [Self; 7] = [
        Self::Facts,
        Self::Model,
        Self::Pool,
        Self::Endpoint,
        Self::Decision,
        Self::Tokens,
        Self::TokensTotal,
    ];
    /// What access logs may want.
    pub const NAMES: [Self; 5] =
        [Self::Model, Self::Pool, Self::Endpoint, Self::Decision, Self::Tokens];

    /// The one that a configuration calls so.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "facts" => Some(Self::Facts),
            "model" => Some(Self::Model),
            "pool" => Some(Self::Pool),
            "endpoint" => Some(Self::Endpoint),
            "decision" => Some(Self::Decision),
            "tokens" => Some(Self::Tokens),
            "tokens-total" => Some(Self::TokensTotal),
            _ => None,
        }
    }
}

/// A set of [`StateKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateKeys(u8);

impl StateKeys {
    /// Whether that is to be left.
    pub fn has(self, key: StateKey) -> bool {
        self.0 >> key as u8 & 1 == 1
    }
}

impl From<&[StateKey]> for StateKeys {
    fn from(list: &[StateKey]) -> Self {
        Self(list.iter().fold(0, |bits, key| bits | 1 << *key as u8))
    }
}

impl Default for StateKeys {
    fn default() -> Self {
        Self::from(&StateKey::ALL[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let state_keys = StateKeys::from(&StateKey::NAMES[..]);
        assert!(
            state_keys.has(StateKey::Model)
                && state_keys.has(StateKey::Endpoint)
                && !state_keys.has(StateKey::Facts)
        );
        assert!(StateKey::ALL.iter().all(|key| StateKeys::default().has(*key)));
        assert!(!StateKey::ALL.iter().any(|key| StateKeys::from(&[][..]).has(*key)));
    }
}
