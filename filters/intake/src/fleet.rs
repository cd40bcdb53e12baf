//! Limits that are one for a whole fleet: grants into slots, and what slots have to tell.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use weir_host::Host;
use weir_pools::{Undecodable, change_shared};
use weir_snapshot::limits::MAX_KEY_REPORTS;
use weir_snapshot::{
    Accepted, FleetLimit, FleetNews, FleetReport, KeyReport, key_name, parse_digest_key,
    parse_key_name,
};
use weir_tokens::limits::{
    DIRECTORY_KEY, FLEET_PAGES, FLEET_STATE_KEY, FleetState, Granted, LimitId, Listed, Page, Place,
    Slot, SlotKey, fleet_place, measure_name, read_directory,
};

/// Which Envoy this is: 8 random bytes.
const GATEWAY_KEY: &str = "weir/fleet1/gateway";

/// Envoy counts the versions of values up from 1: with this one a write succeeds only where there is
/// no value yet.
const NONE_YET: u32 = u32::MAX;

const NS_PER_MS: u64 = 1_000_000;

/// Takes over how the fleet stands, and what it grants. A page that is too busy now gets the same with the
/// next push.
pub(crate) fn take<H: Host>(host: &H, undecodable: &Undecodable, news: &FleetNews) {
    let now_ms = host.now_ns() / NS_PER_MS;
    let state = FleetState {
        told_ms: now_ms,
        until_ms: now_ms.saturating_add(news.valid_ms.into()),
        gateways: news.gateways,
        reachable: news.reachable,
        key: parse_digest_key(&news.key).unwrap_or_default(),
    };
    // If it cannot be written, what was told before grows old, and limits go by `on_unavailable`.
    let _ = host.set_shared(FLEET_STATE_KEY, &state.encode(), None);
    let grants = news.grants.iter().filter_map(|grant| {
        let (limit, digest) = parse_key_name(&grant.key)?;
        let key = SlotKey(digest);
        let granted = Granted {
            born: grant.born,
            sequence: grant.sequence,
            total: grant.total,
            charged: grant.charged,
            left: grant.left,
            retry_ms: grant.retry_ms,
        };
        Some((fleet_place(LimitId(limit), key), key, granted))
    });
    let mut grants: Vec<_> = grants.collect();
    while let Some((place, ..)) = grants.first().copied() {
        let name = place.to_string();
        let _ = change_shared(host, &name, |stored| {
            let Some(mut page) = read(host, undecodable, &name, stored) else { return Ok(None) };
            let here = grants.iter().filter(|(at, ..)| *at == place);
            let changed = page.apply(here.map(|(_, key, granted)| (*key, granted)), now_ms);
            Ok::<_, ()>(changed.then(|| page.as_bytes().to_vec()))
        });
        grants.retain(|(at, ..)| *at != place);
    }
}

fn read<H: Host>(host: &H, undecodable: &Undecodable, name: &str, stored: &[u8]) -> Option<Page> {
    let page = Page::read(stored.to_vec());
    if page.is_none() && !stored.is_empty() {
        undecodable.note(host, name, &"it is no page of limits");
    }
    page
}

/// Tells which limits of a fleet there are, if any; of keys only whoever brought `news`, which is one of the
/// sidecar's pools. Where there is more to tell than a reply may, the next goes on at page `turn`.
pub(crate) fn tell<H: Host>(
    host: &H,
    undecodable: &Undecodable,
    (turn, news): (&Cell<u32>, Option<&FleetNews>),
    reply: &mut Accepted,
) {
    let stored = |key: &str| host.shared(key).ok().flatten().map(|(bytes, _)| bytes);
    let mut listed = read_directory(&stored(DIRECTORY_KEY).unwrap_or_default());
    listed.retain(|limit| limit.limit.fleet().is_some());
    if listed.is_empty() {
        return;
    }
    if stored(GATEWAY_KEY).is_none() {
        let random = RandomState::new().hash_one(host.now_ns()).to_le_bytes();
        // Of two workers that both make one, the first one's holds.
        let _ = host.set_shared(GATEWAY_KEY, &random, Some(NONE_YET));
    }
    let Some(gateway) = stored(GATEWAY_KEY).and_then(|id| id.first_chunk().copied()) else { return };
    let gateway = format!("{:016x}", u64::from_le_bytes(gateway));
    let keys = news.map(|_| keys(host, undecodable, turn, &listed)).unwrap_or_default();
    reply.fleet = Some(FleetReport { gateway, limits: listed.iter().map(shown).collect(), keys });
}

fn keys<H: Host>(
    host: &H,
    undecodable: &Undecodable,
    turn: &Cell<u32>,
    listed: &[Listed],
) -> Vec<KeyReport> {
    let mut keys = Vec::new();
    let first = turn.get();
    let pages = (0..FLEET_PAGES).map(|at| Place::Fleet(first.wrapping_add(at) % FLEET_PAGES));
    let overflow = listed.iter().map(|limit| Place::FleetOverflow(limit.limit.id()));
    for place in overflow.chain(pages) {
        let name = place.to_string();
        let stored = host.shared(&name).ok().flatten();
        let Some(page) = stored.and_then(|(bytes, _)| read(host, undecodable, &name, &bytes)) else {
            continue;
        };
        keys.extend(page.due().map(|slot| key_report(&slot)));
        if keys.len() >= MAX_KEY_REPORTS {
            keys.truncate(MAX_KEY_REPORTS);
            if let Place::Fleet(number) = place {
                turn.set(number);
            }
            break;
        }
    }
    keys
}

fn shown(Listed { name, limit }: &Listed) -> FleetLimit {
    FleetLimit {
        id: limit.id().0,
        name: name.clone(),
        measure: measure_name(limit.measure()).to_owned(),
        amount: limit.amount(),
        burst: limit.capacity(),
        window_ms: limit.window_ms(),
        first: limit.fleet().map_or(0, |terms| terms.first),
    }
}

fn key_report(slot: &Slot) -> KeyReport {
    let lease = slot.lease().copied().unwrap_or_default();
    KeyReport {
        key: key_name(slot.limit().0, slot.key().0),
        born: lease.born,
        sequence: lease.sequence,
        used: lease.used,
        reserved: slot.reserved(),
        granted: lease.granted,
        wanted: lease.wanted,
    }
}
