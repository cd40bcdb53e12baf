//! Connections to one server, to a cluster, or to the server that sentinels name.

use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, Pipeline,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio_rustls::rustls::crypto::ring;
use weir_settings::sidecar::{RedisMode, RedisSettings, RedisUrl};

use super::access::RedisAccess;

/// What makes connections.
pub(super) enum Connector {
    Standalone(Box<Client>),
    Cluster(Box<ClusterClient>),
    Sentinel(Box<SentinelClient>),
}

/// An open connection; its clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connector {
    /// What `access` says.
    ///
    /// # Errors
    /// The library's, for certificates and keys that it cannot use.
    pub(super) fn new(access: &RedisAccess) -> RedisResult<Self> {
        if access.settings.is_tls() {
            // The library takes the process's default. An error says that there is one.
            let _ = ring::default_provider().install_default();
        }
        match access.settings.mode {
            RedisMode::Standalone => standalone(access).map(|it| Self::Standalone(Box::new(it))),
            RedisMode::Cluster => cluster(access).map(|it| Self::Cluster(Box::new(it))),
            RedisMode::Sentinel => sentinel(access).map(|it| Self::Sentinel(Box::new(it))),
        }
    }

    /// Connects; an exchange over the connection takes `limit` at most.
    ///
    /// # Errors
    /// The library's.
    pub(super) async fn connect(&mut self, limit: Duration) -> RedisResult<Connection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limit))
            .set_response_timeout(Some(limit));
        match self {
            Self::Standalone(client) => {
                let open = client.get_multiplexed_async_connection_with_config(&config);
                open.await.map(Connection::One)
            }
            Self::Sentinel(client) => {
                let open = client.get_async_connection_with_config(&config);
                open.await.map(Connection::One)
            }
            Self::Cluster(client) => {
                let config =
                    ClusterConfig::new().set_connection_timeout(limit).set_response_timeout(limit);
                client.get_async_connection_with_config(config).await.map(Connection::Cluster)
            }
        }
    }
}

impl Connection {
    /// Sends all commands at once; one reply for each.
    ///
    /// # Errors
    /// What is no refusal by the server: then the connection cannot be used any more.
    pub(super) async fn exchange(
        &mut self,
        commands: &[Cmd],
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        match self {
            Self::One(connection) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command.clone());
                }
                let replies = connection.req_packed_commands(&pipeline, 0, commands.len()).await?;
                Ok(replies.into_iter().map(refused).collect())
            }
            Self::Cluster(connection) => {
                // A pipeline would have to stay within one slot.
                let each = commands.iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { connection.req_packed_command(command).await }
                });
                join_all(each).await.into_iter().map(kept).collect()
            }
        }
    }
}

fn refused(value: Value) -> RedisResult<Value> {
    match value {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// The outer error is one of the connection.
fn kept(reply: RedisResult<Value>) -> RedisResult<RedisResult<Value>> {
    match reply {
        Err(error) if !matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension) => {
            Err(error)
        }
        reply => Ok(reply.and_then(refused)),
    }
}

fn standalone(access: &RedisAccess) -> RedisResult<Client> {
    let settings = &access.settings;
    let Some(url) = settings.urls.first() else { return Err(nothing_listed()) };
    let info = address(url).into_connection_info()?.set_redis_settings(login(settings, access));
    match &access.certificates {
        Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        None => Client::open(info),
    }
}

fn nothing_listed() -> RedisError {
    (ErrorKind::InvalidClientConfig, "no server is listed").into()
}

fn login(settings: &RedisSettings, access: &RedisAccess) -> RedisConnectionInfo {
    let database = settings.urls.first().map_or(0, RedisUrl::database);
    let mut login = RedisConnectionInfo::default().set_skip_set_lib_name().set_db(database.into());
    if let Some(user) = &settings.username {
        login = login.set_username(user);
    }
    match &access.password {
        Some(password) => login.set_password(password),
        None => login,
    }
}

fn address(url: &RedisUrl) -> ConnectionAddr {
    match url {
        RedisUrl::Unix(path) => ConnectionAddr::Unix(path.into()),
        RedisUrl::Tcp { host, port, tls: false, .. } => ConnectionAddr::Tcp(host.clone(), *port),
        RedisUrl::Tcp { host, port, tls: true, .. } => {
            let host = host.clone();
            ConnectionAddr::TcpTls { host, port: *port, insecure: false, tls_params: None }
        }
    }
}

fn cluster(access: &RedisAccess) -> RedisResult<ClusterClient> {
    let settings = &access.settings;
    // The keeper tries again by itself.
    let mut builder = ClusterClient::builder(settings.urls.iter().map(address)).retries(1);
    if settings.is_tls() {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(certificates) = &access.certificates {
        builder = builder.certs(certificates.clone());
    }
    if let Some(user) = &settings.username {
        builder = builder.username(user);
    }
    if let Some(password) = &access.password {
        builder = builder.password(password);
    }
    builder.build()
}

fn sentinel(access: &RedisAccess) -> RedisResult<SentinelClient> {
    let settings = &access.settings;
    let server = SentinelServerType::Master;
    let addresses = settings.urls.iter().map(address);
    let mut builder = SentinelClientBuilder::new(addresses, &settings.master, server)?;
    if settings.is_tls() {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = &access.certificates {
        let certificates = || -> TlsCertificates { certificates.clone() };
        builder = builder
            .set_client_to_redis_certificates(certificates())
            .set_client_to_sentinel_certificates(certificates());
    }
    let database = settings.urls.first().map_or(0, RedisUrl::database);
    builder = builder.set_client_to_redis_db(database.into());
    let set = |builder: SentinelClientBuilder, value: &Option<String>, set: Setter| match value {
        Some(value) => set(builder, value),
        None => builder,
    };
    builder = set(builder, &settings.username, |it, v| it.set_client_to_redis_username(v));
    builder = set(builder, &access.password, |it, v| it.set_client_to_redis_password(v));
    let (user, password) = (&settings.sentinel_username, &access.sentinel_password);
    builder = set(builder, user, |it, v| it.set_client_to_sentinel_username(v));
    builder = set(builder, password, |it, v| it.set_client_to_sentinel_password(v));
    builder.build()
}

type Setter = fn(SentinelClientBuilder, &str) -> SentinelClientBuilder;
