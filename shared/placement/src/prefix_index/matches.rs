//! The longest match of every endpoint at once.

use super::PrefixIndex;
use super::replicas::{GROUP_SIZE, ReplicaId};
use crate::depth::covered_tokens;
use crate::load_view::LoadView;

/// Different match lengths that are told apart within one group. Conversations share few prefixes (system prompt,
/// tools, the turns so far); replicas beyond get no match, which costs an estimate, never correctness.
const MAX_DEPTHS: usize = 8;

/// Matched tokens by endpoint of one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    tokens: Vec<u32>,
}

impl Matches {
    pub(super) fn new(index: &PrefixIndex, fingerprints: &[u64], view: &LoadView) -> Self {
        let mut tokens = vec![0; view.len()];
        let groups = view.groups().iter();
        let found: Vec<(u16, GroupMatches)> = groups
            .filter_map(|group| Some((*group, GroupMatches::find(index, fingerprints, *group)?)))
            .collect();
        if !found.is_empty() {
            for (matched, replica) in tokens.iter_mut().zip(view.replicas()) {
                *matched = tokens_of(index, &found, replica.id);
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

fn tokens_of(index: &PrefixIndex, found: &[(u16, GroupMatches)], replica: ReplicaId) -> u32 {
    let Some(group) = replica.group() else { return 0 };
    let Ok(place) = found.binary_search_by_key(&group, |(group, _)| *group) else { return 0 };
    let tokens = found.get(place).map_or(0, |(_, matches)| matches.tokens(replica.bit()));
    // The place may have gone to another replica since the view was decoded.
    if tokens > 0 && !index.replicas.holds(replica) { 0 } else { tokens }
}

/// The matches of one group: which bits match how many tokens, longest first.
struct GroupMatches {
    depths: [(u64, u32); MAX_DEPTHS],
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
            *depth = (bits, covered_tokens(deepest));
            wanted &= !bits;
            chain = above;
            if wanted == 0 {
                break;
            }
        }
        Some(Self { depths })
    }

    fn tokens(&self, bit: u64) -> u32 {
        let depth = self.depths.iter().find(|(bits, _)| bits & bit != 0);
        depth.map_or(0, |(_, tokens)| *tokens)
    }
}

const _: () = assert!(GROUP_SIZE as u32 == u64::BITS, "a group is the bits of a u64");
