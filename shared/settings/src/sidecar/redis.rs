//! The Redis or Valkey through which sidecars share load and limits.

mod url;

use std::time::Duration;

use serde::Deserialize;

use super::checks::quoted;
use crate::SettingsError;
use crate::duration::{Bounds, bounded};
pub use url::RedisUrl;

/// Most servers that can be listed: those of a cluster find the others by themselves.
const MAX_URLS: usize = 16;

/// Longest prefix in bytes: it is part of every key and every reply.
const MAX_PREFIX_BYTES: usize = 64;

/// Redis answers within a millisecond in the same rack; half a second without an answer means that it hangs.
const TIMEOUT: Bounds = Bounds {
    default: Duration::from_millis(500),
    min: Duration::from_millis(10),
    max: Duration::from_secs(60),
};

/// Five exchanges a second: 20 operations a second with three other sidecars, and load that is 0.2 s old.
const INTERVAL: Bounds = Bounds {
    default: Duration::from_millis(200),
    min: Duration::from_millis(20),
    max: Duration::from_secs(60),
};

/// As written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRedis {
    /// `redis://host:port`, `rediss://host:port` with TLS, either with `/DATABASE`, or `unix:/absolute/path`: one, or
    /// several nodes of a cluster, or several sentinels.
    pub urls: Vec<String>,
    /// What stands there.
    #[serde(default)]
    pub mode: RedisMode,
    /// The name by which sentinels know the servers; needed with `mode: sentinel` only.
    #[serde(default)]
    pub master: Option<String>,
    /// The user (ACL); `default` if not given.
    #[serde(default)]
    pub username: Option<String>,
    /// File of the password; read again when it changes.
    #[serde(default)]
    pub password_file: Option<String>,
    /// The user at the sentinels.
    #[serde(default)]
    pub sentinel_username: Option<String>,
    /// File of the password at the sentinels.
    #[serde(default)]
    pub sentinel_password_file: Option<String>,
    /// PEM file of the certificate authorities that `rediss` is checked against; the system's if not given.
    #[serde(default)]
    pub ca_file: Option<String>,
    /// PEM file of the client certificate that is shown, with those between it and the authority.
    #[serde(default)]
    pub certificate_file: Option<String>,
    /// PEM file of its private key.
    #[serde(default)]
    pub key_file: Option<String>,
    /// What every key begins with: letters, digits and `. _ -`, `weir` if not given. Sidecars with the same prefix
    /// share.
    #[serde(default)]
    pub prefix: Option<String>,
    /// How long one exchange, or connecting, may take: 10ms to 60s, 500ms if not given.
    #[serde(default)]
    pub timeout: Option<String>,
    /// Time between two exchanges of load: 20ms to 60s, 200ms if not given.
    #[serde(default)]
    pub interval: Option<String>,
}

/// What stands at the URLs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedisMode {
    /// One server, or what looks like one.
    #[default]
    Standalone,
    /// Nodes of a cluster.
    Cluster,
    /// Sentinels, which know the server.
    Sentinel,
}

impl RedisMode {
    /// As written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Cluster => "cluster",
            Self::Sentinel => "sentinel",
        }
    }
}

/// Compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// One at least; all with TLS, or none.
    pub urls: Vec<RedisUrl>,
    /// What stands there.
    pub mode: RedisMode,
    /// The name by which sentinels know the servers; empty in the other modes.
    pub master: String,
    /// The user.
    pub username: Option<String>,
    /// File of the password.
    pub password_file: Option<String>,
    /// The user at the sentinels.
    pub sentinel_username: Option<String>,
    /// File of the password at the sentinels.
    pub sentinel_password_file: Option<String>,
    /// PEM file of certificate authorities instead of the system's.
    pub ca_file: Option<String>,
    /// PEM files of the client certificate and its key.
    pub certificate: Option<(String, String)>,
    /// What every key begins with.
    pub prefix: String,
    /// How long one exchange, or connecting, may take.
    pub timeout: Duration,
    /// Time between two exchanges of load.
    pub interval: Duration,
}

impl RedisSettings {
    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.urls.iter().any(RedisUrl::is_tls)
    }

    /// Files whose content counts.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        let pair = self.certificate.iter().flat_map(|(certificate, key)| [certificate, key]);
        let passwords = self.password_file.iter().chain(&self.sentinel_password_file);
        passwords.chain(&self.ca_file).chain(pair)
    }
}

impl TryFrom<RawRedis> for RedisSettings {
    type Error = SettingsError;

