//! Streams as data, under every chunking.

use serde::Deserialize;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;
use weir_testkit::{cases, every_chunking};

use super::{Event, Field, SseError, SseParser};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    stream: String,
    /// Data (null: none), type, and whether the event was complete.
    events: Vec<(Option<String>, Option<String>, bool)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Told {
    offset: u64,
    raw: Vec<u8>,
    data: Option<String>,
    kind: Option<String>,
    complete: bool,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn told(event: Event<'_>) -> Told {
    let (data, kind) = (event.data().map(|data| text(&data)), event.kind().map(text));
    Told { offset: event.offset, raw: event.raw.to_vec(), data, kind, complete: event.complete }
}

fn read(chunks: &[&[u8]], limit: usize) -> Result<Vec<Told>, SseError> {
    let mut parser = SseParser::new(limit);
    let mut events = Vec::new();
    for chunk in chunks {
        parser.feed(chunk, |event| events.push(told(event)))?;
    }
    parser.finish(|event| events.push(told(event)));
    Ok(events)
}

#[test]
fn streams_are_split_into_their_events() {
    for case in cases::<Case>(include_str!("../../../../testdata/wire/sse.json")) {
        let events = read(&[case.stream.as_bytes()], 4096).unwrap();
        let found: Vec<_> = events.into_iter().map(|e| (e.data, e.kind, e.complete)).collect();
        assert_eq!(found, case.events, "{}", case.name);
    }
}

#[test]
fn every_chunking_gives_the_same_events_and_spans() {
    for case in cases::<Case>(include_str!("../../../../testdata/wire/sse.json")) {
        let stream = case.stream.as_bytes();
        let whole = read(&[stream], 4096).unwrap();
        for event in &whole {
            let start = event.offset as usize;
            assert_eq!(stream[start..start + event.raw.len()], event.raw, "{}", case.name);
        }
        every_chunking(stream, |chunks| {
            assert_eq!(read(chunks, 4096).unwrap(), whole, "{}", case.name);
        });
    }
}

#[test]
fn an_event_is_told_with_the_byte_that_ends_it() {
    for ending in ["\n\n", "\r\r", "\r\n\r", "\r\n\n"] {
        let mut parser = SseParser::new(100);
        let mut seen = 0;
        parser.feed(format!("data: x{ending}").as_bytes(), |_| seen += 1).unwrap();
        assert_eq!(seen, 1, "{ending:?}");
        parser.feed(b"\n", |_| seen += 1).unwrap();
        parser.finish(|_| seen += 1);
        assert_eq!(seen, 1, "{ending:?}");
    }
}

#[test]
fn values_can_be_edited_in_place() {
    let stream = b": hi\r\nid:7\r\ndata: {\"a\":\"secret\"}\r\nretry: 5\r\n\r\n";
    let mut parser = SseParser::new(1000);
    let mut edited = Vec::new();
    let edit = |event: Event<'_>| {
        edited = event.raw.to_vec();
        let line = event.lines.iter().find(|line| line.field == Field::Data).unwrap();
        edited.splice(line.value.clone(), b"{}".iter().copied());
    };
    parser.feed(stream, edit).unwrap();
    assert_eq!(edited, b": hi\r\nid:7\r\ndata: {}\r\nretry: 5\r\n\r");
}

#[test]
fn an_event_over_the_limit_is_refused_however_it_is_cut() {
    let stream = b"data: 1\n\ndata: 0123456789\n\n";
    let error = Err(SseError::TooLong { at: 9, limit: 12 });
    every_chunking(stream, |chunks| assert_eq!(read(chunks, 12), error));
    assert_eq!(read(&[stream], 17).unwrap().len(), 2);
}

#[cfg(not(target_arch = "wasm32"))]
mod random {
    use super::read;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere(
            tokens in prop::collection::vec(prop::sample::select(vec![
                &b"data:"[..], b"data: ", b"event: ", b"x", b":", b" ", b"\n", b"\r", b"\r\n", b"\xEF\xBB\xBF",
                b"id", b"\xFF",
            ]), 0..40),
            size in 1_usize..7,
        ) {
            let stream = tokens.concat();
            let whole = read(&[&stream], 1000);
            prop_assert_eq!(read(&stream.chunks(size).collect::<Vec<_>>(), 1000), whole);
        }
    }
}
