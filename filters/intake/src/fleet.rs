//! Limits that are one for a whole fleet: grants into slots, and what slots have to tell.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use weir_host::Host;
use weir_pools::{ChangeError, Undecodable, change_shared};
use weir_snapshot::limits::MAX_KEY_REPORTS;
use weir_snapshot::{Accepted, FleetNews, Grant, KeyName, KeyReport};
use weir_tokens::limits::{
    DIRECTORY_KEY, FLEET_PAGES, FLEET_STATE_KEY, FleetState, Granted, LimitId, Page, Place, Slot,
    SlotGone, SlotKey, fleet_place, read_directory,
};

/// Which Envoy this is: 16 hex digits.
const GATEWAY_KEY: &str = "weir/fleet1/gateway";

/// Envoy counts the versions of values up from 1: with this one a write succeeds only where there is
/// no value yet.
const NONE_YET: u32 = u32::MAX;

const NS_PER_MS: u64 = 1_000_000;

/// Takes over how the fleet stands, and what it grants; answers with how many grants were for slots that are
/// gone. A page that is too busy now gets the same with the next push.
pub(crate) fn take<H: Host>(host: &H, undecodable: &Undecodable, news: &FleetNews) -> i64 {
    let now_ms = host.now_ns() / NS_PER_MS;
    let state = FleetState {
        told_ms: now_ms,
        until_ms: now_ms.saturating_add(news.valid_ms.into()),
        gateways: news.gateways,
        reachable: news.reachable,
        key: news.key,
    };
    // If it cannot be written, what was told before grows old, and limits go by `on_unavailable`.
    let _ = host.set_shared(FLEET_STATE_KEY, &state.encode(), None);
    let mut gone = 0;
    for grant in &news.grants {
        let (key, granted) = granted(grant);
        let name = fleet_place(LimitId(grant.key.limit), key).to_string();
        let changed = change_shared(host, &name, |stored| {
            let page = read(host, undecodable, &name, stored).ok_or(SlotGone)?;
            page.applied(key, &granted, now_ms)
        });
        gone += i64::from(matches!(changed, Err(ChangeError::Refused(SlotGone))));
    }
    gone
}

fn granted(grant: &Grant) -> (SlotKey, Granted) {
    let Grant { born, sequence, total, charged, left, retry_ms, .. } = *grant;
    let granted = Granted { born, sequence, total, charged, left, retry_ms };
    (SlotKey(grant.key.digest), granted)
}

fn read<H: Host>(host: &H, undecodable: &Undecodable, name: &str, stored: &[u8]) -> Option<Page> {
    let page = Page::read(stored.to_vec());
    if page.is_none() && !stored.is_empty() {
        undecodable.note(host, name, &"it is no page of limits");
    }
    page
}

/// Tells which limits of a fleet there are, if any, and which Envoy this is if there are any or its sidecar shares with
/// others; of keys only whoever brought news, which is one of the sidecar's pools. Where there is more to tell than a
/// reply may, the next goes on at page `turn`.
pub(crate) fn tell<H: Host>(
    host: &H,
    undecodable: &Undecodable,
    (turn, news, shares): (&Cell<u32>, bool, bool),
    reply: &mut Accepted,
) {
    let stored = |key: &str| host.shared(key).ok().flatten().map(|(bytes, _)| bytes);
    let mut limits = read_directory(&stored(DIRECTORY_KEY).unwrap_or_default());
    limits.retain(|listed| listed.limit.fleet().is_some());
    if limits.is_empty() && !shares {
        return;
    }
    if stored(GATEWAY_KEY).is_none() {
        let random = format!("gateway {:016x}", RandomState::new().hash_one(host.now_ns()));
        // Of two workers that both make one, the first one's holds.
        let _ = host.set_shared(GATEWAY_KEY, random.as_bytes(), Some(NONE_YET));
    }
    let gateway = stored(GATEWAY_KEY).and_then(|line| String::from_utf8(line).ok());
    reply.fleet.extend(gateway);
    for listed in &limits {
        reply.fleet.push(format!("limit {listed}"));
        reply.fleet.push(format!("per {:08x} {}", listed.limit.id().0, listed.values));
    }
    if !news {
        return;
    }
    let (first, most) = (turn.get(), reply.fleet.len().saturating_add(MAX_KEY_REPORTS));
    let overflow = limits.iter().map(|listed| Place::FleetOverflow(listed.limit.id()));
    let pages = (0..FLEET_PAGES).map(|at| Place::Fleet(first.wrapping_add(at) % FLEET_PAGES));
    for place in overflow.chain(pages) {
        let name = place.to_string();
        let page = stored(&name).and_then(|bytes| read(host, undecodable, &name, &bytes));
        let Some(page) = page else { continue };
        reply.fleet.extend(page.due().map(key_line));
        if reply.fleet.len() >= most {
            reply.fleet.truncate(most);
            if let Place::Fleet(number) = place {
                turn.set(number);
            }
            break;
        }
    }
}

fn key_line(slot: Slot) -> String {
    let lease = slot.lease().copied().unwrap_or_default();
    let report = KeyReport {
        key: KeyName { limit: slot.limit().0, digest: slot.key().0 },
        born: lease.born,
        sequence: lease.sequence,
        used: lease.used,
        reserved: slot.reserved(),
        granted: lease.granted,
        wanted: lease.wanted,
    };
    report.to_string()
}
