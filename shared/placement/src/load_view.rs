//! What is known of a pool's replicas, ready for picking.

use std::ops::Range;

use weir_snapshot::{
    CompactView, DecodeError, EndpointRecord, EndpointState, LoadReport, VersionStamp,
};

use crate::hash::replica_key;
use crate::prefix_index::{PrefixIndex, ReplicaId};

const NS_PER_MS: u64 = 1_000_000;

/// How old measurements may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreshnessLimits {
    /// Oldest measurement, in ms, that still counts as the present load.
    pub fresh_ms: u64,
}

impl Default for FreshnessLimits {
    /// One second: ten polls at the sidecar's default interval of 100 ms.
    fn default() -> Self {
        Self { fresh_ms: 1000 }
    }
}

/// Whether measured load can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// At least one endpoint was measured recently.
    Fresh,
    /// Endpoints are known, their load is not.
    Stale,
    /// No endpoint is known.
    Absent,
}

impl Freshness {
    /// The word for logs and metric labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Absent => "absent",
        }
    }
}

/// One endpoint of a [`LoadView`] with its identity.
#[derive(Debug, Clone, Copy)]
pub struct Replica<'a> {
    /// Identity across snapshots.
    pub id: ReplicaId,
    /// What was measured.
    pub record: &'a EndpointRecord,
}

/// A decoded view of one pool with the identities of its replicas.
///
/// Decode once per version; a pick only reads.
#[derive(Debug, Clone)]
pub struct LoadView {
    compact: CompactView,
    /// By position in the view.
    ids: Vec<ReplicaId>,
    /// Key and position, by ascending key.
    by_key: Vec<(u64, u16)>,
    /// Which parts of the prefix index concern this pool, ascending.
    groups: Vec<Group>,
    /// Whether some endpoint should get requests.
    takes_requests: bool,
    /// Every address after a comma, in the order of the view.
    listed: Vec<u8>,
    /// Where in `listed` each is.
    places: Vec<Range<usize>>,
}

/// The replicas of a view that share a part of the prefix index.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Which part.
    pub(crate) group: u16,
    /// Positions in the view among which they are; there may be others between them.
    pub(crate) among: Range<usize>,
}

impl LoadView {
    /// Reads a stored view and gives each of its replicas its place in the prefix index.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are no compact view.
    pub fn decode(bytes: &[u8], prefixes: &mut PrefixIndex) -> Result<Self, DecodeError> {
        Ok(Self::new(CompactView::decode(bytes)?, prefixes))
    }

    /// The same from a view that is decoded already.
    #[must_use]
    pub fn new(compact: CompactView, prefixes: &mut PrefixIndex) -> Self {
        let keys = compact.endpoints().iter().map(|record| replica_key(compact.address(record)));
        let keys: Vec<u64> = keys.collect();
        let ids = prefixes.register(&keys);
        let received_ns = compact.stamp().received_at_ns;
        let generations = ids.iter().zip(0..).map(|(id, index)| {
            let age_ns = u64::from(compact.generation_age_ms(index).unwrap_or(0)) * NS_PER_MS;
            (*id, compact.generation(index), received_ns.saturating_sub(age_ns))
        });
        prefixes.note_generations(generations);
        let mut by_key: Vec<(u64, u16)> = keys.into_iter().zip(0..).collect();
        by_key.sort_unstable();
        let takes_requests = compact.endpoints().iter().any(|record| takes_requests(record.state));
        let groups = groups(&ids);
        let (mut listed, mut places) = (Vec::new(), Vec::with_capacity(ids.len()));
        for record in compact.endpoints() {
            let start = listed.len();
            listed.push(b',');
            listed.extend_from_slice(compact.address(record));
            places.push(start..listed.len());
        }
        Self { compact, ids, by_key, groups, takes_requests, listed, places }
    }

    /// Takes over what the endpoint at `index` has reported itself: see [`CompactView::merge`].
    pub fn merge(&mut self, index: usize, report: &LoadReport, at_ns: u64) -> bool {
        self.compact.merge(index, report, at_ns)
    }

