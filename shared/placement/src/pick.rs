//! What a policy decides.

use crate::load_view::LoadView;

/// Most endpoints of one pick: the best and two alternates for retries.
pub const MAX_ORDER: usize = 3;

/// Where a request should go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// Endpoints of the view, best first; never empty.
    pub order: Order,
    /// Prompt tokens that the best endpoint is thought to have cached.
    pub matched_tokens: u32,
    /// Prompt tokens that the best endpoint is thought to have to compute.
    pub uncached_tokens: u32,
    /// Time in µs that this prefill alone should take there.
    pub prefill_us: u32,
    /// Time in µs to the first token there at the model's pace; 0 where others are in the way.
    pub alone_us: u32,
    /// Expected time to the first token there, in µs.
    pub expected_ttft_us: u32,
    /// What the decision rests on.
    pub basis: Basis,
}

impl Pick {
    /// The value of `x-gateway-destination-endpoint`: addresses in order, comma-separated.
    #[must_use]
    pub fn header_value(&self, view: &LoadView) -> Vec<u8> {
        let mut value = Vec::new();
        self.write_header(view, MAX_ORDER, &mut value);
        value
    }

    /// The same with at most `endpoints` addresses, in the place of what `value` holds.
    pub fn write_header(&self, view: &LoadView, endpoints: usize, value: &mut Vec<u8>) {
        value.clear();
        // All but the first go with the comma before them.
        let mut from = 1;
        for index in self.order.indices.iter().take(self.order.len.min(endpoints)) {
            let address = view.listed(usize::from(*index)).unwrap_or_default();
            value.extend_from_slice(address.get(from..).unwrap_or_default());
            from = usize::from(value.is_empty());
        }
    }

    /// Position of the best endpoint in the view.
    #[must_use]
    pub fn best(&self) -> usize {
        self.order.iter().next().unwrap_or(0)
    }
}

/// What a decision rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Measured load that is recent, prefix affinity, own in-flight counts.
    Load,
    /// Prefix affinity and own in-flight counts only: what was measured is too old.
    Affinity,
    /// A fixed rule that looks at nothing, such as taking turns.
    Rule,
}

impl Basis {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Affinity => "affinity",
            Self::Rule => "rule",
        }
    }
}

/// Why there is no pick; the header is then not set and Envoy's own balancing decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPick {
    /// Nothing is known of the pool's endpoints.
    #[error("view: no endpoint of this pool is known")]
    Absent,
    /// The request allows only endpoints that the pool does not have.
    #[error("subset: none of the allowed addresses is an endpoint of this pool")]
    SubsetEmpty,
}

/// Up to [`MAX_ORDER`] endpoint positions, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    indices: [u16; MAX_ORDER],
    len: usize,
}

impl Order {
    /// The first [`MAX_ORDER`] of `indices`.
    pub(crate) fn new(indices: impl IntoIterator<Item = u16>) -> Self {
        let mut order = Self { indices: [0; MAX_ORDER], len: 0 };
        for (slot, index) in order.indices.iter_mut().zip(indices) {
            *slot = index;
            order.len += 1;
        }
        order
    }

    /// The positions, best first.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.indices.iter().take(self.len).map(|index| usize::from(*index))
    }
}
