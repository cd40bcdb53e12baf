//! The longest match of every endpoint at once.

use super::PrefixIndex;
use super::replicas::{GROUP_SIZE, ReplicaId};
use crate::load_view::LoadView;
use crate::request::PickRequest;

/// Different match lengths that are told apart within one group. Conversations share few prefixes
/// (system prompt, tools, the turns so far); replicas beyond get no match, which costs an estimate,
/// never correctness.
const MAX_DEPTHS: usize = 8;

/// Matched tokens by endpoint of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    tokens: Vec<u32>,
}

impl Matches {
    pub(super) fn new(index: &PrefixIndex, request: &PickRequest<'_>, view: &LoadView) -> Self {
        let mut tokens = vec![0; view.len()];
        let find =
            |group: &u16| Some((*group, GroupMatches::find(index, request.fingerprints, *group)?));
        let found: Vec<(u16, GroupMatches)> = view.groups().iter().filter_map(find).collect();
        if !found.is_empty() {
            let covered: Vec<u32> = request.covered_tokens().collect();
            for (matched, replica) in tokens.iter_mut().zip(view.replicas()) {
                let deepest = deepest_of(index, &found, replica.id);
                *matched = deepest.and_then(|deepest| covered.get(deepest)).copied().unwrap_or(0);
            }
        }
        Self { tokens }
    }

    /// Matched tokens of the endpoint at `index` of the view.
    #[must_use]
    pub fn tokens(&self, index: usize) -> u32 {
        self.tokens.get(index).copied().unwrap_or(0)
    }

    /// Matched tokens by endpoint, in the order of the view.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        &self.tokens
    }
}

/// Index of the deepest fingerprint that a replica has.
fn deepest_of(
    index: &PrefixIndex,
    found: &[(u16, GroupMatches)],
    replica: ReplicaId,
) -> Option<usize> {
    let group = replica.group()?;
    let place = found.binary_search_by_key(&group, |(group, _)| *group).ok()?;
    let deepest = found.get(place)?.1.deepest_of(replica.bit())?;
    // The place may have gone to another replica since the view was decoded.
    index.replicas.holds(replica).then_some(deepest)
}

/// The matches of one group: which bits have which fingerprint as their deepest, longest first.
struct GroupMatches {
    depths: [(u64, usize); MAX_DEPTHS],
}

impl GroupMatches {
    /// `None` if no replica of the group has even the first fingerprint.
    fn find(index: &PrefixIndex, fingerprints: &[u64], group: u16) -> Option<Self> {
        let mut chain = fingerprints;
        let mut wanted = index.live(*chain.first()?, group);
        if wanted == 0 {
            return None;
        }
        let mut depths = [(0, 0); MAX_DEPTHS];
        for depth in &mut depths {
            let Some(deepest) = index.deepest(chain, group, wanted) else { break };
            let (above, fingerprint) = chain.split_at_checked(deepest)?;
            let bits = index.live(*fingerprint.first()?, group) & wanted;
            *depth = (bits, deepest);
            wanted &= !bits;
            chain = above;
            if wanted == 0 {
                break;
            }
        }
        Some(Self { depths })
    }

    fn deepest_of(&self, bit: u64) -> Option<usize> {
        self.depths.iter().find(|(bits, _)| bits & bit != 0).map(|(_, deepest)| *deepest)
    }
}

const _: () = assert!(GROUP_SIZE as u32 == u64::BITS, "a group is the bits of a u64");
