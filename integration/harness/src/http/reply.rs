//! Replies: whole, or as they come.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use serde_json::Value;

use crate::error::HarnessError;

/// A whole reply.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; what came before the connection broke, if it did.
    pub body: Bytes,
    /// Trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// The body ended properly.
    pub complete: bool,
    /// From sending to the first byte of the body, or to its end when it is empty.
    pub first_byte: Duration,
    /// From sending to the end of the body.
    pub total: Duration,
}

impl Reply {
    /// A header as text; empty when it is missing or not ASCII.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as text, with replacement characters for what is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<Value, HarnessError> {
        serde_json::from_slice(&self.body).map_err(|error| HarnessError::Answer {
            what: format!("a reply with status {}", self.status),
            problem: error.to_string(),
        })
    }

    /// The `data` of each server-sent event, several lines of one event joined by a line feed.
    pub fn events(&self) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n").replace('\r', "\n");
        let data = |event: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
            let lines: Vec<&str> =
                lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
            (!lines.is_empty()).then(|| lines.join("\n"))
        };
        text.split("\n\n").filter_map(data).collect()
    }

    /// The events that are JSON.
    pub fn event_documents(&self) -> Vec<Value> {
        self.events().iter().filter_map(|event| serde_json::from_str(event).ok()).collect()
    }
}

/// A reply whose head has come and whose body is still coming.
#[derive(Debug)]
pub struct ReplyStream {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    trailers: Option<HeaderMap>,
    sent: Instant,
}

impl ReplyStream {
    pub(super) fn new(response: hyper::Response<Incoming>, sent: Instant) -> Self {
        let (head, body) = response.into_parts();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Self { status, headers, body, trailers: None, sent }
    }

    /// The next piece of the body and how long after sending it came; nothing at the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<(Bytes, Duration)>, HarnessError> {
        while let Some(frame) = self.body.frame().await {
            match frame.map_err(HarnessError::http("reading a reply"))?.into_data() {
                Ok(data) => return Ok(Some((data, self.sent.elapsed()))),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(None)
    }

    /// Reads the rest of the body; a broken connection is noted in [`Reply::complete`].
    pub async fn collect(mut self) -> Reply {
        let mut body = BytesMut::new();
        let mut first_byte = None;
        let complete = loop {
            match self.next().await {
                Ok(Some((data, at))) => {
                    first_byte.get_or_insert(at);
                    body.extend_from_slice(&data);
                }
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        let total = self.sent.elapsed();
        Reply {
            status: self.status,
            headers: self.headers,
            body: body.freeze(),
            trailers: self.trailers,
            complete,
            first_byte: first_byte.unwrap_or(total),
            total,
        }
    }
}
