//! Limits that several gateways have together.

use super::*;
use weir_tokens::limits::{FLEET_PAGES, FLEET_STATE_KEY, FleetState, Granted, SlotKey};

/// A thousand tokens a minute for all gateways, of which this one may spend 70 before it is granted any.
const FLEET: &str = r#"{"name":"minute","per":["consumer"],"tokens":1000,"window":"1m","reserve":"full",
    "guess":100,"scope":"fleet","first":70,"share":0.2}"#;

/// What the intake leaves when a push says so.
fn told(worker: &Worker, reachable: bool, key: u8) {
    let told_ms = worker.host.now_ns() / MS;
    let until_ms = told_ms + 2_000;
    let state = FleetState { told_ms, until_ms, gateways: 3, reachable, key: [key; 32] };
    worker.host.set_shared(FLEET_STATE_KEY, &state.encode(), None).unwrap();
}

/// Every slot of a fleet's limit.
fn slots(worker: &Worker) -> Vec<Slot> {
    let pages = (0..FLEET_PAGES)
        .filter_map(|page| worker.host.shared(&Place::Fleet(page).to_string()).unwrap());
    pages.flat_map(|(bytes, _)| Page::read(bytes).unwrap().slots().collect::<Vec<_>>()).collect()
}

/// The keys that the fleet is told of.
fn due(worker: &Worker) -> Vec<SlotKey> {
    let pages = (0..FLEET_PAGES)
        .filter_map(|page| worker.host.shared(&Place::Fleet(page).to_string()).unwrap());
    let due =
        |(bytes, _)| Page::read(bytes).unwrap().due().map(|slot| slot.key()).collect::<Vec<_>>();
    pages.flat_map(due).collect()
}

#[test]
fn two_gateways_with_one_digest_key_call_a_consumer_by_the_same_name() {
    let names = [9, 9, 8].map(|key| {
        let mut worker = Worker::new(&config(FLEET));
        told(&worker, true, key);
        assert!(worker.send(&CHAT).is_some());
        let slots = slots(&worker);
        assert_eq!(slots.len(), 1);
        slots[0].key()
    });
    assert!(names[0] == names[1] && names[0] != names[2]);
}

#[test]
fn a_key_without_a_grant_has_its_first_tokens_and_the_next_request_is_what_the_fleet_is_asked_for()
{
    let mut worker = Worker::new(&config(FLEET));
    told(&worker, true, 1);
    assert!(worker.send(&CHAT).is_some());
    assert!(worker.send(&CHAT).is_none());
    let (status, code, headers) = worker.refusal();
    assert_eq!((status, code.as_str()), (429, "rate_limit_exceeded"));
    assert!(headers.contains(&("retry-after-ms".to_owned(), "300".to_owned())), "{headers:?}");
    let lease = *slots(&worker)[0].lease().unwrap();
    assert_eq!((lease.used, lease.granted), (0, 0));
    assert_eq!(lease.wanted, (2 * (estimated() + 50) - 70) * Measure::Tokens.units());
    assert_eq!(worker.host.metric("weir_limit_unreachable_total"), None);
}

#[test]
fn a_gateway_that_no_push_reaches_goes_by_its_share_and_says_so() {
    let mut worker = Worker::new(&config(FLEET));
    for known in [false, true] {
        if known {
            // Redis is there, but the sidecar is silent for too long.
            told(&worker, true, 1);
            worker.now(2_000);
        }
        let mut admitted = 0;
        while worker.send(&CHAT).is_some() {
            admitted += 1;
        }
        assert_eq!(admitted, 200 / (estimated() + 50), "a fifth of the limit");
    }
    assert!(worker.host.metric("weir_limit_unreachable_total").unwrap() > 2);
    let said = worker.host.logs().iter().filter(|(_, line)| line.contains("scope: fleet")).count();
    assert_eq!(said, 1);
}

