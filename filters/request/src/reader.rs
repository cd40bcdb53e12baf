//! Reading a held request body, each byte once.

use weir_host::{Body, HeaderBlock, HeaderMap, Host, LogLevel};
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Endpoint, classify};
use weir_wire::request::{RequestFacts, RequestScanner, ScanLimits};

use crate::held::{Held, check_memory};

/// What the request headers tell.
pub struct RequestHead {
    headers: HeaderBlock,
    endpoint: Option<Endpoint>,
}

impl RequestHead {
    /// Reads all request headers, once.
    pub fn read<H: Host>(host: &H) -> Self {
        let headers = host.header_block(HeaderMap::Request);
        let method = headers.get(":method").unwrap_or_default();
        let path = headers.get(":path").unwrap_or_default();
        let endpoint = classify(method, path);
        Self { headers, endpoint }
    }

    /// The inference API that is asked for; `None` if it is none, and so nothing for Weir.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref()
    }

    /// The dialect to answer in; OpenAI's where the path tells nothing.
    pub fn dialect(&self) -> Dialect {
        self.endpoint.as_ref().map_or(Dialect::OpenAi, |endpoint| endpoint.dialect)
    }

    /// The first value of a request header.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.get(name)
    }

    /// The path as sent.
    pub fn path(&self) -> &[u8] {
        self.header(":path").unwrap_or_default()
    }
}

/// Most bytes that are copied out of Envoy at a time. A piece fits a core's second-level cache, and
/// the next one gets the same memory from the allocator, so a large body never passes through RAM
/// once more.
const PIECE_BYTES: usize = 64 * 1024;

/// Where another filter wants the body too, one that is announced to be at most this long is read at
/// its end and at once, so that it is copied out of Envoy once, and not for each of them. The first one
/// reads 512 KiB in a fraction of a millisecond.
const AT_ONCE_BYTES: u64 = 512 * 1024;

/// Feeds the scanner with what each body callback adds.
pub struct BodyReader {
    /// Boxed, because it is kilobytes large and moves with every change of a stream's phase.
    scanner: Box<RequestScanner>,
    /// Bytes that were read.
    seen: usize,
    /// Bytes that were there at the last call.
    buffered: usize,
    limit: u64,
    /// Most bytes that are read in one piece.
    piece: usize,
    /// The whole body, if it was read in one piece.
    only: Option<Vec<u8>>,
    held: Held,
}

impl BodyReader {
    /// A reader of a body of at most `limit` bytes. `shared` says that another filter takes what was
    /// read.
    ///
    /// # Errors
    /// The headers already tell that the body cannot be read: too long, or compressed; or the VM has no memory left.
    pub fn new<H: Host>(
        host: &H,
        head: &RequestHead,
        endpoint: &Endpoint,
        limit: u64,
        shared: bool,
    ) -> Result<Self, ErrorReply> {
        check_memory(host)?;
        let announced = head
            .header("content-length")
            .and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(ErrorReply::too_large(limit_shown(limit)));
        }
        let encoding = head.header("content-encoding").unwrap_or(b"identity");
        if !encoding.eq_ignore_ascii_case(b"identity") {
            return Err(ErrorReply::unsupported_content("it is compressed"));
        }
        let scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
        let scanner = Box::new(if shared { scanner.noting_strings() } else { scanner });
        let at_once = shared && announced.is_some_and(|length| length <= AT_ONCE_BYTES);
        let piece = if at_once { usize::MAX } else { PIECE_BYTES };
        Ok(Self { scanner, seen: 0, buffered: 0, limit, piece, only: None, held: Held::default() })
    }

    /// Takes what is new of a body of which `size` bytes are buffered. As long as more is to come
    /// (not `ended`), less than a piece is left for later: a body of a few dozen KB comes in several
    /// callbacks, and the scanner's code would be cold in each.
    ///
    /// # Errors
    /// The body is malformed or too long, or other streams hold too much.
    pub fn advance<H: Host>(
        &mut self,
        host: &H,
        size: usize,
        ended: bool,
    ) -> Result<(), ErrorReply> {
        self.buffered = size;
        if u64::try_from(size).unwrap_or(u64::MAX) > self.limit {
            return Err(ErrorReply::too_large(limit_shown(self.limit)));
        }
        self.held.grow(host, size)?;
        let least = if ended { 1 } else { self.piece };
        while let Some(left) = size.checked_sub(self.seen).filter(|&left| left >= least) {
            let chunk = host.body(Body::Request, self.seen, left.min(self.piece));
            let chunk = chunk.unwrap_or_default();
            if chunk.is_empty() {
                // The host promised bytes that it does not give.
                let seen = self.seen;
                let message =
                    format!("weir: Envoy tells of {size} bytes of a body and shows {seen}");
                host.log(LogLevel::Error, &message);
                return Err(ErrorReply::misconfigured());
            }
            self.scanner.feed(&chunk).map_err(|error| ErrorReply::from(&error))?;
            self.seen = self.seen.saturating_add(chunk.len());
            // Not kept otherwise: the next piece is to get this one's memory.
            self.only = (ended && chunk.len() == size).then_some(chunk);
        }
        Ok(())
    }

    /// How many bytes of the body were buffered at the last call.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// The whole body, if it was read in one piece.
    pub fn take_body(&mut self) -> Option<Vec<u8>> {
        self.only.take()
    }

    /// The facts of the whole body.
    ///
    /// # Errors
    /// The body ended too early.
    pub fn finish(self) -> Result<RequestFacts, ErrorReply> {
        self.scanner.finish().map_err(|error| ErrorReply::from(&error))
    }
}

