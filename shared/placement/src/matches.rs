//! The longest match of every endpoint at once.

use crate::load_view::{Group, LoadView};
use crate::prefix_index::{GROUP_SIZE, PrefixIndex};
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
    pub(crate) fn new(index: &PrefixIndex, request: &PickRequest<'_>, view: &LoadView) -> Self {
        let mut tokens = vec![0; view.len()];
        index.each_match(request, view, |position, matched| {
            if let Some(slot) = tokens.get_mut(position) {
                *slot = matched;
            }
        });
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

/// The matches of one group: which bits have how many tokens at most, most tokens first.
type Depths = [(u64, u32); MAX_DEPTHS];

impl PrefixIndex {
    /// Tokens of the request's prompt that each endpoint of `view` has cached, as far as is known.
    #[must_use]
    pub fn matches(&self, request: &PickRequest<'_>, view: &LoadView) -> Matches {
        Matches::new(self, request, view)
    }

    /// Calls `note` with the position in `view` of every endpoint that has a match, and with the
    /// matched tokens.
    pub(crate) fn each_match(
        &self,
        request: &PickRequest<'_>,
        view: &LoadView,
        mut note: impl FnMut(usize, u32),
    ) {
        let mut depths = Depths::default();
        for Group { group, among } in view.groups() {
            let found = self.depths(request, *group, &mut depths);
            if found == 0 {
                continue;
            }
            let ids = view.ids().get(among.clone()).unwrap_or_default();
            for (position, id) in (among.start..).zip(ids) {
                let bit = if id.group() == Some(*group) { id.bit() } else { 0 };
                let deepest = depths.iter().take(found).find(|(bits, _)| bits & bit != 0);
                // The place may have gone to another replica since the view was decoded.
                if let Some((_, tokens)) = deepest.filter(|_| self.holds(*id)) {
                    note(position, *tokens);
                }
            }
        }
    }

    /// Finds the matches of one group; answers with their number.
    fn depths(&self, request: &PickRequest<'_>, group: u16, depths: &mut Depths) -> usize {
        let mut chain = request.fingerprints;
        let mut wanted = u64::MAX;
        let mut found = 0;
        while let Some(depth) = depths.get_mut(found)
            && let Some(deepest) = self.deepest(chain, group, wanted, true)
        {
            *depth = (deepest.replicas, request.covered_tokens(deepest.index));
            wanted &= !deepest.replicas;
            chain = chain.get(..deepest.index).unwrap_or_default();
            found += 1;
        }
        found
    }
}

const _: () = assert!(GROUP_SIZE as u32 == u64::BITS, "a group is the bits of a u64");
