//! Prepared replies for benchmarks: no cache, no queue, no delays, no copy of the request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response};

use crate::body::{ReplyBody, full};
use crate::dialect::{Completion, Usage};
use crate::reply::{Choice, Cut, Part};
use crate::request::Dialect;

/// Bytes at each end of a request body in which `"stream": true` is looked for.
const WINDOW: usize = 256;

/// The replies of one replica in fast mode.
#[derive(Debug)]
pub(crate) struct Prepared {
    document: Bytes,
    events: Vec<Bytes>,
    pause: Duration,
}

impl Prepared {
    /// A chat reply of `events` stream events, `[DONE]` not counted, with a `pause` between them.
    pub(crate) fn new(events: usize, pause: Duration) -> Self {
        // Role, finish reason and usage take an event each; the others carry a word each.
        let words = events.saturating_sub(3).max(1);
        let completion = completion(words);
        let document = completion.document(Dialect::Chat).to_string().into();
        let events = completion.stream(Dialect::Chat).into_iter().map(|step| step.bytes).collect();
        Self { document, events, pause }
    }
}

fn completion(words: usize) -> Completion {
    let text = vec!["word"; words].join(" ");
    let choice = Choice { parts: vec![Part::Content(text)], finish: "stop".to_owned() };
    Completion {
        id: 1,
        created: 1_700_000_000,
        model: "weir-fast".to_owned(),
        choices: vec![choice],
        cut: Cut::Words,
        usage: Usage { prompt: 256, cached: 128, completion: words },
        include_usage: true,
        logprobs: None,
    }
}

/// Reads the whole request and answers it with the prepared stream if it asks for one.
pub(crate) async fn answer(prepared: &Prepared, request: Request<Incoming>) -> Response<ReplyBody> {
    let stream = request.headers().contains_key("x-weir-stream");
    let ends = read_ends(request.into_body()).await;
    let (body, content_type) = if stream || asks_for_stream(&ends) {
        let events = prepared.events.clone().into_iter();
        let body = Paced { events, pause: prepared.pause, next: Next::Event }.boxed_unsync();
        (body, "text/event-stream; charset=utf-8")
    } else {
        (full(prepared.document.clone()), "application/json")
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The first and the last [`WINDOW`] bytes of `body`; what is between them is dropped as it comes.
async fn read_ends(mut body: Incoming) -> BytesMut {
    let mut ends = BytesMut::with_capacity(4 * WINDOW);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let tail = data.len().saturating_sub(2 * WINDOW);
        let (head, tail) = if tail > 0 { data.split_at(WINDOW) } else { (&data[..], &[][..]) };
        ends.extend_from_slice(head);
        ends.extend_from_slice(tail.get(tail.len().saturating_sub(WINDOW)..).unwrap_or_default());
        if ends.len() > 4 * WINDOW {
            let last = ends.split_off(ends.len().saturating_sub(WINDOW));
            ends.truncate(WINDOW);
            ends.unsplit(last);
        }
    }
    ends
}

fn asks_for_stream(ends: &[u8]) -> bool {
    let key = b"\"stream\":";
    memchr::memmem::find_iter(ends, key).any(|at| {
        let value = ends.get(at.saturating_add(key.len())..).unwrap_or_default();
        value.trim_ascii_start().starts_with(b"true")
    })
}

/// Events that are each written out before the next is given, unless there is no pause between them.
struct Paced {
    events: std::vec::IntoIter<Bytes>,
    pause: Duration,
    next: Next,
}

/// What comes next in a paced stream.
enum Next {
    /// An event.
    Event,
    /// The event given is written out.
    Flush,
    /// An event, after a pause that began then.
    Pause(Instant),
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.next {
            Next::Flush => {
                self.next = Next::Pause(Instant::now());
                // Makes hyper flush what it has.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            // A timer of the runtime would wait for a whole millisecond, so the thread waits. That
            // it does nothing else meanwhile is no matter to a benchmark.
            Next::Pause(begun) => while begun.elapsed() < self.pause {},
            Next::Event => {}
        }
        self.next = if self.pause.is_zero() { Next::Event } else { Next::Flush };
        Poll::Ready(self.events.next().map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_asked_for_by_the_field_alone() {
        let cases: [(&[u8], bool); 4] = [
            (br#"{"stream":true}"#, true),
            (br#"{"stream": false, "x": "\"stream\": no"}"#, false),
            (br#"{"stream":  true}"#, true),
            (b"{}", false),
        ];
        for (body, expected) in cases {
            assert_eq!(asks_for_stream(body), expected);
        }
    }

    #[test]
    fn the_prepared_stream_has_the_wanted_number_of_events() {
        let events = Prepared::new(20, Duration::ZERO).events;
        assert_eq!(events.len(), 21);
        assert_eq!(events.last().unwrap(), "data: [DONE]\n\n");
    }
}
