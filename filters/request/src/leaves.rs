//! What filters leave in filter state.

/// One piece of filter state that a request leaves; `wasm.weir.NAME` in access logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// `weir.facts`: what the body says, encoded, for Weir filters that follow in the chain.
    Facts,
    /// `weir.model`: the model as the client named it.
    Model,
    /// `weir.pool`: where the router sent the request.
    Pool,
    /// `weir.endpoint`: the endpoint that the picker chose.
    Endpoint,
}

impl Left {
    /// What filters leave that stand alone: later ones may need all of it.
    pub const ALL: [Self; 4] = [Self::Facts, Self::Model, Self::Pool, Self::Endpoint];
    /// What access logs may want.
    pub const NAMES: [Self; 3] = [Self::Model, Self::Pool, Self::Endpoint];

    /// The one that a configuration calls so.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "facts" => Some(Self::Facts),
            "model" => Some(Self::Model),
            "pool" => Some(Self::Pool),
            "endpoint" => Some(Self::Endpoint),
            _ => None,
        }
    }
}

/// A set of [`Left`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaves(u8);

impl Leaves {
    /// Whether that is to be left.
    pub fn has(self, left: Left) -> bool {
        self.0 >> left as u8 & 1 == 1
    }
}

impl From<&[Left]> for Leaves {
    fn from(list: &[Left]) -> Self {
        Self(list.iter().fold(0, |bits, left| bits | 1 << *left as u8))
    }
}

impl Default for Leaves {
    fn default() -> Self {
        Self::from(&Left::ALL[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_was_made_of() {
        let leaves = Leaves::from(&Left::NAMES[..]);
        assert!(leaves.has(Left::Model) && leaves.has(Left::Endpoint) && !leaves.has(Left::Facts));
        assert!(Left::ALL.iter().all(|left| Leaves::default().has(*left)));
        assert!(!Left::ALL.iter().any(|left| Leaves::from(&[][..]).has(*left)));
    }
}
