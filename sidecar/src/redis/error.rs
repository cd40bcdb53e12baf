//! How an exchange with Redis fails.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why an exchange, or one command of it, failed. Neither keys nor values are repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AskError {
    /// There is no connection: nothing was sent.
    #[error("not connected")]
    Down,
    /// More exchanges are under way than may be: nothing was sent.
    #[error("too many exchanges are under way")]
    Busy,
    /// No complete answer in time. What was sent may have been done.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection broke, or what came is no Redis. What was sent may have been done.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server refuses: this is the code that its error begins with.
    #[error("refused with {0}")]
    Refused(String),
    /// An answer of another shape than was asked for.
    #[error("the answer cannot be read")]
    Undecodable,
}

/// Failures as counted in `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No connection: refused, unreachable, unknown name, TLS, no such master.
    Connect,
    /// Wrong user or password, or none.
    Login,
    Timeout,
    Broken,
    Refused,
    Busy,
    Undecodable,
}

impl Failure {
    /// Every failure, in the order of declaration.
    pub(crate) const ALL: [Self; 7] = [
        Self::Connect,
        Self::Login,
        Self::Timeout,
        Self::Broken,
        Self::Refused,
        Self::Busy,
        Self::Undecodable,
    ];

    /// The value of the metric's label.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Refused => "refused",
            Self::Busy => "busy",
            Self::Undecodable => "undecodable",
        }
    }
}

impl AskError {
    /// The error of a command that the server answered with `error`.
    pub(super) fn of_server(error: &RedisError) -> Self {
        Self::Refused(code(error))
    }

    /// The error of an exchange that broke, which had `limit`.
    pub(super) fn of_connection(error: &RedisError, limit: Duration) -> Self {
        if error.is_timeout() { Self::Timeout(limit) } else { Self::Broken(said(error)) }
    }

    /// What it counts as; `None` for what is no event by itself.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Down => None,
            Self::Busy => Some(Failure::Busy),
            Self::Timeout(_) => Some(Failure::Timeout),
            Self::Broken(_) => Some(Failure::Broken),
            Self::Refused(_) => Some(Failure::Refused),
            Self::Undecodable => Some(Failure::Undecodable),
        }
    }

    /// Whether another connection may do better: it broke, hangs, leads to a server that takes no writes any more, or
    /// has to log in anew.
    pub(super) fn wants_another_connection(&self) -> bool {
        match self {
            Self::Timeout(_) | Self::Broken(_) => true,
            Self::Refused(code) => {
                ["READONLY", "NOAUTH", "MASTERDOWN"].iter().any(|other| other == code)
            }
            Self::Down | Self::Busy | Self::Undecodable => false,
        }
    }
}

/// What a failure to connect counts as, and says.
pub(super) fn of_connecting(error: &RedisError) -> (Failure, String) {
    let failure = match error.kind() {
        ErrorKind::AuthenticationFailed => Failure::Login,
        ErrorKind::Server(ServerErrorKind::NoPerm) => Failure::Login,
        _ if ["NOAUTH", "WRONGPASS", "NOPERM"].contains(&code(error).as_str()) => Failure::Login,
        _ if error.is_timeout() => Failure::Timeout,
        _ => Failure::Connect,
    };
    (failure, said(error))
}

/// The code of a server's error, which consists of capitals.
fn code(error: &RedisError) -> String {
    let code = error.code().unwrap_or("ERR");
    code.bytes().filter(u8::is_ascii_uppercase).take(32).map(char::from).collect()
}

/// What may stand in a log line. A server's own words may repeat a key or an argument: of those, the code alone.
fn said(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension => format!("the server says {}", code(error)),
        ErrorKind::AuthenticationFailed => {
            "the server takes neither user nor password: see username and password_file".to_owned()
        }
        ErrorKind::MasterNameNotFoundBySentinel => {
            "no sentinel knows a server by the name in redis.master that is up".to_owned()
        }
        _ => {
            let text = error.to_string();
            text.chars().filter(|letter| !letter.is_control()).take(200).collect()
        }
    }
}
