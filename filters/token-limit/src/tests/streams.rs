//! Usage that the client did not ask for.

use super::*;

const EVENTS: [&str; 3] = [
    "data: {\"choices\":[{\"delta\":{\"content\":\"Gr\u{fc}\u{df}e\"}}]}",
    "data: {\"choices\":[],\"system_fingerprint\":\"f\u{fc}r\u{1f600}\",\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":7}}",
    "data: [DONE]",
];

/// A stream in pieces: what the client gets, and what is owed.
fn streamed(body: &str, sent: &[u8], cut: usize) -> (Vec<u8>, (u64, u64)) {
    let mut worker = Worker::new(&config(TOKENS));
    let mut stream = worker.send(&Request { body, ..CHAT }).unwrap();
    worker.open(stream.as_mut(), "200", "text/event-stream; charset=utf-8");
    let (first, second) = sent.split_at(cut);
    let mut got = worker.piece(stream.as_mut(), first, false);
    got.extend(worker.piece(stream.as_mut(), second, false));
    got.extend(worker.piece(stream.as_mut(), b"", true));
    stream.on_end();
    (got, worker.owed())
}

#[test]
fn a_client_that_did_not_ask_gets_the_stream_without_its_usage_wherever_it_is_cut() {
    for end in ["\n\n", "\r\n\r\n"] {
        let all = EVENTS.map(|event| format!("{event}{end}")).concat();
        let without = [EVENTS[0], end, EVENTS[2], end].concat();
        for cut in 0..=all.len() {
            let (got, owed) = streamed(STREAM.body, all.as_bytes(), cut);
            assert_eq!(got, without.as_bytes(), "cut at {cut}");
            assert_eq!(owed, (27, 0), "cut at {cut}");
        }
    }
}

#[test]
fn a_client_that_asked_gets_what_came() {
    let asked = STREAM.body.replacen('{', r#"{"stream_options":{"include_usage":true},"#, 1);
    let all = EVENTS.map(|event| format!("{event}\n\n")).concat();
    for cut in 0..=all.len() {
        let (got, owed) = streamed(&asked, all.as_bytes(), cut);
        assert_eq!((got.as_slice(), owed), (all.as_bytes(), (27, 0)), "cut at {cut}");
    }
}

#[test]
fn the_request_asks_for_usage_and_its_length_fits() {
    let mut worker = Worker::new(&config(TOKENS));
    worker.send(&STREAM).unwrap();
    let body = worker.host.body_now(Body::Request);
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["stream_options"]["include_usage"], true);
    let length = worker.host.header_now(HeaderMap::Request, "content-length").unwrap();
    assert_eq!(length, body.len().to_string().as_bytes());
    assert_eq!(worker.host.header_now(HeaderMap::Request, "accept-encoding"), None);
}

#[test]
fn where_no_limit_goes_by_tokens_nothing_is_asked_or_read() {
    let mut worker = Worker::new(&config(r#"{"name":"r","requests":5,"window":"1m"}"#));
    let mut stream = worker.send(&STREAM).unwrap();
    assert_eq!(worker.host.body_now(Body::Request), STREAM.body.as_bytes());
    assert!(worker.host.header_now(HeaderMap::Request, "accept-encoding").is_some());
    let all = EVENTS.map(|event| format!("{event}\n\n")).concat();
    worker.open(stream.as_mut(), "200", "text/event-stream");
    assert_eq!(worker.piece(stream.as_mut(), all.as_bytes(), true), all.as_bytes());
    assert_eq!(worker.header("x-ratelimit-remaining-requests").as_deref(), Some("4"));
}

#[test]
fn a_whole_answer_to_a_stream_passes_as_it_is() {
    let mut worker = Worker::new(&config(TOKENS));
    let mut stream = worker.send(&STREAM).unwrap();
    worker.open(stream.as_mut(), "200", "application/json");
    assert_eq!(worker.piece(stream.as_mut(), USAGE.as_bytes(), true), USAGE.as_bytes());
    assert_eq!(worker.owed(), (27, 0));
}

#[test]
fn a_settlement_that_others_are_faster_than_is_made_with_a_tick() {
    let mut worker = Worker::new(&config(TOKENS));
    let stream = worker.send(&CHAT).unwrap();
    worker.host.lose_swaps(1_000);
    worker.answer(stream, "200", USAGE);
    let (owed, reserved) = worker.owed();
    assert!(owed == 0 && reserved > 0 && worker.host.tick_ms() > 0);
    worker.tick();
    assert_eq!(worker.owed(), (0, reserved), "others are faster still");
    worker.host.lose_swaps(0);
    // By then what was spent is due as well, and nothing waits any more.
    worker.now(500);
    worker.tick();
    assert_eq!((worker.owed(), worker.host.tick_ms()), ((27, 0), 0));
}

#[test]
fn where_nobody_can_decide_a_request_is_refused_and_that_is_counted_and_said() {
    let mut worker = Worker::new(&config(TOKENS));
    worker.host.lose_swaps(1_000);
    assert!(worker.send(&CHAT).is_none());
    let (status, code, headers) = worker.refusal();
    assert_eq!((status, code.as_str()), (503, "limits_unavailable"));
    assert!(headers.contains(&("retry-after".to_owned(), "1".to_owned())));
    assert_eq!(worker.host.metric("weir_limit_unknown_total"), Some(1));
    assert!(worker.host.metric("weir_limit_lost_swaps_total").unwrap() >= 16);
    assert!(worker.host.logs()[0].1.contains("a request got a 503"));
    worker.host.lose_swaps(0);
    assert!(worker.send(&CHAT).is_some());
}
