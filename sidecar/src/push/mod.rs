//! Pushes a pool's newest snapshot to one gateway for as long as the sidecar runs.
//!
//! Each pair of gateway and pool has its own loop and connection, so a gateway that hangs holds
//! up neither polling nor anybody else.

mod error;
mod link;
mod publish;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use weir_settings::sidecar::Gateway;
use weir_snapshot::{Accepted, signature};

use error::PushError;
pub(crate) use link::{Link, Status};
pub(crate) use publish::{Newest, Publisher, Snapshot};

use crate::client::{Client, Target};
use crate::poll::AGENT;

/// Where the intake filter listens.
const PATH: &str = "/weir/v1/snapshot";

/// Largest reply that is read, in bytes: room for the counts of 4,096 endpoints.
const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Pauses after failures double from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// The loop that pushes one pool to one gateway.
#[derive(Debug)]
pub(crate) struct Pusher {
    link: Arc<Link>,
    newest: Newest,
    client: Client,
    host: String,
    limit: Duration,
    reply: Vec<u8>,
}

impl Pusher {
    /// The pusher of what `newest` holds to `gateway`.
    pub(crate) fn new(
        link: Arc<Link>,
        gateway: &Gateway,
        newest: Newest,
        push_timeout: Duration,
    ) -> Self {
        let host = match gateway {
            Gateway::Http(url) => url.authority().to_owned(),
            Gateway::Unix(_) => "weir".to_owned(),
        };
        let client = Client::new(Target::of_gateway(gateway));
        Self { link, newest, client, host, limit: push_timeout, reply: Vec::new() }
    }

    /// Pushes for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        // An error says that the publisher is gone, so the sidecar ends.
        while self.newest.changed().await.is_ok() {
            let newest = self.newest.borrow_and_update().clone();
            let Some(snapshot) = newest else { continue };
            let started = Instant::now();
            let result = self.push(&snapshot).await;
            failures = if result.is_ok() { 0 } else { failures + 1 };
            let ended = Instant::now();
            self.link.record(result, ended, ended - started);
            sleep(pause(failures)).await;
        }
    }

    async fn push(&mut self, snapshot: &Snapshot) -> Result<Accepted, PushError> {
        let request = self.request(snapshot)?;
        let exchange = self.client.exchange(&request, MAX_REPLY_BYTES, &mut self.reply);
        let status =
            timeout(self.limit, exchange).await.map_err(|_| PushError::Timeout(self.limit))??;
        if status != StatusCode::OK {
            return Err(PushError::of_refusal(status.as_u16(), &self.reply));
        }
        Accepted::parse(&self.reply).map_err(|_| PushError::BadReply)
    }

    fn request(&self, snapshot: &Snapshot) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::post(PATH)
            .header(HOST, &self.host)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json");
        if let Some(value) = &snapshot.signature {
            request = request.header(signature::HEADER, value);
        }
        request.body(Full::new(snapshot.body.clone()))
    }
}

/// How long to wait after this many failures in a row.
fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LAST_PAUSE),
    }
}
