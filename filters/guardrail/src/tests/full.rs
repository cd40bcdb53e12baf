//! What becomes of requests and streams where a worker holds all that it may.

use weir_host::memory::{END_ABOVE, REFUSE_ABOVE};

use super::*;

#[test]
fn a_request_is_not_read_while_memory_is_short() {
    let host = FakeHost::new();
    host.set_memory_in_use(REFUSE_ABOVE + 1);
    let mut stream = stream(&host, REDACT);
    request_headers(&host, &[]);
    assert_eq!(stream.on_http_request_headers(2, false), Action::Pause);
    let reply = host.local_reply().unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.headers.contains(&("retry-after".to_owned(), b"1".to_vec())));
    assert_eq!(host.metric("weir_requests_refused_total.full.memory"), Some(1));
}

#[test]
fn a_stream_of_which_much_is_held_ends_with_an_error_where_memory_is_used_up() {
    let begun = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}", "x".repeat(20_000));
    for (in_use, ends) in [(END_ABOVE, false), (END_ABOVE + 1, true)] {
        let host = FakeHost::new();
        let (mut stream, _) = ask(&host, REDACT, QUESTION);
        assert_eq!(answer_headers(&host, stream.as_mut(), "text/event-stream"), Action::Continue);
        host.set_memory_in_use(in_use);
        let sent = answer_body(&host, stream.as_mut(), &begun, false);
        assert_eq!(sent.contains("unscannable.memory"), ends, "{sent}");
        let more = answer_body(&host, stream.as_mut(), "\"}}]}\n\n", false);
        assert_eq!(more.is_empty(), ends, "{more}");
        let metric = host.metric("weir_streams_ended_total.full.memory");
        assert_eq!(metric.is_some(), ends);
    }
}

#[test]
fn a_stream_of_tokens_goes_on_where_memory_is_used_up() {
    let host = FakeHost::new();
    let (mut stream, _) = ask(&host, REDACT, QUESTION);
    answer_headers(&host, stream.as_mut(), "text/event-stream");
    host.set_memory_in_use(usize::MAX);
    let event = "data: {\"choices\":[{\"delta\":{\"content\":\"Good morning, \"}}]}\n\n";
    assert_eq!(answer_body(&host, stream.as_mut(), event, false), event);
}
