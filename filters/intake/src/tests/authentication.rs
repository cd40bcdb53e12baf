//! Who may push and look.

use super::*;

#[test]
fn with_a_key_only_its_signature_of_the_current_challenge_is_accepted() {
    let host = FakeHost::new();
    assert_eq!(push(&host, SIGNED, &body(1)).0, 401);
    let challenge = asked(&host);
    let digest = BodyDigest::of(body(1).as_bytes());
    let wrong = sign_push(b"some other key, long enough", &challenge, digest).into_bytes();
    let of_another = sign_push(&key(), &challenge, BodyDigest::of(body(2).as_bytes()));
    let right = sign_push(&key(), &challenge, digest).into_bytes();
    host.set_header(HeaderMap::Request, CHALLENGE_HEADER, challenge.as_bytes()).unwrap();
    for (signature, status) in
        [(wrong, 401), (b"\xff\xfe".to_vec(), 401), (of_another.into_bytes(), 401), (right, 200)]
    {
        host.set_header(HeaderMap::Request, HEADER, &signature).unwrap();
        assert_eq!(push(&host, SIGNED, &body(1)).0, status);
    }
    assert_eq!(host.metric("weir_intake_accepted_total"), Some(1));
    assert_eq!(host.metric("weir_intake_refused_total"), Some(5));
}

#[test]
fn what_was_pushed_before_a_restart_or_to_another_envoy_is_refused() {
    let (before, after) = (FakeHost::new(), FakeHost::new());
    let old = asked(&before);
    assert_eq!(signed_push(&before, &old, &body(5)).0, 200);
    // Shared data is empty after a restart, so there is nothing that the push would be older than.
    let (status, reply) = signed_push(&after, &old, &body(5));
    assert_eq!(status, 401, "{reply}");
    assert_eq!(Refusal::parse(reply.as_bytes()).unwrap().code, RefusalCode::Challenge);
    let new = asked(&after);
    assert_ne!(old, new);
    assert_eq!(signed_push(&after, &new, &body(1)).0, 200);
    // Each worker asks for the same.
    assert_eq!(asked(&after), new);
    assert_eq!(after.logs(), []);
}

#[test]
fn a_sidecar_of_version_1_is_told_to_be_updated_and_so_is_the_log() {
    let host = FakeHost::new();
    let old = body(1).replace("\"version\":2", "\"version\":1");
    host.set_header(HeaderMap::Request, HEADER, b"sha256=as it signed the body").unwrap();
    let signed = push(&host, SIGNED, &old);
    let unsigned = push(&FakeHost::new(), OPEN, &old);
    for (status, reply) in [signed, unsigned] {
        assert_eq!(status, 400, "{reply}");
        let refusal = Refusal::parse(reply.as_bytes()).unwrap();
        assert_eq!((refusal.code, refusal.told), (RefusalCode::UnknownVersion, Told::Reads(2)));
        assert!(refusal.message.ends_with("update weir-sidecar"), "{}", refusal.message);
    }
    assert!(host.logs()[0].1.ends_with("update weir-sidecar"), "{:?}", host.logs());
}

#[test]
fn refusals_are_logged_once_a_minute_without_what_the_body_says() {
    let host = FakeHost::new();
    let root = root(&host, OPEN);
    let odd = [r#"{"version":2,"canary":1}"#, &body(1).replace("127.0.0.1:9001", "canary")];
    odd.iter().for_each(|body| drop(push_to(&root, &host, body)));
    assert_eq!(host.logs().len(), 1, "{:?}", host.logs());
    host.set_now_ns(61_000_000_000);
    odd.iter().rev().for_each(|body| drop(push_to(&root, &host, body)));
    let logs = host.logs();
    assert_eq!(logs.len(), 2, "{logs:?}");
    assert!(logs.iter().all(|(_, line)| !line.contains("canary")), "{logs:?}");
    assert!(logs[1].1.contains("refused (Invalid)"), "{logs:?}");
}

#[test]
fn a_look_is_signed_like_a_push() {
    let host = FakeHost::new();
    host.set_now_ns(1_700_000_000 * 1_000_000_000);
    assert_eq!(signed_push(&host, &asked(&host), &body(1)).0, 200);
    // The signature of a push is none of a look.
    assert_eq!(look(&host, SIGNED).0, 401);
    for (time, status, part) in [
        (1_700_000_000, 200, "127.0.0.1:9001"),
        (1_699_999_970, 200, "127.0.0.1:9001"),
        (1_700_000_030, 200, "127.0.0.1:9001"),
        (1_699_999_969, 401, "expired"),
        (1_700_000_031, 401, "set the clocks"),
    ] {
        host.set_header(HeaderMap::Request, TIME_HEADER, time.to_string().as_bytes()).unwrap();
        let signed = sign_look(&key(), PATH, time);
        host.set_header(HeaderMap::Request, HEADER, signed.as_bytes()).unwrap();
        let (found, reply) = look(&host, SIGNED);
        assert_eq!(found, status, "{reply}");
        assert!(reply.contains(part), "{reply}");
    }
    host.remove_header(HeaderMap::Request, HEADER).unwrap();
    assert_eq!(look(&host, SIGNED).0, 401);
    assert_eq!(host.metric("weir_intake_looks_refused_total"), Some(4));
    assert_eq!(look(&host, OPEN).0, 200);
}