fn limit_shown(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_host::FakeHost;

    fn reader(host: &FakeHost, shared: bool) -> BodyReader {
        host.set_header(HeaderMap::Request, ":method", b"POST").unwrap();
        host.set_header(HeaderMap::Request, ":path", b"/v1/chat/completions").unwrap();
        let head = RequestHead::read(host);
        let endpoint = head.endpoint().cloned().unwrap();
        BodyReader::new(host, &head, &endpoint, u64::MAX, shared).unwrap()
    }

    #[test]
    fn less_than_a_piece_waits_for_the_end() {
        let host = FakeHost::new();
        let mut reader = reader(&host, false);
        host.set_body(Body::Request, br#"{"model":"#);
        reader.advance(&host, 9, false).unwrap();
        assert_eq!((reader.seen, reader.buffered()), (0, 9));
        host.set_body(Body::Request, br#"{"model":"m"}"#);
        reader.advance(&host, 13, true).unwrap();
        assert_eq!(reader.take_body().as_deref(), Some(&br#"{"model":"m"}"#[..]));
        assert_eq!(reader.finish().unwrap().model.unwrap().name, "m");
    }

    #[test]
    fn whole_pieces_are_read_as_they_come() {
        let host = FakeHost::new();
        let mut reader = reader(&host, false);
        let body = [b"{\"x\":\"", "y".repeat(PIECE_BYTES).as_bytes()].concat();
        host.set_body(Body::Request, &body);
        reader.advance(&host, body.len(), false).unwrap();
        assert_eq!((reader.seen, reader.take_body()), (PIECE_BYTES, None));
    }

    #[test]
    fn what_another_takes_is_read_at_its_end_and_at_once_if_it_is_announced_to_be_short_enough() {
        let body = format!(r#"{{"x":"{}"}}"#, "y".repeat(2 * PIECE_BYTES));
        for (announced, at_once) in
            [(Some(body.len()), true), (Some(1 << 20), false), (None, false)]
        {
            let host = FakeHost::new();
            if let Some(length) = announced {
                let length = length.to_string();
                host.set_header(HeaderMap::Request, "content-length", length.as_bytes()).unwrap();
            }
            let mut reader = reader(&host, true);
            host.set_body(Body::Request, body.as_bytes());
            reader.advance(&host, body.len(), false).unwrap();
            assert_eq!(reader.seen == 0, at_once, "{announced:?}");
            reader.advance(&host, body.len(), true).unwrap();
            assert_eq!(reader.take_body().is_some(), at_once, "{announced:?}");
            assert_ne!(reader.finish().unwrap().strings, Default::default());
        }
    }
}
