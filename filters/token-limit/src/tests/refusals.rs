//! Who is refused, and what is said.

use super::*;
use weir_snapshot::{
    Directory, EndpointReport, EndpointState, SnapshotMessage, VersionStamp, encode, keys,
};

#[test]
fn the_wait_that_is_told_is_true() {
    let mut worker = Worker::new(&config(TOKENS));
    let stream = worker.send(&CHAT).unwrap();
    let used = r#"{"usage":{"prompt_tokens":900,"completion_tokens":150}}"#;
    worker.answer(stream, "200", used);
    assert!(worker.send(&CHAT).is_none());
    let (status, code, headers) = worker.refusal();
    assert_eq!((status, code.as_str()), (429, "rate_limit_exceeded"));
    let header = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let wait: u64 = header("retry-after-ms").unwrap().parse().unwrap();
    assert_eq!(header("retry-after").unwrap(), wait.div_ceil(1_000).to_string());
    assert_eq!(header("x-ratelimit-remaining-tokens").as_deref(), Some("0"));
    assert_eq!(header("ratelimit-policy").as_deref(), Some("\"minute\";q=1000;w=60"));
    worker.now(wait - 1);
    assert!(worker.send(&CHAT).is_none());
    worker.now(wait);
    assert!(worker.send(&CHAT).is_some());
    let rejected = "weir_limit_requests_total.limit.minute.decision.rejected";
    assert_eq!(worker.host.metric(rejected), Some(2));
}