    /// Version and time of reception.
    #[must_use]
    pub fn stamp(&self) -> VersionStamp {
        self.compact.stamp()
    }

    /// Number of endpoints.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no endpoint.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The endpoints in the order of the view.
    pub fn replicas(&self) -> impl Iterator<Item = Replica<'_>> {
        self.ids
            .iter()
            .zip(self.compact.endpoints())
            .map(|(id, record)| Replica { id: *id, record })
    }

    /// Identity of the endpoint at `index`.
    #[must_use]
    pub fn id(&self, index: usize) -> Option<ReplicaId> {
        self.ids.get(index).copied()
    }

    /// `ip:port` of the endpoint at `index`.
    #[must_use]
    pub fn address(&self, index: usize) -> Option<&[u8]> {
        self.compact.endpoints().get(index).map(|record| self.compact.address(record))
    }

    /// The same after a comma, as it goes on a list.
    #[must_use]
    pub fn listed(&self, index: usize) -> Option<&[u8]> {
        self.listed.get(self.places.get(index)?.clone())
    }

    /// Position of the endpoint with `address` (`ip:port`), for instance the one that really
    /// answered.
    #[must_use]
    pub fn position(&self, address: &[u8]) -> Option<usize> {
        self.position_of(replica_key(address))
    }

    /// Position of the replica with `key`.
    #[must_use]
    pub fn position_of(&self, key: u64) -> Option<usize> {
        let found = self.by_key.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.by_key.get(found).map(|(_, index)| usize::from(*index))
    }

    /// The decoded form below, with adapters and pool name.
    #[must_use]
    pub fn compact(&self) -> &CompactView {
        &self.compact
    }

    /// Whether the load in this view can be trusted at `now_ns`.
    #[must_use]
    pub fn freshness(&self, now_ns: u64, limits: FreshnessLimits) -> Freshness {
        if self.is_empty() {
            return Freshness::Absent;
        }
        let oldest = self.oldest_fresh_age(now_ns, limits);
        let fresh = |record: &EndpointRecord| is_fresh(record, oldest);
        if self.compact.endpoints().iter().any(fresh) { Freshness::Fresh } else { Freshness::Stale }
    }

    /// Age at the push, in ms, up to which an endpoint's measurements are fresh at `now_ns`; `None`
    /// if none is.
    pub(crate) fn oldest_fresh_age(&self, now_ns: u64, limits: FreshnessLimits) -> Option<u64> {
        limits.fresh_ms.checked_sub(self.stamp().age_ns(now_ns) / NS_PER_MS)
    }

    /// Keys and positions by ascending key.
    pub(crate) fn by_key(&self) -> &[(u64, u16)] {
        &self.by_key
    }

    /// Groups of the prefix index that this pool's replicas belong to, ascending.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Identities by position.
    pub(crate) fn ids(&self) -> &[ReplicaId] {
        &self.ids
    }

    /// Whether some endpoint should get requests.
    pub(crate) fn takes_requests(&self) -> bool {
        self.takes_requests
    }
}

fn groups(ids: &[ReplicaId]) -> Vec<Group> {
    let places = ids.iter().enumerate();
    let mut all: Vec<(u16, usize)> =
        places.filter_map(|(index, id)| Some((id.group()?, index))).collect();
    all.sort_unstable();
    let mut groups: Vec<Group> = Vec::new();
    for (group, index) in all {
        match groups.last_mut() {
            Some(last) if last.group == group => last.among.end = index + 1,
            _ => groups.push(Group { group, among: index..index + 1 }),
        }
    }
    groups
}

/// Whether an endpoint in this state should get requests.
pub(crate) fn takes_requests(state: EndpointState) -> bool {
    matches!(state, EndpointState::Ready | EndpointState::Degraded)
}

/// Whether the endpoint was measured recently; `oldest` comes from [`LoadView::oldest_fresh_age`].
pub(crate) fn is_fresh(record: &EndpointRecord, oldest: Option<u64>) -> bool {
    record.age_ms.zip(oldest).is_some_and(|(age, oldest)| u64::from(age) <= oldest)
}
