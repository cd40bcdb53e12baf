//! The loop that writes a sidecar's load to Redis, and reads that of the others.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Value};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::warn;

use super::value::{MAX_VALUE_BYTES, Said, decode, encode};
use crate::peers::Peers;
use crate::prefix_log::{Numbered, PrefixLog};
use crate::push::Gateways;
use crate::redis::{AskError, Call, Failure, Redis, Reply, Script};

/// A value is kept for so many intervals, and for two seconds at least: as long as what a gateway said counts.
const KEPT_INTERVALS: u32 = 5;
const LEAST_KEPT: Duration = Duration::from_secs(2);

/// How often it is asked which sidecars there are, unless the interval is longer.
const ENTER_EVERY: Duration = Duration::from_secs(1);

/// When nothing has changed for so long, here and at all others, the others are asked less often: whoever places no
/// requests need not know at once what others have in flight, and Redis has little to do for an idle fleet.
const QUIET_AFTER: Duration = Duration::from_secs(2);

/// How often they are asked then, and how often it is asked which there are; unless the interval is longer.
const READ_QUIET_EVERY: Duration = Duration::from_secs(1);
const ENTER_QUIET_EVERY: Duration = Duration::from_secs(2);

/// How often it is logged that something in Redis makes no sense.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Most sidecars whose load is read.
const MAX_PEERS: usize = 64;

/// The logs by pool.
type Logs = BTreeMap<String, Arc<PrefixLog>>;

/// The loop.
#[derive(Debug)]
pub(crate) struct Exchange {
    redis: Arc<Redis>,
    gateways: Arc<Gateways>,
    peers: Arc<Peers>,
    /// What gateways learn of prefix caches, by pool.
    logs: Logs,
    /// Up to which number that of each sidecar and pool was taken.
    taken: HashMap<(String, String), u64>,
    interval: Duration,
    /// This sidecar's name in Redis.
    id: String,
    members: Script,
    /// The others' names, those heard last first.
    others: Vec<String>,
    entered: Option<Instant>,
    /// What was written last, and when.
    written: Option<(Vec<u8>, Instant)>,
    /// What all others said last, as a hash, and until when they need not be asked again while all is quiet.
    read: Option<(u64, Instant)>,
    /// When something changed last, here or there.
    changed: Instant,
    told: Option<Instant>,
}

impl Exchange {
    /// The loop of the sidecar that `sender` stands for: it writes what `gateways` have in flight, and tells `peers` what
    /// the others have, once in every `interval`.
    pub(crate) fn new(
        redis: &Arc<Redis>,
        gateways: &Arc<Gateways>,
        (peers, logs): (&Arc<Peers>, Logs),
        (sender, interval): (u64, Duration),
    ) -> Self {
        Self {
            redis: Arc::clone(redis),
            gateways: Arc::clone(gateways),
            peers: Arc::clone(peers),
            logs,
            taken: HashMap::new(),
            interval,
            id: format!("{sender:x}"),
            members: Script::new(include_str!("members.lua")),
            others: Vec::new(),
            entered: None,
            written: None,
            read: None,
            changed: Instant::now(),
            told: None,
        }
    }