#[test]
fn responses_say_what_is_left_and_it_falls() {
    let mut worker = Worker::new(&config(TOKENS));
    let mut left = Vec::new();
    for _ in 0..4 {
        let stream = worker.send(&CHAT).unwrap();
        worker.answer(stream, "200", r#"{"usage":{"prompt_tokens":20,"completion_tokens":50}}"#);
        left.push(worker.header("x-ratelimit-remaining-tokens").unwrap().parse::<u64>().unwrap());
        assert_eq!(worker.header("x-ratelimit-limit-tokens").as_deref(), Some("1000"));
    }
    assert!(left.windows(2).all(|pair| pair[0] > pair[1]), "{left:?}");
}

#[test]
fn only_the_headers_are_written_that_the_policy_wants() {
    for (wanted, open_ai, ietf) in [
        ("", true, true),
        (r#""headers":["openai"],"#, true, false),
        (r#""headers":[],"#, false, false),
    ] {
        let config = config(TOKENS).replace(r#""limits":["#, &format!(r#"{wanted}"limits":["#));
        let mut worker = Worker::new(&config);
        let stream = worker.send(&CHAT).unwrap();
        worker.answer(stream, "200", r#"{"usage":{"prompt_tokens":999,"completion_tokens":99}}"#);
        assert_eq!(worker.header("x-ratelimit-limit-tokens").is_some(), open_ai);
        assert_eq!(worker.header("ratelimit").is_some(), ietf);
        assert!(worker.send(&CHAT).is_none());
        let (_, _, headers) = worker.refusal();
        let told = |name: &str| headers.iter().any(|(known, _)| known == name);
        assert_eq!((told("x-ratelimit-limit-tokens"), told("ratelimit")), (open_ai, ietf));
        assert!(told("retry-after"), "{headers:?}");
    }
}

#[test]
fn limits_that_go_by_the_same_values_are_read_and_written_as_one() {
    let limits = r#"{"name":"minute","per":["consumer"],"tokens":1000,"window":"1m"},
        {"name":"calls","per":["consumer"],"concurrent":3},
        {"name":"all","requests":9,"window":"1m"},
        {"name":"day","per":["consumer"],"requests":9,"window":"1d"}"#;
    let mut worker = Worker::new(&config(limits));
    let stream = worker.send(&CHAT).unwrap();
    let page = |name: &str| {
        let written = (0..PAGES).filter_map(|page| {
            let (bytes, version) = worker.host.shared(&Place::Page(page).to_string()).unwrap()?;
            Some((Page::read(bytes).unwrap(), version))
        });
        let id = read_directory(&worker.host.shared(DIRECTORY_KEY).unwrap().unwrap().0);
        let id = id.iter().find(|listed| listed.name == name).unwrap().limit.id();
        let mut found = written.filter(|(page, _)| page.slots().any(|slot| slot.limit() == id));
        let (page, version) = found.next().unwrap();
        assert!(found.next().is_none());
        (page.slots().count(), version)
    };
    // The host counts all writes.
    let (count, version) = page("minute");
    assert_eq!(["minute", "calls", "day"].map(page), [(3, version); 3], "{count}");
    assert_eq!(version.abs_diff(page("all").1), 1);
    let last = version.max(page("all").1);
    worker.answer(stream, "200", USAGE);
    assert_eq!(page("minute"), (3, last + 1), "settled at once");
    let left = worker.slots().into_iter().map(|(name, slot)| (name, slot.debt(), slot.reserved()));
    let mut left: Vec<_> = left.collect();
    left.sort();
    let owed = |name: &str, debt| (name.to_owned(), debt, 0);
    assert_eq!(left, [owed("all", 1), owed("calls", 0), owed("day", 1), owed("minute", 27_000)]);
}

#[test]
fn a_request_that_never_fits_is_told_so_and_not_to_try_again() {
    let mut worker = Worker::new(&config(TOKENS));
    let body = CHAT.body.replace("50", "5000");
    assert!(worker.send(&Request { body: &body, ..CHAT }).is_none());
    let (status, code, headers) = worker.refusal();
    assert_eq!((status, code.as_str()), (429, "request_exceeds_limit"));
    assert!(headers.contains(&("x-should-retry".to_owned(), "false".to_owned())));
    assert!(!headers.iter().any(|(name, _)| name.starts_with("retry-after")));
    assert!(worker.slots().is_empty() || worker.owed() == (0, 0));
}

#[test]
fn refusals_speak_the_clients_dialect() {
    for (path, body, part) in [
        ("/v1/messages", CHAT.body, r#"{"type":"error","error":{"type":"rate_limit_error""#),
        (
            "/v1beta/models/m:generateContent",
            r#"{"contents":[]}"#,
            r#""status":"RESOURCE_EXHAUSTED""#,
        ),
        ("/v1/chat/completions", CHAT.body, r#""code":"rate_limit_exceeded""#),
        (
            "/v2/models/m/generate",
            r#"{"text_input":"x"}"#,
            r#"{"error":"The limit `r` of 1 requests"#,
        ),
    ] {
        let mut worker = Worker::new(&config(r#"{"name":"r","requests":1,"window":"1h"}"#));
        let request = Request { path, consumer: "", body };
        worker.send(&request).unwrap();
        assert!(worker.send(&request).is_none());
        let reply = String::from_utf8(worker.host.local_reply().unwrap().body).unwrap();
        assert!(reply.contains(part), "{path}: {reply}");
    }
}

#[test]
fn all_limits_are_charged_or_none() {
    let limits = r#"{"name":"key","per":["consumer"],"tokens":1000,"window":"1h","reserve":"full"},
        {"name":"all","requests":2,"window":"1h"}"#;
    let mut worker = Worker::new(&config(limits));
    for consumer in ["ann", "bob"] {
        assert!(worker.send(&Request { consumer, ..CHAT }).is_some());
    }
    assert!(worker.send(&Request { consumer: "cid", ..CHAT }).is_none());
    let keys =
        worker.slots().into_iter().filter(|(name, slot)| name == "key" && slot.reserved() > 0);
    assert_eq!(keys.count(), 2);
}

#[test]
fn two_workers_go_by_the_same_numbers() {
    let limits = r#"{"name":"r","per":["consumer"],"requests":2,"window":"1h"}"#;
    let mut one = Worker::new(&config(limits));
    let mut other = Worker::beside(&one.host, &config(limits));
    assert!(one.send(&CHAT).is_some());
    assert!(other.send(&CHAT).is_some());
    assert!(one.send(&CHAT).is_none());
    assert!(other.send(&CHAT).is_none());
    assert_eq!(one.slots().len(), 1);
}

#[test]
fn who_asks_is_told_apart_by_every_dimension() {
    let config = r#"{"trust":{"consumer":[{"jwt":["payload","sub"]}]},"policies":{"default":{"limits":[
        {"name":"r","requests":1,"window":"1h","per":["DIMENSION"]}]}}}"#;
    let jwt = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];
    let claim = |name: &'static str| [&jwt[..], &[name]].concat();
    let set = |path: Vec<&'static str>| {
        move |host: &FakeHost, value: &str| host.set_property(&path, value.as_bytes())
    };
    type Setter = Box<dyn Fn(&FakeHost, &str)>;
    let header: Setter = Box::new(|host, value| {
        host.set_header(HeaderMap::Request, "x-team", value.as_bytes()).unwrap();
    });
    let dimensions: [(&str, Setter); 5] = [
        ("consumer", Box::new(set(claim("sub")))),
        ("claim:org", Box::new(set(claim("org")))),
        ("route", Box::new(set(vec!["xds", "route_name"]))),
        (
            "client-ip",
            Box::new(|host, value| {
                host.set_property(
                    &["source", "address"],
                    format!("{value}:{}", value.len()).as_bytes(),
                );
            }),
        ),
        ("header:x-team", header),
    ];
    for (dimension, set) in dimensions {
        let mut worker = Worker::new(&config.replace("DIMENSION", dimension));
        for (value, goes_on) in [("a", true), ("b", true), ("a", false), ("b", false)] {
            set(&worker.host, value);
            assert_eq!(worker.send(&CHAT).is_some(), goes_on, "{dimension} {value}");
        }
    }
}

#[test]
fn a_port_makes_nobody_another() {
    let limits = r#"{"name":"r","requests":1,"window":"1h","per":["client-ip"]}"#;
    let mut worker = Worker::new(&config(limits));
    worker.host.set_property(&["source", "address"], b"10.0.0.1:5000");
    assert!(worker.send(&CHAT).is_some());
    worker.host.set_property(&["source", "address"], b"10.0.0.1:5001");
    assert!(worker.send(&CHAT).is_none());
}

#[test]
fn requests_of_nobody_share_a_limit_or_have_none_or_are_refused() {
    for (unidentified, second) in [("share", Some(429)), ("exempt", None), ("reject", Some(403))] {
        let limits = format!(
            r#"{{"name":"r","requests":1,"window":"1h","per":["consumer"],"unidentified":"{unidentified}"}}"#
        );
        let mut worker = Worker::new(&config(&limits));
        let nobody = Request { consumer: "", ..CHAT };
        let first = worker.send(&nobody).is_some();
        assert_eq!(first, unidentified != "reject");
        let refused = worker.send(&nobody).is_none().then(|| worker.refusal().0);
        assert_eq!(refused, second, "{unidentified}");
        assert!(worker.send(&CHAT).is_some(), "{unidentified}: ann is somebody");
    }
}

#[test]
fn a_limit_in_shadow_counts_and_refuses_nobody() {
    let limits = r#"{"name":"s","requests":1,"window":"1h","on_exceed":"shadow"}"#;
    let mut worker = Worker::new(&config(limits));
    assert!(worker.send(&CHAT).is_some() && worker.send(&CHAT).is_some());
    for decision in ["admitted", "shadowed"] {
        let name = format!("weir_limit_requests_total.limit.s.decision.{decision}");
        assert_eq!(worker.host.metric(&name), Some(1), "{decision}");
    }
}

/// Stores a view of the pool without a name, which requests without a router have.
fn saturate(host: &FakeHost, waiting: u32) {
    let mut endpoint = EndpointReport::new("10.0.0.1:80", EndpointState::Ready);
    endpoint.waiting = Some(waiting);
    let now_ns = host.now_ns();
    let message = SnapshotMessage::new("p", (1, now_ns), 0, vec![endpoint]);
    host.set_shared(keys::POOLS, &Directory::new(b"").with(0, "p"), None).unwrap();
    let stamp = VersionStamp::of(&message, now_ns).encode();
    host.set_shared(&keys::stamp(0), &stamp, None).unwrap();
    host.set_shared(&keys::view(0), &encode(&message, now_ns).unwrap(), None).unwrap();
}

/// Leaves facts as a router would.
fn routed(host: &FakeHost) {
    use weir_wire::facts::{Destination, Facts};
    use weir_wire::request::{RequestScanner, ScanLimits};
    let endpoint = weir_wire::path::classify(b"POST", b"/v1/chat/completions").unwrap();
    let mut scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
    scanner.feed(CHAT.body.as_bytes()).unwrap();
    let to = Destination { model: "m", upstream_model: "m", pool: "p", adapter: None };
    let facts = Facts::new(&endpoint, &scanner.finish().unwrap(), to);
    host.set_state(weir_request::FACTS, &facts.encode()).unwrap();
}

#[test]
fn while_a_pool_is_saturated_low_objectives_go_first_and_bursts_shrink() {
    let json = r#"{"trust":{"objective":true},"policies":{"default":{
        "saturated":{"shed":["batch"],"burst":"0.5"},
        "limits":[{"name":"r","requests":4,"window":"1h"},
            {"name":"low","requests":1,"window":"1h","on_exceed":"deprioritise"}]}}}"#;
    let objective = "x-gateway-inference-objective";
    for (waiting, batch, others) in [(0, true, 3), (9, false, 1)] {
        let mut worker = Worker::new(json);
        routed(&worker.host);
        saturate(&worker.host, waiting);
        worker.host.set_header(HeaderMap::Request, objective, b"batch").unwrap();
        assert_eq!(worker.send(&CHAT).is_some(), batch, "{waiting} wait");
        let shed = worker.host.metric("weir_limit_shed_total");
        assert_eq!(shed, (!batch).then_some(1));
        if !batch {
            let (status, code, headers) = worker.refusal();
            assert_eq!((status, code.as_str()), (429, "overloaded"));
            assert!(headers.contains(&("retry-after".to_owned(), "1".to_owned())));
        }
        worker.host.set_header(HeaderMap::Request, objective, b"chat").unwrap();
        let admitted = (0..6).filter(|_| worker.send(&CHAT).is_some()).count();
        assert_eq!(admitted, others, "{waiting} wait");
    }
}

