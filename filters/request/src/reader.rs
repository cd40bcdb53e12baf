//! Reading a held request body, each byte once.

use weir_host::{Body, HeaderBlock, HeaderMap, Host};
use weir_wire::error::ErrorReply;
use weir_wire::path::{Dialect, Endpoint, classify};
use weir_wire::request::{RequestFacts, RequestScanner, ScanLimits};

/// What the request headers tell.
pub struct Opening {
    headers: HeaderBlock,
    endpoint: Option<Endpoint>,
}

impl Opening {
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

/// Feeds the scanner with what each body callback adds.
pub struct BodyReader {
    /// Boxed, because it is kilobytes large and moves with every change of a stream's phase.
    scanner: Box<RequestScanner>,
    seen: usize,
    limit: u64,
}

impl BodyReader {
    /// A reader of a body of at most `limit` bytes.
    ///
    /// # Errors
    /// The headers already tell that the body cannot be read: too long, or compressed.
    pub fn new(opening: &Opening, endpoint: &Endpoint, limit: u64) -> Result<Self, ErrorReply> {
        let announced = opening
            .header("content-length")
            .and_then(|value| std::str::from_utf8(value).ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(ErrorReply::too_large(limit_shown(limit)));
        }
        let encoding = opening.header("content-encoding").unwrap_or(b"identity");
        if !encoding.eq_ignore_ascii_case(b"identity") {
            return Err(ErrorReply::unsupported_content("it is compressed"));
        }
        let scanner = RequestScanner::new(endpoint.operation, ScanLimits::default());
        let scanner = Box::new(scanner);
        Ok(Self { scanner, seen: 0, limit })
    }

    /// Takes what is new of a body of which `size` bytes are buffered.
    ///
    /// # Errors
    /// The body is malformed or too long.
    pub fn advance<H: Host>(&mut self, host: &H, size: usize) -> Result<(), ErrorReply> {
        if u64::try_from(size).unwrap_or(u64::MAX) > self.limit {
            return Err(ErrorReply::too_large(limit_shown(self.limit)));
        }
        while let Some(left) = size.checked_sub(self.seen).filter(|&left| left > 0) {
            let chunk = host.body(Body::Request, self.seen, left.min(PIECE_BYTES));
            let chunk = chunk.unwrap_or_default();
            if chunk.is_empty() {
                // The host promised bytes that it does not give.
                return Err(ErrorReply::misconfigured());
            }
            self.seen = self.seen.saturating_add(chunk.len());
            self.scanner.feed(&chunk).map_err(|error| ErrorReply::from(&error))?;
        }
        Ok(())
    }

    /// How many bytes of the body have been read.
    pub fn seen(&self) -> usize {
        self.seen
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
