//! What asks Redis.

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, RedisError, RedisResult, Value};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout};

use super::access::RedisAccess;
use super::connection::Connection;
use super::error::{AskError, Failure};
use super::health::Health;
use super::script::{Call, Script};

/// Most commands that are sent at once; more go one after the other.
const MAX_PIPELINE: usize = 256;

/// Most exchanges under way: what cannot be sent soon is better not sent.
const MAX_UNDER_WAY: usize = 64;

/// What the server says to one command.
pub(crate) type Reply = Result<Value, AskError>;

/// The way to Redis. Whoever has it may ask; nobody waits longer than the configured timeout for each 256 commands.
#[derive(Debug)]
pub(crate) struct Redis {
    prefix: String,
    limit: Duration,
    places: Semaphore,
    current: Mutex<Current>,
    pub(super) broken: Notify,
    health: Arc<Health>,
}

/// The connection in use.
#[derive(Default)]
struct Current {
    connection: Option<Connection>,
    /// Its number: an exchange over an earlier one says nothing about it.
    number: u64,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Current({}, {})", self.number, self.connection.is_some())
    }
}

impl Redis {
    /// The way that `access` describes, before there is a connection. What is counted goes on in `health`.
    pub(crate) fn new(access: &RedisAccess, health: Arc<Health>) -> Self {
        Self {
            prefix: access.settings.prefix.clone(),
            limit: access.settings.timeout,
            places: Semaphore::new(MAX_UNDER_WAY),
            current: Mutex::default(),
            broken: Notify::new(),
            health,
        }
    }

    /// The key that is called `name` here: all keys have the configured prefix.
    pub(crate) fn key(&self, name: impl Display) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// What is known of it.
    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Sends `commands` and returns what the server says to each, in their order.
    ///
    /// # Errors
    /// [`AskError`] if no answer came; of several hundred commands, the first may have been done then.
    pub(crate) async fn ask(&self, commands: &[Cmd]) -> Result<Vec<Reply>, AskError> {
        let mut replies = Vec::with_capacity(commands.len());
        for some in commands.chunks(MAX_PIPELINE) {
            replies.extend(self.exchange(some).await?);
        }
        Ok(replies)
    }

    /// Runs `script` once for each of `calls`, and returns what each run says, in their order. The script goes by its
    /// hash; a server that does not know it (it was restarted, or its scripts were flushed) is sent it whole.
    ///
    /// # Errors
    /// As for [`Redis::ask`].
    pub(crate) async fn run(
        &self,
        script: &Script,
        calls: &[Call],
    ) -> Result<Vec<Reply>, AskError> {
        let commands: Vec<Cmd> = calls.iter().map(|call| script.by_hash(call)).collect();
        let mut replies = self.ask(&commands).await?;
        let unknown = |reply: &Reply| is_refused(reply, "NOSCRIPT");
        let again = replies.iter().zip(calls).filter(|(reply, _)| unknown(reply));
        let again: Vec<Cmd> = again.map(|(_, call)| script.whole(call)).collect();
        if again.is_empty() {
            return Ok(replies);
        }
        let mut whole = self.ask(&again).await?.into_iter();
        for reply in replies.iter_mut().filter(|reply| unknown(reply)) {
            *reply = whole.next().unwrap_or(Err(AskError::Undecodable));
        }
        Ok(replies)
    }

    /// One pipeline.
    async fn exchange(&self, commands: &[Cmd]) -> Result<Vec<Reply>, AskError> {
        let Ok(_place) = self.places.try_acquire() else {
            self.note(&AskError::Busy, None);
            return Err(AskError::Busy);
        };
        let (connection, number) = {
            let current = self.current();
            (current.connection.clone(), current.number)
        };
        let Some(mut connection) = connection else { return Err(AskError::Down) };
        self.health.sent(commands.len());
        let started = Instant::now();
        let exchanged = timeout(self.limit, connection.exchange(commands)).await;
        let replies = match exchanged {
            Err(_) => Err(AskError::Timeout(self.limit)),
            Ok(Err(error)) => Err(AskError::of_connection(&error, self.limit)),
            Ok(Ok(replies)) if replies.len() != commands.len() => Err(AskError::Undecodable),
            Ok(Ok(replies)) => Ok(replies.into_iter().map(reply).collect::<Vec<Reply>>()),
        };
        let failed = match &replies {
            Err(error) => Some(error),
            Ok(each) => each.iter().find_map(refusal),
        };
        let stray = replies.iter().flatten().filter(|reply| is_refused(reply, "WRONGTYPE"));
        stray.for_each(|_| self.health.count(Failure::Refused));
        match failed {
            Some(error) => self.note(error, Some(number)),
            None => self.health.succeeded(Instant::now(), started.elapsed()),
        }
        replies
    }

    /// Counts a failure over the connection with `number`, and gives that up if another may do better.
    fn note(&self, error: &AskError, number: Option<u64>) {
        let Some(failure) = error.failure() else { return };
        let Some(number) = number else { return self.health.count(failure) };
        self.health.failed(failure, error.to_string(), Instant::now());
        if !error.wants_another_connection() {
            return;
        }
        let mut current = self.current();
        if current.number == number && current.connection.take().is_some() {
            self.broken.notify_one();
        }
    }

    /// Takes a connection into use.
    pub(super) fn connected(&self, connection: Connection) {
        let mut current = self.current();
        current.number += 1;
        current.connection = Some(connection);
        self.health.connected();
    }

    /// Nothing panics while it holds the lock, so a poisoned one is as good as any.
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reply(reply: RedisResult<Value>) -> Reply {
    reply.map_err(|error: RedisError| AskError::of_server(&error))
}

fn is_refused(reply: &Reply, with: &str) -> bool {
    matches!(reply, Err(AskError::Refused(code)) if code == with)
}

/// A refusal that says something about the way to Redis: not one that is part of how scripts are sent, nor one of what
/// stands under a key.
fn refusal(reply: &Reply) -> Option<&AskError> {
    let other = is_refused(reply, "NOSCRIPT") || is_refused(reply, "WRONGTYPE");
    reply.as_ref().err().filter(|_| !other)
}
