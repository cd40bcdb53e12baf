//! Where a request really went, held against where it was placed.
//!
//! Envoy dials the endpoints of the header in order, one for each attempt, if the cluster has the
//! load-balancing policy `override_host` and knows them. Where it does neither, nothing fails: it
//! balances by itself, and every figure of the picker looks fine.

/// What a retry or a mistake made of a placement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// An attempt before this one failed, and this one went where the list or the fallback policy says.
    Retried,
    /// Envoy did not go by the list.
    Misdirected(Misdirected),
}

/// How Envoy did not go by the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misdirected {
    /// It went to another endpoint of the pool.
    Balanced,
    /// It went to an endpoint that the pool does not have.
    Elsewhere,
}

impl Misdirected {
    /// What to look at.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Balanced => {
                "another endpoint of the pool: its cluster needs the load-balancing policy override_host with the \
                 header x-gateway-destination-endpoint, and every endpoint that the sidecar names (a name may be [::1] in \
                 the cluster and 127.0.0.1 at the sidecar: dns_lookup_family: V4_ONLY)"
            }
            Self::Elsewhere => {
                "which is no endpoint of the pool: does the route match x-gateway-base-model-name and lead to the \
                 pool's cluster, and does the sidecar name the endpoints as the cluster does (localhost may be \
                 [::1] in one and 127.0.0.1 in the other)?"
            }
        }
    }
}

/// Judges a request that did not go to the first endpoint of its list of `listed` endpoints.
///
/// `place` is the place in the list of the endpoint that it went to, `in_pool` whether the pool has it at all,
/// and `attempts` how many attempts Envoy made, if it tells.
pub(crate) fn judge(
    listed: usize,
    place: Option<usize>,
    in_pool: bool,
    attempts: Option<u64>,
) -> Whereabouts {
    let attempts = attempts.map(|attempts| usize::try_from(attempts).unwrap_or(usize::MAX));
    let retried = match (place, attempts) {
        // An attempt takes the next of the list; one of those may be unknown to the cluster.
        (Some(place), Some(attempts)) => place > 0 && attempts > 1,
        (Some(_), None) => true,
        // When the list is exhausted, the fallback policy chooses.
        (None, Some(attempts)) => attempts > listed,
        (None, None) => false,
    };
    match (retried, in_pool) {
        (true, _) => Whereabouts::Retried,
        (false, true) => Whereabouts::Misdirected(Misdirected::Balanced),
        (false, false) => Whereabouts::Misdirected(Misdirected::Elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Misdirected::{Balanced, Elsewhere};
    use Whereabouts::{Misdirected as Mis, Retried};

    #[test]
    fn a_retry_is_told_from_a_list_that_is_ignored() {
        for (place, in_pool, attempts, expected) in [
            (Some(1), true, Some(2), Retried),
            (Some(2), true, Some(3), Retried),
            (Some(2), true, Some(2), Retried),
            (Some(1), true, Some(1), Mis(Balanced)),
            (None, true, Some(1), Mis(Balanced)),
            (None, true, Some(3), Mis(Balanced)),
            (None, true, Some(4), Retried),
            (None, false, Some(1), Mis(Elsewhere)),
            (None, false, Some(4), Retried),
            // An Envoy that does not tell the attempts.
            (Some(1), true, None, Retried),
            (None, true, None, Mis(Balanced)),
            (None, false, None, Mis(Elsewhere)),
        ] {
            assert_eq!(judge(3, place, in_pool, attempts), expected, "{place:?} {attempts:?}");
        }
    }
}
