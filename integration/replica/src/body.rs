//! Response bodies, and the ways in which a test wants them written.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

use crate::script::ReplyScript;

/// Any response body; an error cuts the connection (HTTP/1.1) or resets the stream (HTTP/2).
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// A body that is known as a whole.
pub(crate) fn full(bytes: impl Into<Bytes>) -> ReplyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// How the bytes of a body are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Framing {
    frame_bytes: Option<usize>,
    frame_delay: Duration,
    trailers: Option<HeaderMap>,
    gzip: bool,
}

impl Framing {
    /// What `script` asks for; trailers that are no valid headers are left out.
    pub(crate) fn of(script: &ReplyScript) -> Self {
        let trailers = script.trailers.as_ref().map(|pairs| {
            let pair = |(name, value): &(String, String)| {
                let name = HeaderName::try_from(name).ok()?;
                Some((name, HeaderValue::try_from(value).ok()?))
            };
            pairs.iter().filter_map(pair).collect()
        });
        Self {
            frame_bytes: script.frame_bytes.map(|bytes| bytes.max(1)),
            frame_delay: Duration::from_millis(script.frame_delay_ms.unwrap_or(0)),
            trailers,
            gzip: script.gzip.unwrap_or(false),
        }
    }

    /// One write of the whole body would do.
    pub(crate) fn is_plain(&self) -> bool {
        self.frame_bytes.is_none() && self.trailers.is_none() && !self.gzip
    }

    /// Response headers that follow from the framing.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::new();
        if self.gzip {
            let gzip = HeaderValue::from_static("gzip");
            headers.push((hyper::header::CONTENT_ENCODING, gzip));
        }
        for name in self.trailers.iter().flat_map(HeaderMap::keys) {
            headers.push((hyper::header::TRAILER, HeaderValue::from(name.clone())));
        }
        headers
    }
}

/// Writes a body piece by piece.
#[derive(Debug)]
pub(crate) struct BodyWriter {
    frames: mpsc::Sender<Result<Frame<Bytes>, io::Error>>,
    framing: Framing,
    gzip: Option<GzEncoder<Vec<u8>>>,
    /// A frame was sent.
    begun: bool,
}

/// The client went away.
#[derive(Debug, thiserror::Error)]
#[error("the client closed the connection")]
pub(crate) struct Gone;

impl BodyWriter {
    /// A writer and the body that it writes.
    pub(crate) fn new(framing: Framing) -> (Self, ReplyBody) {
        let (frames, received) = mpsc::channel(1);
        let gzip = framing.gzip.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        (Self { frames, framing, gzip, begun: false }, Frames(received).boxed_unsync())
    }

    /// Writes `bytes`, so that a reader sees all of them before the next write.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Gone> {
        let bytes = match &mut self.gzip {
            Some(encoder) => compressed(encoder, &bytes).map_err(|_| Gone)?,
            None => bytes,
        };
        self.frame(bytes).await
    }

    /// Ends the body properly, with its trailers.
    pub(crate) async fn finish(mut self) -> Result<(), Gone> {
        if let Some(encoder) = self.gzip.take() {
            let tail = encoder.finish().map_err(|_| Gone)?;
            self.frame(tail.into()).await?;
        }
        match self.framing.trailers.take() {
            Some(trailers) => self.send(Ok(Frame::trailers(trailers))).await,
            None => Ok(()),
        }
    }

    /// Breaks the connection off.
    pub(crate) async fn cut(self) {
        let error = io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose");
        let _ = self.send(Err(error)).await;
    }

    /// Returns when nobody reads the body any more.
    pub(crate) async fn gone(self) {
        self.frames.closed().await;
    }

    async fn frame(&mut self, bytes: Bytes) -> Result<(), Gone> {
        let size = self.framing.frame_bytes.unwrap_or(usize::MAX);
        let mut rest = bytes;
        while !rest.is_empty() {
            let frame = rest.split_to(size.min(rest.len()));
            if self.begun && !self.framing.frame_delay.is_zero() {
                tokio::time::sleep(self.framing.frame_delay).await;
            }
            self.begun = true;
            self.send(Ok(Frame::data(frame))).await?;
        }
        Ok(())
    }

    async fn send(&self, frame: Result<Frame<Bytes>, io::Error>) -> Result<(), Gone> {
        self.frames.send(frame).await.map_err(|_| Gone)
    }
}

/// What the encoder gives for `bytes` when flushed, so that each event can be read at once.
fn compressed(encoder: &mut GzEncoder<Vec<u8>>, bytes: &[u8]) -> io::Result<Bytes> {
    encoder.write_all(bytes)?;
    encoder.flush()?;
    Ok(std::mem::take(encoder.get_mut()).into())
}

struct Frames(mpsc::Receiver<Result<Frame<Bytes>, io::Error>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context)
    }
}