    /// Exchanges for ever; to be dropped when the sidecar ends.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(self.interval);
        // An exchange that comes late is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if self.once().await.is_err() {
                // A server that was restarted knows nothing any more. What others have said grows old by itself.
                (self.entered, self.written, self.read) = (None, None, None);
            }
        }
    }

    async fn once(&mut self) -> Result<(), AskError> {
        let started = Instant::now();
        let prefixes = self.logs.iter().map(|(pool, log)| (pool.clone(), log.own(started)));
        let prefixes = prefixes.collect();
        let own = encode(Said { shares: self.gateways.in_flight(started), prefixes });
        if self.written.as_ref().is_none_or(|(before, _)| *before != own) {
            self.changed = started;
        }
        let passed = |at: Option<Instant>, every: Duration| {
            at.is_none_or(|at| started.saturating_duration_since(at) >= every.max(self.interval))
        };
        let quiet = started.saturating_duration_since(self.changed) >= QUIET_AFTER;
        let enters = passed(self.entered, if quiet { ENTER_QUIET_EVERY } else { ENTER_EVERY });
        // What was heard before it fell quiet holds for a short time only, so they are asked once more at once.
        let reads = !quiet || self.read.is_none_or(|(_, until)| started >= until);
        if enters {
            self.enter().await?;
            self.entered = Some(started);
        }
        let mut commands = Vec::with_capacity(self.others.len() + 1);
        if self.is_to_be_written(&own, started) {
            commands.push(self.write(&own));
        }
        let written = commands.len();
        if reads {
            commands.extend(self.others.iter().map(|id| self.read(id)));
        }
        let mut replies = match commands.is_empty() {
            true => Vec::new(),
            false => self.redis.ask(&commands).await?,
        };
        let others = replies.split_off(written.min(replies.len()));
        if let Some(result) = replies.into_iter().next() {
            result?;
            self.written = Some((own, started));
        }
        if reads {
            self.hear(others, quiet);
        }
        Ok(())
    }

    /// Takes what all others say.
    fn hear(&mut self, replies: Vec<Reply>, quiet: bool) {
        let (now, mut hash, mut shares) = (Instant::now(), 0_u64, Vec::new());
        for (id, reply) in self.others.clone().iter().zip(replies) {
            if let Ok(Value::BulkString(bytes)) = &reply {
                // A sum, since who was heard last changes all the time.
                let mut one = DefaultHasher::new();
                (id, bytes).hash(&mut one);
                hash = hash.wrapping_add(one.finish());
            }
            let Some(said) = self.heard(reply) else { continue };
            self.take(id, said.prefixes, now);
            shares.push(said.shares);
        }
        if self.read.is_none_or(|(before, _)| before != hash) {
            self.changed = now;
        }
        let next = if quiet { READ_QUIET_EVERY.max(self.interval) } else { Duration::ZERO };
        self.read = Some((hash, now + next));
        self.peers.take(shares, now, next);
    }

    /// Says that this sidecar is there, and learns which others are.
    async fn enter(&mut self) -> Result<(), AskError> {
        let kept = self.kept().max(5 * ENTER_QUIET_EVERY).as_millis().to_string();
        let most = (MAX_PEERS + 1).to_string();
        let call = Call {
            keys: vec![self.redis.key("load:members")],
            arguments: vec![self.id.clone().into(), kept.into(), most.into()],
        };
        let replies = self.redis.run(&self.members, &[call]).await?;
        let reply = replies.into_iter().next().unwrap_or(Err(AskError::Undecodable))?;
        let Value::Array(told) = reply else { return Err(self.undecodable()) };
        let name = |one: Value| match one {
            Value::BulkString(name) => String::from_utf8(name).ok(),
            _ => None,
        };
        let hex = |name: &String| name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let others = told.into_iter().filter_map(name).filter(|name| hex(name) && *name != self.id);
        self.others = others.take(MAX_PEERS).collect();
        self.taken.retain(|(id, _), _| self.others.contains(id));
        Ok(())
    }

    /// What a change has to be told at once, and what has not changed before it expires.
    fn is_to_be_written(&self, own: &[u8], now: Instant) -> bool {
        self.written.as_ref().is_none_or(|(before, at)| {
            before != own || now.saturating_duration_since(*at) >= self.kept() / 3
        })
    }

    fn kept(&self) -> Duration {
        LEAST_KEPT.max(self.interval * KEPT_INTERVALS)
    }

    fn write(&self, own: &[u8]) -> Cmd {
        let kept = u64::try_from(self.kept().as_millis()).unwrap_or(u64::MAX);
        redis::cmd("SET").arg(self.key(&self.id)).arg(own).arg("PX").arg(kept).clone()
    }

    /// A part of the value that is longer than any may be, so that one of any length is found out and none is read whole.
    fn read(&self, id: &str) -> Cmd {
        redis::cmd("GETRANGE").arg(self.key(id)).arg(0).arg(MAX_VALUE_BYTES).clone()
    }

    fn key(&self, id: &str) -> String {
        self.redis.key(format_args!("load:{id}"))
    }

    /// What another sidecar says; `None` if it has gone, or says nothing that makes sense.
    fn heard(&mut self, reply: Reply) -> Option<Said> {
        let bytes = match reply {
            Ok(Value::BulkString(bytes)) => bytes,
            _ => Vec::from(b"?"),
        };
        if bytes.is_empty() {
            return None;
        }
        let read = decode(&bytes);
        if read.is_none() {
            self.undecodable();
        }
        read
    }

    /// Hands on what another sidecar's gateways have learned since the last time.
    fn take(&mut self, id: &str, prefixes: BTreeMap<String, Vec<Numbered>>, now: Instant) {
        for (pool, pieces) in prefixes {
            let Some(log) = self.logs.get(&pool) else { continue };
            let taken = self.taken.entry((id.to_owned(), pool)).or_default();
            for (number, digits) in pieces {
                if number > *taken {
                    *taken = number;
                    log.add(None, digits, now);
                }
            }
        }
    }

    fn undecodable(&mut self) -> AskError {
        self.redis.health().count(Failure::Undecodable);
        let now = Instant::now();
        if self.told.is_none_or(|at| now.saturating_duration_since(at) >= TELL_EVERY) {
            self.told = Some(now);
            let keys = self.redis.key("load:*");
            warn!(
                keys,
                "what stands in redis for another sidecar's load cannot be read and is left out: look for a sidecar of \
                 another version, or for another user of the prefix"
            );
        }
        AskError::Undecodable
    }
}
