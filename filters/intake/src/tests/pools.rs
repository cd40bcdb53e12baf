//! Many pools over time, and who names which.

use super::*;

const S: u64 = 1_000_000_000;

fn push_pool(host: &FakeHost, pool: &str) -> (u16, String) {
    let body = body(1).replace("llama", pool);
    push(host, OPEN, &body)
}

fn is_there(host: &FakeHost, pool: &str) -> bool {
    let latest = PoolSource::new(pool).look(host, &Undecodable::new("weir.test"));
    matches!(latest, Latest::New(_))
}

#[test]
fn any_number_of_pools_over_time_but_only_so_many_at_a_time() {
    let host = FakeHost::new();
    host.set_now_ns(1000 * S);
    for index in 0..MAX_SLOTS {
        assert_eq!(push_pool(&host, &format!("pool-{index}")).0, 200);
        host.set_now_ns(1000 * S + index as u64);
    }
    let (status, reply) = push_pool(&host, "one-more");
    assert_eq!(status, 503, "{reply}");
    assert!(reply.contains("256 other pools are being pushed"), "{reply}");
    host.set_now_ns(1000 * S + 2 * SLOT_SILENCE_NS);
    for index in 0..3 * MAX_SLOTS {
        let name = format!("later-{index}");
        assert_eq!(push_pool(&host, &name).0, 200, "{name}");
        assert!(is_there(&host, &name), "{name}");
        host.set_now_ns(host.now_ns() + SLOT_SILENCE_NS);
    }
    assert!(!is_there(&host, "pool-0"));
    let view = look(&host, OPEN).1;
    assert_eq!(view.matches("\"pool\":").count(), MAX_SLOTS);
}

#[test]
fn a_pool_that_comes_back_takes_another_slot_and_counts_from_nothing() {
    let host = FakeHost::new();
    host.set_now_ns(S);
    assert_eq!(push_pool(&host, "first").0, 200);
    host.set_shared(&keys::outstanding(0), b"counted", None).unwrap();
    for index in 1..=MAX_SLOTS {
        host.set_now_ns(host.now_ns() + SLOT_SILENCE_NS);
        assert_eq!(push_pool(&host, &format!("pool-{index}")).0, 200);
    }
    // The last of them has the slot of the first, with counts of its own.
    assert!(!is_there(&host, "first"));
    assert_ne!(host.shared(&keys::outstanding(0)).unwrap().unwrap().0, b"counted");
    host.set_now_ns(host.now_ns() + SLOT_SILENCE_NS);
    assert_eq!(push_pool(&host, "first").0, 200, "its old sequence is forgotten with its slot");
    assert!(is_there(&host, "first") && !is_there(&host, "pool-1"));
}

#[test]
fn with_the_slot_of_a_pool_goes_the_worth_of_its_old_pushes() {
    let host = FakeHost::new();
    host.set_now_ns(S);
    let challenge = asked(&host);
    let captured = body(1).replace("llama", "first");
    assert_eq!(signed_push(&host, &challenge, &captured).0, 200);
    for index in 1..=MAX_SLOTS {
        host.set_now_ns(host.now_ns() + SLOT_SILENCE_NS);
        let body = body(1).replace("llama", &format!("pool-{index}"));
        assert_eq!(signed_push(&host, &challenge, &body).0, 200);
    }
    host.set_now_ns(host.now_ns() + SLOT_SILENCE_NS);
    let (status, reply) = signed_push(&host, &challenge, &captured);
    assert_eq!(status, 401, "{reply}");
    assert!(!is_there(&host, "first"));
}

#[test]
fn a_clock_that_was_set_back_does_not_keep_slots_for_ever() {
    let host = FakeHost::new();
    host.set_now_ns(100_000 * S);
    for index in 0..MAX_SLOTS {
        assert_eq!(push_pool(&host, &format!("pool-{index}")).0, 200);
    }
    host.set_now_ns(S);
    assert_eq!(push_pool(&host, "one-more").0, 200);
}

#[test]
fn the_reply_says_which_pools_policies_name_and_which_nobody_pushes() {
    let host = FakeHost::new();
    host.set_now_ns(1000 * S);
    let names = ["llama", "lama"].map(str::to_owned);
    let (tick, undecodable) =
        (weir_host::tick::Ticker::new().part(), Undecodable::new("weir.test"));
    let _served = ServedNames::say(&host, "weir.test", names, tick, &undecodable);
    let told = |reply: &str| {
        let reply = Accepted::parse(reply.as_bytes()).unwrap();
        (reply.pools.unwrap(), reply.unpushed)
    };
    let both = vec!["lama".to_owned(), "llama".to_owned()];
    let (_, reply) = push(&host, OPEN, &body(1));
    assert_eq!(told(&reply), (both.clone(), vec!["lama".to_owned()]));
    push_pool(&host, "lama");
    assert_eq!(told(&push(&host, OPEN, &body(2)).1), (both, Vec::new()));
    // One that has not been pushed for minutes is nobody's, and a filter that has gone names nothing.
    host.set_now_ns(1181 * S);
    assert_eq!(told(&push(&host, OPEN, &body(3)).1), (Vec::new(), Vec::new()));
}

#[test]
fn views_and_stamps_that_cannot_be_read_are_counted_logged_and_replaced() {
    let host = FakeHost::new();
    assert_eq!(push(&host, OPEN, &body(5)).0, 200);
    host.set_shared(&keys::view(0), b"WVS\x01 of another module", None).unwrap();
    host.set_shared(&keys::stamp(0), &[7; 24], None).unwrap();
    assert_eq!(look(&host, OPEN).1, r#"{"pools":[]}"#);
    assert!(host.logs()[0].1.contains("weir/v2/view/0"), "{:?}", host.logs());
    assert_eq!(push(&host, OPEN, &body(1)).0, 200);
    assert!(is_there(&host, "llama"));
    assert_eq!(host.metric("weir_undecodable_total"), Some(2));
}

#[test]
fn values_of_the_format_before_are_not_even_looked_at() {
    let host = FakeHost::new();
    let old = weir_snapshot::VersionStamp { epoch: 99, ..Default::default() }.encode();
    host.set_shared("weir/pools", b"llama\nqwen", None).unwrap();
    host.set_shared("weir/version/llama", &old[..24], None).unwrap();
    host.set_shared("weir/view/llama", b"WVS\x01", None).unwrap();
    assert_eq!(look(&host, OPEN).1, r#"{"pools":[]}"#);
    assert_eq!(push(&host, OPEN, &body(1)).0, 200);
    assert_eq!(host.shared("weir/view/llama").unwrap().unwrap().0, b"WVS\x01");
    assert_eq!((host.metric("weir_undecodable_total"), host.logs()), (None, Vec::new()));
}
