//! Pushes a pool's newest snapshot to one gateway for as long as it is there.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};
use weir_settings::sidecar::Gateway;
use weir_snapshot::limits::MAX_BODY_BYTES;
use weir_snapshot::signature::{
    BodyDigest, CHALLENGE_HEADER, HEADER, NO_CHALLENGE, PATH, SPENDING_HEADER,
};
use weir_snapshot::{Accepted, FleetReport};

use super::error::PushError;
use super::gateways::Gateways;
use super::link::Link;
use super::publish::{Newest, Snapshot};
use super::relay::Relay;
use super::turn::{Holder, Turn, Verdict};
use crate::client::{AGENT, Client, Target};
use crate::config::Keys;
use crate::leases::Leases;
use crate::peers::PoolShare;
use crate::prefix_log::PrefixLog;

/// Largest reply that is read, in bytes: room for the counts of 4,096 endpoints and 256 rows of spending.
const MAX_REPLY_BYTES: usize = 1024 * 1024;

/// Pauses after failures double from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// What is pushed of one pool.
#[derive(Clone, Debug)]
pub(crate) struct PushPlan {
    pub(crate) pool: String,
    pub(crate) interval: Duration,
    pub(crate) newest: Newest,
    pub(crate) turn: Arc<Turn>,
    /// What gateways have leased of limits of the fleet; of all pools, the first brings it.
    pub(crate) leases: Option<Arc<Leases>>,
    /// What gateways learn of prefix caches, where that is shared.
    pub(crate) prefixes: Option<Arc<PrefixLog>>,
}

/// The status of a refusal of the signature.
const UNSIGNED: u16 = 401;

/// The loop that pushes one pool to one gateway.
#[derive(Debug)]
pub(crate) struct Pusher {
    link: Arc<Link>,
    gateways: Arc<Gateways>,
    newest: Newest,
    client: Client,
    host: String,
    limit: Duration,
    reply: Vec<u8>,
    /// True once it was said that a snapshot has no room.
    told_full: bool,
    keys: Keys,
    /// Which of the keys the gateway takes.
    key_at: usize,
    /// What the gateway wants pushes to be signed with.
    challenge: String,
    turn: Arc<Turn>,
    holder: Holder,
    leases: Option<Arc<Leases>>,
    relay: Option<Relay>,
}

