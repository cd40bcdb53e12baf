//! Lua scripts, which Redis runs as one step.

use redis::Cmd;

/// A script. It is sent once to each server, and named by its hash from then on.
#[derive(Debug)]
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

/// One run of a script: its keys, whole as [`Redis::key`](super::Redis::key) makes them, and its arguments. In a
/// cluster all keys of one run lie in one slot: a part of them in braces, the same in each, sees to that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) keys: Vec<String>,
    pub(crate) arguments: Vec<Vec<u8>>,
}

impl Script {
    /// The script `code`.
    pub(crate) fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    /// Runs it by its hash.
    pub(super) fn by_hash(&self, call: &Call) -> Cmd {
        command("EVALSHA", &self.hash, call)
    }

    /// Runs it, and leaves it at the server.
    pub(super) fn whole(&self, call: &Call) -> Cmd {
        command("EVAL", self.code, call)
    }
}

fn command(name: &str, script: &str, call: &Call) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(call.keys.len());
    for key in &call.keys {
        command.arg(key);
    }
    for argument in &call.arguments {
        command.arg(argument.as_slice());
    }
    command
}
