//! What keys have spent of limits, from the slots in shared data.

use serde_json::{Value, json};
use weir_host::Host;
use weir_pools::Undecodable;
use weir_tokens::limits::{
    DIRECTORY_KEY, FLEET_PAGES, Limit, Listed, PAGES, Page, Place, Slot, measure_name,
    read_directory,
};

/// How many keys of a limit are shown, those that have spent most.
const SHOWN: usize = 20;

const NS_PER_MS: u64 = 1_000_000;

/// Every limit with its busiest keys, as JSON. A key is shown by the digest that stands for it.
pub(crate) fn limits_json<H: Host>(host: &H, undecodable: &Undecodable) -> Vec<u8> {
    let read = |key: &str| host.shared(key).ok().flatten().map(|(bytes, _)| bytes);
    let listed = read_directory(&read(DIRECTORY_KEY).unwrap_or_default());
    let now_ms = host.now_ns() / NS_PER_MS;
    let mut slots: Vec<Vec<Slot>> = listed.iter().map(|_| Vec::new()).collect();
    let overflow = listed.iter().map(|listed| Place::shared(&listed.limit));
    let pages = (0..PAGES).map(Place::Page).chain((0..FLEET_PAGES).map(Place::Fleet));
    for place in pages.chain(overflow) {
        let key = place.to_string();
        let Some(bytes) = read(&key) else { continue };
        let Some(page) = Page::read(bytes) else {
            undecodable.note(host, &key, &"it is no page of limits");
            continue;
        };
        for slot in page.slots() {
            let of =
                listed.iter().zip(&mut slots).find(|(known, _)| known.limit.id() == slot.limit());
            if let Some((known, slots)) = of {
                slots.push(slot.as_of(&known.limit, now_ms));
            }
        }
    }
    let limits = listed.iter().zip(slots).map(|(listed, slots)| shown(listed, slots));
    json!({"limits": limits.collect::<Vec<Value>>()}).to_string().into_bytes()
}

fn shown(listed: &Listed, mut slots: Vec<Slot>) -> Value {
    let taken = |slot: &Slot| slot.spent().saturating_add(slot.reserved());
    slots.retain(|slot| taken(slot) > 0);
    // A few of many: a sort would take 5 KB of the module.
    let mut most_taken: Vec<&Slot> = Vec::with_capacity(SHOWN);
    for slot in &slots {
        let place = most_taken.iter().take_while(|other| taken(other) >= taken(slot)).count();
        if place < SHOWN {
            most_taken.truncate(SHOWN.saturating_sub(1));
            most_taken.insert(place, slot);
        }
    }
    let limit = &listed.limit;
    let whole = |units: u64| amount(units, limit.measure().units());
    let busiest = most_taken.into_iter().map(|slot| {
        json!({
            "key": hex(&slot.key().0),
            "spent": whole(slot.spent()),
            "reserved": whole(slot.reserved()),
            "left": whole(most(limit, slot).saturating_sub(taken(slot))),
        })
    });
    json!({
        "name": listed.name,
        "measure": measure_name(limit.measure()),
        "burst": whole(limit.capacity()),
        "amount": whole(limit.amount()),
        "window_ms": limit.window_ms(),
        "keys": slots.len(),
        "busiest": busiest.collect::<Vec<Value>>(),
    })
}

/// What may be spent and reserved in all: of a fleet's limit, what was granted.
fn most(limit: &Limit, slot: &Slot) -> u64 {
    slot.lease().map_or(limit.capacity(), |lease| lease.granted)
}

/// Units as what they stand for: whole where it is whole.
fn amount(units: u64, per_one: u64) -> Value {
    let per_one = per_one.max(1);
    match units % per_one {
        0 => json!(units / per_one),
        _ => json!(units as f64 / per_one as f64),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;
    use weir_tokens::limits::{Limit, LimitId, Measure, with_limits};

    #[test]
    fn of_many_keys_the_busiest_are_shown_in_order() {
        let host = FakeHost::new();
        let limit = Limit::new(LimitId(7), Measure::Requests, 1_000, 60_000, 1_000).unwrap();
        let listed = [Listed { name: "minute".to_owned(), limit, values: 1 }];
        host.set_shared(DIRECTORY_KEY, &with_limits(b"", &listed).unwrap(), None).unwrap();
        let slots = (0..50_u8).map(|key| {
            // Key, debt, and what of the limit it is.
            let mut slot = [0; weir_tokens::limits::SLOT_BYTES];
            slot[0] = key;
            slot[16] = (u16::from(key) * 7 % 50).to_le_bytes()[0];
            slot[76] = 7;
            slot
        });
        let page: Vec<u8> = b"WTL\x01".iter().copied().chain(slots.flatten()).collect();
        host.set_shared("weir/limits1/3", &page, None).unwrap();
        let shown = limits_json(&host, &Undecodable::new("weir.intake"));
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        let busiest = shown["limits"][0]["busiest"].as_array().unwrap();
        let spent: Vec<u64> = busiest.iter().map(|slot| slot["spent"].as_u64().unwrap()).collect();
        assert_eq!(spent, (30..50).rev().collect::<Vec<u64>>());
        assert_eq!(shown["limits"][0]["keys"], 49, "one has spent nothing");
    }

    #[test]
    fn limits_are_shown_without_slots_and_with_a_page_that_cannot_be_read() {
        let host = FakeHost::new();
        let limit = Limit::new(LimitId(7), Measure::Tokens, 1_500, 60_000, 3_000).unwrap();
        let listed = [Listed { name: "minute".to_owned(), limit, values: 1 }];
        let directory = with_limits(b"", &listed).unwrap();
        host.set_shared(DIRECTORY_KEY, &directory, None).unwrap();
        host.set_shared("weir/limits1/3", b"garbage", None).unwrap();
        let shown = limits_json(&host, &Undecodable::new("weir.intake"));
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        let expected = json!({"limits": [{"name": "minute", "measure": "tokens", "burst": 3,
            "amount": 1.5, "window_ms": 60_000, "keys": 0, "busiest": []}]});
        assert_eq!(shown, expected);
        assert_eq!(host.metric("weir_undecodable_total"), Some(1));
    }
}
