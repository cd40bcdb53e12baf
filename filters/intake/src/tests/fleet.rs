//! Limits of a fleet: what a push brings of them, and what its reply tells.

use super::*;
use weir_snapshot::{FleetNews, FleetReport, Grant, KeyName};
use weir_tokens::charge::{Demand, Reserve, Share, Used, Weights};
use weir_tokens::limits::{
    Ask, Away, DIRECTORY_KEY, FLEET_STATE_KEY, FleetState, FleetTerms, Ledger, Limit, LimitId,
    Listed, Measure, Outcome, Place, SlotKey, Store, Stored, with_limits,
};

const KEY: SlotKey = SlotKey([5; 16]);

/// Slots in the host's shared data.
struct Slots(FakeHost);

impl Store for Slots {
    fn load(&mut self, place: Place) -> Option<(Vec<u8>, u32)> {
        self.0.shared(&place.to_string()).unwrap()
    }

    fn swap(&mut self, place: Place, bytes: &[u8], version: Option<u32>) -> Stored {
        self.0.set_shared(&place.to_string(), bytes, version).unwrap();
        Stored::Done
    }
}

fn limit() -> Limit {
    let terms =
        FleetTerms { first: 50, away: Away::Deny, share_permille: 0, reachable: true, named: true };
    Limit::new(LimitId(3), Measure::Tokens, 1_000, 60_000, 1_000).unwrap().of_fleet(terms)
}

/// A host whose policies have a limit of a fleet, of which one key has used 20.
fn host() -> FakeHost {
    let host = FakeHost::new();
    host.set_now_ns(1_700_000_000_000_000_000);
    let listed = [Listed { name: "minute".to_owned(), limit: limit(), values: 1 }];
    host.set_shared(DIRECTORY_KEY, &with_limits(b"", &listed).unwrap(), None).unwrap();
    let mut slots = Slots(host.clone());
    let mut ledger = Ledger::new(&mut slots, host.now_ns() / 1_000_000);
    let reserve = Reserve { share: Share::Full, guess: 0 };
    let weights = Weights::all(1);
    let ask =
        Ask { limit: &limit(), weights: &weights, reserve: &reserve, key: KEY, enforced: true };
    let demand = Demand { prompt: 20, max_tokens: Some(0), choices: 1 };
    let Outcome::Admitted(held) = ledger.reserve(&demand, &[ask]) else { panic!("refused") };
    let _ = ledger.settle(held.reservation, &Used { prompt: 20, ..Used::default() });
    host
}

/// A push with these lines; what the reply tells of a fleet.
fn told(host: &FakeHost, sequence: u64, fleet: &[String]) -> Option<FleetReport> {
    let lines = serde_json::to_string(fleet).unwrap();
    let body = body(sequence).replace(r#""endpoints""#, &format!(r#""fleet":{lines},"endpoints""#));
    let (status, reply) = push(host, OPEN, &body);
    assert_eq!(status, 200, "{reply}");
    FleetReport::parse(&Accepted::parse(reply.as_bytes()).unwrap().fleet)
}

#[test]
fn keys_are_told_to_whoever_brings_news_until_all_of_them_is_charged() {
    let host = host();
    let first = told(&host, 1, &[]).unwrap();
    assert_eq!((first.limits[0].name.as_str(), first.limits[0].first), ("minute", 50));
    assert!(first.keys.is_empty(), "nobody has asked");
    let mut news =
        FleetNews { reachable: true, gateways: 3, valid_ms: 2_000, key: [9; 32], grants: vec![] };
    let second = told(&host, 2, &news.to_lines()).unwrap();
    assert_eq!(second.gateway, first.gateway);
    let key = second.keys[0];
    assert_eq!((key.key, key.used, key.granted), (KeyName { limit: 3, digest: KEY.0 }, 20, 0));
    let state = host.shared(FLEET_STATE_KEY).unwrap().unwrap().0;
    let state = FleetState::decode(&state).unwrap();
    assert!((state.gateways, state.key) == (3, [9; 32]) && state.is_reachable(state.told_ms));
    let grant = Grant {
        key: key.key,
        born: key.born,
        sequence: 1,
        total: 100,
        charged: 20,
        ..Grant::default()
    };
    news.grants = vec![grant];
    let third = told(&host, 3, &news.to_lines()).unwrap();
    assert_eq!((third.keys[0].granted, third.keys[0].sequence), (100, 1));
    // What is not used is taken back, and told of until the number after that has come.
    for (push, sequence, total, due) in [(4, 2, 20, true), (5, 3, 20, false), (6, 3, 20, false)] {
        news.grants = vec![Grant { sequence, total, ..grant }];
        let keys = told(&host, push, &news.to_lines()).unwrap().keys;
        assert_eq!(keys.len(), usize::from(due), "{keys:?}");
    }
}

#[test]
fn a_grant_for_a_slot_that_is_gone_is_counted_and_one_that_comes_again_is_not() {
    let host = host();
    let head = FleetNews { reachable: true, gateways: 1, valid_ms: 2_000, ..FleetNews::default() };
    let key = told(&host, 1, &head.to_lines()).unwrap().keys[0];
    let grant = Grant { key: key.key, born: key.born, sequence: 1, total: 90, ..Grant::default() };
    for push in [2, 3] {
        told(&host, push, &FleetNews { grants: vec![grant], ..head.clone() }.to_lines());
    }
    assert_eq!(host.metric("weir_intake_grants_lost_total"), None);
    let other = Grant { born: key.born + 1, ..grant };
    let nobody = Grant { key: KeyName { limit: 3, digest: [6; 16] }, ..grant };
    told(&host, 4, &FleetNews { grants: vec![other, grant, nobody], ..head }.to_lines());
    assert_eq!(host.metric("weir_intake_grants_lost_total"), Some(2));
    let said = |line: &(_, String)| line.1.contains("weir_intake_grants_lost_total");
    assert_eq!(host.logs().iter().filter(|line| said(line)).count(), 1);
}

#[test]
fn without_limits_of_a_fleet_nothing_is_told_and_lines_that_are_none_are_refused() {
    assert_eq!(told(&FakeHost::new(), 1, &[]), None);
    let news = FleetNews { reachable: true, gateways: 1, ..FleetNews::default() }.to_lines();
    assert_eq!(told(&FakeHost::new(), 1, &news), None);
    let odd = body(2).replace(r#""endpoints""#, r#""fleet":["1 1"],"endpoints""#);
    let (status, reply) = push(&host(), OPEN, &odd);
    assert!(status == 400 && reply.contains("fleet: must be lines"), "{reply}");
}

#[test]
fn a_sidecar_that_shares_is_told_which_envoy_it_is_also_without_limits_of_a_fleet() {
    let host = FakeHost::new();
    let says = |sequence: u64| {
        let shares = r#""prefixes":{"cursor":"0-0","events":""},"endpoints""#;
        let (status, reply) = push(&host, OPEN, &body(sequence).replace(r#""endpoints""#, shares));
        assert_eq!(status, 200, "{reply}");
        FleetReport::parse(&Accepted::parse(reply.as_bytes()).unwrap().fleet).unwrap()
    };
    let first = says(1);
    assert!(first.gateway.len() == 16 && first.limits.is_empty(), "{first:?}");
    assert_eq!(says(2), first);
}