impl Pusher {
    /// The pusher of what `plan` says to `gateway`; `gateways` say what they have under way.
    pub(crate) fn new(
        (link, gateways): (&Arc<Link>, &Arc<Gateways>),
        gateway: &Gateway,
        plan: &PushPlan,
        keys: Keys,
        push_timeout: Duration,
    ) -> Self {
        Self {
            newest: plan.newest.clone(),
            client: Client::new(Target::of_gateway(gateway)),
            host: Target::host_of_gateway(gateway),
            limit: push_timeout,
            reply: Vec::new(),
            told_full: false,
            keys,
            key_at: 0,
            challenge: link.challenge().unwrap_or_else(|| NO_CHALLENGE.to_owned()),
            turn: Arc::clone(&plan.turn),
            holder: Holder::new(link.fresh()),
            leases: plan.leases.clone(),
            relay: plan.prefixes.as_ref().map(Relay::new),
            link: Arc::clone(link),
            gateways: Arc::clone(gateways),
        }
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
            let ended = Instant::now();
            let result = match result {
                Ok(reply) => {
                    self.holder.forget();
                    Ok(reply)
                }
                Err(error) => Err(self.judge(error, ended)),
            };
            failures = if result.is_ok() { 0 } else { failures + 1 };
            self.link.record(result, ended, ended - started);
            sleep(pause(failures)).await;
        }
    }

    /// Decides whether to stand by or to take over from the sidecar that a refusal tells of.
    fn judge(&mut self, error: PushError, now: Instant) -> PushError {
        let PushError::OutOfOrder { message, held: Some(held) } = error else { return error };
        let (gateway, pool) = (self.link.gateway(), self.link.pool());
        match self.holder.observe(held, &self.turn, now) {
            Verdict::Overtaken => PushError::OutOfOrder { message, held: Some(held) },
            Verdict::StandBy => PushError::Standby { message },
            Verdict::TakeOver if self.turn.take_over(held.epoch) => {
                let epoch = self.turn.epoch();
                warn!(pool, gateway, epoch, "takes over from a sidecar that has been silent");
                PushError::Standby { message }
            }
            Verdict::TakeOver => {
                let epoch = held.epoch;
                error!(
                    pool,
                    gateway, epoch, "no sidecar can follow this epoch: restart the gateway"
                );
                PushError::OutOfOrder { message, held: Some(held) }
            }
        }
    }

    /// Pushes what this gateway is to be told.
    async fn push(&mut self, snapshot: &Snapshot) -> Result<Accepted, PushError> {
        let link = Arc::clone(&self.link);
        let gateway = link.gateway();
        let next = self.relay.as_ref().map(|relay| relay.next(gateway));
        let (prefixes, up_to) = next.unzip();
        let elsewhere = self.gateways.elsewhere(link.pool(), gateway, Instant::now());
        let news = self.leases.as_ref().and_then(|leases| leases.news(gateway, link.fresh()));
        let has_more = !elsewhere.is_empty() || prefixes.is_some() || news.is_some();
        let mut own = snapshot.with(&elsewhere, prefixes, news.clone());
        if has_more && own.is_none() {
            // Leases before all else: without them the gateway's limits are not the fleet's.
            own = snapshot.with(&PoolShare::new(), None, news);
            self.tell_full();
        }
        let mut reply = self.push_signed(own.as_ref().unwrap_or(snapshot)).await?;
        if let Some(relay) = &mut self.relay {
            relay.took(gateway, up_to.unwrap_or_default(), &mut reply, Instant::now());
        }
        if let Some(report) = FleetReport::parse(&std::mem::take(&mut reply.fleet)) {
            link.set_envoy(report.gateway.clone());
            // A gateway without such limits says which it is to whoever shares.
            if let Some(leases) = self.leases.as_ref().filter(|_| !report.limits.is_empty()) {
                leases.record(gateway, report);
            }
        }
        Ok(reply)
    }

    /// Says once that what comes from other gateways does not fit beside the pool.
    fn tell_full(&mut self) {
        if !std::mem::replace(&mut self.told_full, true) {
            let (gateway, pool, most) = (self.link.gateway(), self.link.pool(), MAX_BODY_BYTES);
            warn!(
                pool,
                gateway,
                most,
                "the snapshot has no room for what other gateways have under way and have learned: split the pool"
            );
        }
    }

    /// Pushes, signed with the key that the gateway takes.
    async fn push_signed(&mut self, snapshot: &Snapshot) -> Result<Accepted, PushError> {
        let first = self.push_answering(snapshot).await;
        let refused = matches!(first, Err(PushError::Refused { status: UNSIGNED, .. }));
        if !refused || self.keys.count() < 2 {
            return first;
        }
        let before = self.key_at;
        self.key_at = 1 - before;
        let second = self.push_answering(snapshot).await;
        match second {
            Err(PushError::Refused { status: UNSIGNED, .. }) => {
                self.key_at = before;
                return first;
            }
            // Nobody has looked at that key.
            Err(PushError::Client(_) | PushError::Timeout(_) | PushError::Request(_)) => {
                self.key_at = before;
                return second;
            }
            _ => {}
        }
        let (gateway, pool, key) = (self.link.gateway(), self.link.pool(), self.key_at + 1);
        info!(gateway, pool, key, "gateway takes the other key");
        second
    }

    /// Pushes; twice if the gateway asks for another challenge.
    async fn push_answering(&mut self, snapshot: &Snapshot) -> Result<Accepted, PushError> {
        match self.push_once(snapshot).await {
            Err(PushError::Challenge { challenge: Some(challenge), .. })
                if self.keys.count() > 0 =>
            {
                self.link.set_challenge(challenge.clone());
                self.challenge = challenge;
                self.push_once(snapshot).await
            }
            result => result,
        }
    }

    async fn push_once(&mut self, snapshot: &Snapshot) -> Result<Accepted, PushError> {
        let request = self.request(&snapshot.body, snapshot.digest)?;
        self.link.count_bytes(snapshot.body.len());
        let exchange = self.client.exchange(&request, MAX_REPLY_BYTES, &mut self.reply);
        let status =
            timeout(self.limit, exchange).await.map_err(|_| PushError::Timeout(self.limit))??;
        if status != StatusCode::OK {
            return Err(PushError::of_refusal(status.as_u16(), &self.reply));
        }
        Accepted::parse(&self.reply).map_err(|_| PushError::BadReply)
    }

    fn request(
        &self,
        body: &Bytes,
        digest: BodyDigest,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let mut request = Request::post(PATH)
            .header(HOST, &self.host)
            .header(USER_AGENT, AGENT)
            .header(CONTENT_TYPE, "application/json")
            .header(SPENDING_HEADER, self.link.spending_seen().to_string());
        if let Some(key) = self.keys.at(self.key_at) {
            request = request
                .header(CHALLENGE_HEADER, &self.challenge)
                .header(HEADER, key.sign_push(&self.challenge, digest));
        }
        request.body(Full::new(body.clone()))
    }
}

/// How long to wait after this many failures in a row.
fn pause(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        _ => FIRST_PAUSE.saturating_mul(1 << (failures - 1).min(10)).min(LAST_PAUSE),
    }
}