    fn try_from(raw: RawRedis) -> Result<Self, SettingsError> {
        let urls = urls(&raw.urls, raw.mode)?;
        let master = master(raw.mode, raw.master)?;
        sentinel_only(raw.mode, "redis.sentinel_username", raw.sentinel_username.as_deref())?;
        let file = raw.sentinel_password_file.as_deref();
        sentinel_only(raw.mode, "redis.sentinel_password_file", file)?;
        let certificate = match (raw.certificate_file, raw.key_file) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(text), None) | (None, Some(text)) => {
                let problem = "needs certificate_file and key_file both";
                return Err(SettingsError::invalid("redis", quoted(&text), problem));
            }
        };
        let settings = Self {
            urls,
            mode: raw.mode,
            master,
            username: raw.username,
            password_file: raw.password_file,
            sentinel_username: raw.sentinel_username,
            sentinel_password_file: raw.sentinel_password_file,
            ca_file: raw.ca_file,
            certificate,
            prefix: prefix(raw.prefix)?,
            timeout: bounded("redis.timeout", raw.timeout.as_deref(), &TIMEOUT)?,
            interval: bounded("redis.interval", raw.interval.as_deref(), &INTERVAL)?,
        };
        settings.check()?;
        Ok(settings)
    }
}

impl RedisSettings {
    fn check(&self) -> Result<(), SettingsError> {
        let bad = |path: &&String| path.is_empty() || path.contains('\0');
        if let Some(path) = self.files().find(bad) {
            return Err(SettingsError::invalid("redis", quoted(path), "names no file"));
        }
        let tls = self.ca_file.is_some() || self.certificate.is_some();
        if tls && !self.is_tls() {
            let problem = "is without TLS, so ca_file and certificate_file say nothing: rediss://";
            return Err(SettingsError::invalid("redis.urls[0]", "the URL", problem));
        }
        Ok(())
    }
}

fn urls(written: &[String], mode: RedisMode) -> Result<Vec<RedisUrl>, SettingsError> {
    let most = if mode == RedisMode::Standalone { 1 } else { MAX_URLS };
    super::checks::count("redis.urls", written.len(), most)?;
    let mut urls: Vec<RedisUrl> = Vec::with_capacity(written.len());
    for (at, text) in written.iter().enumerate() {
        let field = format!("redis.urls[{at}]");
        let url = RedisUrl::parse(&field, text)?;
        let invalid = |problem: &str| Err(SettingsError::invalid(&field, "the URL", problem));
        if mode != RedisMode::Standalone && matches!(url, RedisUrl::Unix(_)) {
            return invalid("is a socket, which stands for one server alone");
        }
        if mode == RedisMode::Cluster && url.database() != 0 {
            return invalid("has a database, and clusters have number 0 only");
        }
        if urls.first().is_some_and(|first| !first.agrees(&url)) {
            return invalid("must have the scheme and database of the first");
        }
        if urls.contains(&url) {
            return invalid("stands twice");
        }
        urls.push(url);
    }
    Ok(urls)
}

fn master(mode: RedisMode, written: Option<String>) -> Result<String, SettingsError> {
    match (mode, written) {
        (RedisMode::Sentinel, Some(name)) if is_word(&name) => Ok(name),
        (RedisMode::Sentinel, name) => {
            let name = quoted(&name.unwrap_or_default());
            let problem = "must be the name by which the sentinels know the servers";
            Err(SettingsError::invalid("redis.master", name, problem))
        }
        (_, None) => Ok(String::new()),
        (_, Some(name)) => sentinel_only(mode, "redis.master", Some(&name)).map(|()| name),
    }
}

fn sentinel_only(mode: RedisMode, field: &str, value: Option<&str>) -> Result<(), SettingsError> {
    match value {
        Some(text) if mode != RedisMode::Sentinel => {
            Err(SettingsError::invalid(field, quoted(text), "is for mode: sentinel only"))
        }
        _ => Ok(()),
    }
}

fn prefix(written: Option<String>) -> Result<String, SettingsError> {
    let prefix = written.unwrap_or_else(|| "weir".to_owned());
    if prefix.len() <= MAX_PREFIX_BYTES && is_word(&prefix) {
        return Ok(prefix);
    }
    let problem = format!("must be 1 to {MAX_PREFIX_BYTES} letters, digits or any of . _ -");
    Err(SettingsError::invalid("redis.prefix", quoted(&prefix), problem))
}

/// Letters, digits and `. _ -`: nothing that means something in a key (`:`, braces) or in a pattern.
fn is_word(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