#[test]
fn an_objective_that_nobody_vouches_for_is_refused_in_settings() {
    let json = r#"{"policies":{"default":{"saturated":{"shed":["batch"]},
        "limits":[{"name":"r","requests":4,"window":"1h"}]}}}"#;
    for (json, place) in [
        (json.to_owned(), "policies.default.saturated.shed: needs `trust.objective: true`"),
        (
            config(r#"{"name":"r","requests":4,"window":"1h","on_exceed":"downgrade(m)"}"#),
            "policies.default.limits[0].on_exceed: `downgrade` is for `root_id: gateway`",
        ),
        (
            config(r#"{"name":"r","requests":4,"window":"1h","per":["claim:org"]}"#),
            "policies.default.limits[0].per[0]: needs a `jwt`",
        ),
    ] {
        let host = FakeHost::new();
        host.set_configuration(Config::Plugin, json.as_bytes());
        assert!(!Root::new(host.clone()).on_configure(0));
        let said = &host.logs()[0].1;
        assert!(said.starts_with(&format!("weir.token-limit: {place}")), "{said}");
    }
}

#[test]
fn any_number_of_keys_lies_in_bounded_memory_and_no_key_is_told() {
    let mut worker = Worker::new(&config(
        r#"{"name":"r","requests":5,"window":"1h","per":["consumer","header:x-any"]}"#,
    ));
    let mut admitted = 0;
    for key in 0..100_000 {
        let value = format!("secret-{key}");
        worker.host.set_header(HeaderMap::Request, "x-any", value.as_bytes()).unwrap();
        admitted += usize::from(worker.send(&CHAT).is_some());
    }
    assert!(admitted > 60_000, "keys that find no slot share one: {admitted}");
    let slots = worker.slots();
    assert!(slots.len() <= 65_536, "{}", slots.len());
    assert!(worker.host.metric("weir_limit_overflowed_total").unwrap() > 0);
    let logs = worker.host.logs();
    assert!(logs.len() == 1 && logs[0].1.contains("weir_limit_overflowed_total"), "{logs:?}");
    assert!(!logs[0].1.contains("secret"));
}
