//! Keeps a connection to Redis.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::time::{Instant, sleep, timeout};

use super::access::RedisAccess;
use super::client::Redis;
use super::connection::Connector;
use super::error::{Failure, of_connecting};

/// Pauses after failures double from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Connecting may take so many exchanges: sentinels and clusters are asked first where the server is.
const STEPS: u32 = 3;

/// The loop that connects.
pub(crate) struct Keeper {
    redis: Arc<Redis>,
    connector: Connector,
    limit: Duration,
}

impl Keeper {
    /// The keeper of `redis`, which is reached as `access` says.
    ///
    /// # Errors
    /// The library's; that what `access` says can be used was found out when it was loaded.
    pub(crate) fn new(redis: &Arc<Redis>, access: &RedisAccess) -> Result<Self, RedisError> {
        let (redis, limit) = (Arc::clone(redis), access.settings.timeout);
        Ok(Self { redis, connector: Connector::new(access)?, limit })
    }

    /// Connects whenever there is no connection, for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let mut failures = 0;
        loop {
            let good = self.redis.health().view().round_trips.count();
            if self.connect().await {
                self.redis.broken.notified().await;
            }
            // A server that takes connections and then says nothing is as bad as one that takes none.
            let served = self.redis.health().view().round_trips.count() > good;
            failures = if served { 0 } else { failures + 1 };
            sleep(pause(failures, fastrand::f64())).await;
        }
    }

    async fn connect(&mut self) -> bool {
        let connecting = timeout(self.limit * STEPS, self.connector.connect(self.limit));
        let (failure, reason) = match connecting.await {
            Ok(Ok(connection)) => {
                self.redis.connected(connection);
                return true;
            }
            Ok(Err(error)) => of_connecting(&error),
            Err(_) => (Failure::Timeout, format!("no connection within {:?}", self.limit * STEPS)),
        };
        self.redis.health().failed(failure, reason, Instant::now());
        false
    }
}

/// How long to wait after so many failures in a row: half of it at least, and as much more as `random` (0 to 1) says,
/// so that many sidecars do not all come back at once.
fn pause(failures: u32, random: f64) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LAST_PAUSE);
    most.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        assert_eq!(pause(0, 0.0), Duration::from_millis(25));
        assert_eq!(pause(0, 1.0), FIRST_PAUSE);
        assert_eq!(pause(3, 1.0), Duration::from_millis(400));
        assert_eq!((pause(u32::MAX, 1.0), pause(7, 0.0)), (LAST_PAUSE, LAST_PAUSE / 2));
    }
}