#[test]
fn a_fleet_that_cannot_be_asked_is_told_as_that_in_each_dialect() {
    let deny = FLEET.replace("\"share\":0.2", "\"on_unavailable\":\"deny\"");
    for (path, part) in [
        ("/v1/chat/completions", r#""code":"limits_unavailable""#),
        ("/v1/messages", r#"{"type":"error","error":{"type":"overloaded_error""#),
        ("/v1beta/models/m:generateContent", r#""status":"UNAVAILABLE""#),
    ] {
        let mut worker = Worker::new(&config(&deny));
        let body = if path.starts_with("/v1beta") { r#"{"contents":[]}"# } else { CHAT.body };
        assert!(worker.send(&Request { path, body, ..CHAT }).is_none());
        let reply = worker.host.local_reply().unwrap();
        assert_eq!((reply.status, reply.details.as_str()), (503, "weir_token_limit_unavailable"));
        let header =
            |name: &str| reply.headers.iter().find(|(n, _)| n == name).map(|(_, v)| &v[..]);
        assert_eq!(header("retry-after"), Some(&b"5"[..]));
        let body = String::from_utf8(reply.body.clone()).unwrap();
        assert!(
            body.contains(part) && body.contains("cannot be found out now; try again in 5s."),
            "{body}"
        );
        let count = |decision| {
            let name = format!("weir_limit_requests_total.limit.minute.decision.{decision}");
            worker.host.metric(&name)
        };
        assert_eq!((count("unavailable"), count("rejected")), (Some(1), None));
        // What exceeds the limit is told as that while the fleet can be asked.
        told(&worker, true, 1);
        worker.now(11);
        assert!(worker.send(&CHAT).is_some());
        assert!(worker.send(&CHAT).is_none());
        assert_eq!(worker.host.local_reply().unwrap().details, "weir_token_limit");
    }
}

#[test]
fn the_fleet_is_told_nothing_under_a_name_that_is_this_envoys_alone() {
    let mut worker = Worker::new(&config(FLEET));
    // The first request comes before the first push, so the fleet's digest is not known.
    assert!(worker.send(&CHAT).is_some());
    let own = slots(&worker)[0].key();
    assert_eq!(due(&worker), []);
    told(&worker, true, 1);
    worker.now(50);
    assert!(worker.send(&CHAT).is_some());
    let told = due(&worker);
    assert_eq!(told.len(), 1);
    assert_ne!(told[0], own);
}

/// What the fleet says to the only key: nothing is granted, and nothing will be for so long.
fn granted(worker: &Worker, sequence: u32, retry_ms: u64) {
    let slot = slots(worker)[0];
    let lease = *slot.lease().unwrap();
    let grant = Granted {
        born: lease.born,
        sequence,
        total: lease.used,
        charged: lease.used,
        left: 0,
        retry_ms,
    };
    let place = Place::of_fleet(slot.key()).to_string();
    let (page, _) = worker.host.shared(&place).unwrap().unwrap();
    let page = Page::read(page).unwrap().applied(slot.key(), &grant, worker.host.now_ns() / MS);
    worker.host.set_shared(&place, &page.unwrap().unwrap(), None).unwrap();
}

#[test]
fn a_spent_quota_is_told_apart_from_a_limit_that_is_reached() {
    let month = r#"{"name":"month","per":["consumer"],"tokens":1000,"window":"month+01:00",
        "reserve":"full","guess":100,"scope":"fleet","first":70}"#;
    let mut worker = Worker::new(&config(month));
    told(&worker, true, 1);
    assert!(worker.send(&CHAT).is_some());
    assert!(worker.send(&CHAT).is_none());
    // The fleet has not been asked yet.
    assert_eq!(worker.refusal().1, "rate_limit_exceeded");
    granted(&worker, 1, 90_000);
    assert!(worker.send(&CHAT).is_none());
    let (status, code, headers) = worker.refusal();
    assert_eq!((status, code.as_str()), (429, "insufficient_quota"));
    let header = |name: &str| {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    assert_eq!((header("retry-after-ms"), header("retry-after")), (Some("90000"), Some("90")));
    assert_eq!(header("x-should-retry"), Some("false"));
    assert_eq!(header("x-ratelimit-limit-tokens"), Some("1000"));
    assert_eq!(header("x-ratelimit-remaining-tokens"), Some("0"));
    assert_eq!(header("ratelimit-policy"), Some("\"month\";q=1000;w=2678400"));
    // A client that sits it out is told to.
    granted(&worker, 2, 30_000);
    assert!(worker.send(&CHAT).is_none());
    let (_, code, headers) = worker.refusal();
    assert!(
        code == "insufficient_quota" && headers.iter().all(|(name, _)| name != "x-should-retry")
    );
}
