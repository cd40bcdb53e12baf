//! The loop that asks Redis.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::warn;

use super::desk::Leases;
use super::script::{Scripts, answer, beat_answer, beat_call, lease_call};
use crate::redis::{AskError, Redis};

/// How often Redis hears that the gateways live.
const BEAT: Duration = Duration::from_secs(1);

/// How often it is tried while it does not answer.
const BEAT_LOST: Duration = Duration::from_millis(250);

/// Between two exchanges at least: what several gateways tell goes into one.
const GAP: Duration = Duration::from_millis(20);

/// How often it is said that what Redis answers makes no sense.
const SAID: Duration = Duration::from_secs(60);

/// What passes on to Redis what gateways tell.
#[derive(Debug)]
pub(crate) struct LeaseExchange {
    leases: Arc<Leases>,
    redis: Arc<Redis>,
    scripts: Scripts,
    said_at: Option<Instant>,
}

impl LeaseExchange {
    pub(crate) fn new(leases: &Arc<Leases>, redis: &Arc<Redis>) -> Self {
        let (leases, redis) = (Arc::clone(leases), Arc::clone(redis));
        Self { leases, redis, scripts: Scripts::new(), said_at: None }
    }

    /// Exchanges for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let mut next_beat = Instant::now();
        loop {
            let told = timeout_at(next_beat, self.leases.told.notified()).await.is_ok();
            if !told || Instant::now() >= next_beat {
                self.beat().await;
                let pause = if self.leases.is_reachable() { BEAT } else { BEAT_LOST };
                next_beat = Instant::now() + pause;
            }
            if self.leases.is_reachable() {
                self.exchange().await;
            }
            sleep(GAP).await;
        }
    }

    /// Says which gateways live.
    pub(super) async fn beat(&mut self) {
        let (key, gateways) = self.leases.beat();
        let call = beat_call(&self.redis, &key, gateways);
        let replies = self.redis.run(&self.scripts.beat, &[call]).await;
        match replies.map(|replies| replies.into_iter().next()) {
            Ok(Some(Ok(value))) => match beat_answer(&value) {
                Some(fleet) => self.leases.beaten(fleet, Instant::now()),
                None => self.odd("digest key or gateways"),
            },
            _ => self.leases.lost(),
        }
    }

    /// Asks about every key of which there is something to say.
    pub(super) async fn exchange(&mut self) {
        let now = Instant::now();
        let Some(redis_ms) = self.leases.redis_ms(now) else { return };
        let errands = self.leases.errands(now);
        if errands.is_empty() {
            return;
        }
        let call = |errand: &super::desk::Errand| {
            let terms = (&errand.limit, &errand.wish, redis_ms);
            lease_call(&self.redis, &errand.gateway, &errand.report, terms)
        };
        let calls: Vec<_> = errands.iter().map(call).collect();
        let Ok(replies) = self.redis.run(&self.scripts.lease, &calls).await else {
            return self.leases.lost();
        };
        for (errand, reply) in errands.iter().zip(replies) {
            match reply.as_ref().map(answer) {
                Ok(Some(answer)) => self.leases.take(errand, answer),
                Ok(None) => self.odd("a lease"),
                Err(AskError::Refused(_)) => self.odd("a lease (refused)"),
                Err(_) => self.leases.lost(),
            }
        }
    }

    /// What Redis has under a key is not what was put there.
    fn odd(&mut self, what: &str) {
        self.leases.lost();
        let now = Instant::now();
        if self.said_at.is_none_or(|said| now - said >= SAID) {
            self.said_at = Some(now);
            warn!(
                what,
                "redis answers what cannot be used, so limits with scope fleet go by on_unavailable: is its memory \
                 full, a replica asked, or the prefix shared with something else?"
            );
        }
    }
}
