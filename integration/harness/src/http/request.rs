//! Requests as tests write them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::Method;
use hyper::body::{Body, Frame};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::{Sleep, sleep};

use crate::error::HarnessError;

pub(super) type RequestBody = UnsyncBoxBody<Bytes, Infallible>;

/// A request to be sent, once or many times.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    pieces: Vec<Bytes>,
    whole: bool,
    pause: Duration,
    trailers: Vec<(String, String)>,
}

impl Request {
    /// A GET request without body.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// A POST request, without body until one is set.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// A request with any method.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        let (headers, pieces, trailers) = Default::default();
        let pause = Duration::ZERO;
        Self { method, path: path.into(), headers, pieces, whole: true, pause, trailers }
    }

    /// Adds a header; the value may hold any bytes that HTTP allows, also `\xff`.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Sets a JSON body and its content type.
    #[must_use]
    pub fn json(self, document: &Value) -> Self {
        self.header("content-type", "application/json").body(document.to_string())
    }

    /// Sets a body that is sent with its length.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Bytes>) -> Self {
        (self.pieces, self.whole) = (vec![bytes.into()], true);
        self
    }

    /// Sets a body that is sent without a length, piece by piece, with `pause` between them.
    #[must_use]
    pub fn pieces(
        mut self,
        pieces: impl IntoIterator<Item = impl Into<Bytes>>,
        pause: Duration,
    ) -> Self {
        self.pieces = pieces.into_iter().map(Into::into).collect();
        (self.whole, self.pause) = (false, pause);
        self
    }

    /// Adds a trailer; the body is then sent without a length.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self.whole = false;
        self
    }

    /// Method and path, for messages; the query and the body may hold what must not be shown.
    pub(super) fn line(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{} {path}", self.method)
    }

    pub(super) fn build(
        &self,
        address: SocketAddr,
    ) -> Result<hyper::Request<RequestBody>, HarnessError> {
        let uri = format!("http://{address}{}", self.path);
        let builder = hyper::Request::builder().method(self.method.clone()).uri(uri);
        let built = builder.body(self.request_body()?);
        let mut request = built.map_err(HarnessError::http(self.line()))?;
        for (name, value) in &self.headers {
            let (name, value) = self.pair(name, value)?;
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }

    fn request_body(&self) -> Result<RequestBody, HarnessError> {
        if self.whole {
            return Ok(Full::new(self.pieces.concat().into()).boxed_unsync());
        }
        let mut trailers = HeaderMap::new();
        for (name, value) in &self.trailers {
            let (name, value) = self.pair(name.as_bytes(), value.as_bytes())?;
            trailers.append(name, value);
        }
        let trailers = (!trailers.is_empty()).then_some(trailers);
        let pieces = self.pieces.iter().cloned().collect();
        Ok(Pieces { pieces, trailers, pause: self.pause, wait: None, begun: false }.boxed_unsync())
    }

    fn pair(&self, name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), HarnessError> {
        let name = HeaderName::from_bytes(name).map_err(HarnessError::http(self.line()))?;
        let value = HeaderValue::from_bytes(value).map_err(HarnessError::http(self.line()))?;
        Ok((name, value))
    }
}

/// A body of unknown length.
struct Pieces {
    pieces: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    pause: Duration,
    wait: Option<Pin<Box<Sleep>>>,
    begun: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.begun && !self.pause.is_zero() && self.wait.is_none() {
            self.wait = Some(Box::pin(sleep(self.pause)));
        }
        if let Some(wait) = &mut self.wait {
            if wait.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.wait = None;
        }
        self.begun = true;
        let data = self.pieces.pop_front().map(Frame::data);
        let frame = data.or_else(|| self.trailers.take().map(Frame::trailers));
        Poll::Ready(frame.map(Ok))
    }
}
