//! What `--view` prints: the views that the gateways keep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use weir_settings::sidecar::Gateway;
use weir_snapshot::Refusal;
use weir_snapshot::signature::{HEADER, PATH, TIME_HEADER};

use crate::Config;
use crate::client::{AGENT, Client, ClientError, Target};
use crate::config::Key;
use crate::discover::{Board, Sources};

/// Largest view that is read, in bytes: room for 64 pools of 4,096 endpoints.
const MAX_VIEW_BYTES: usize = 64 * 1024 * 1024;

/// Why a gateway shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Connecting or the exchange failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The HTTP library refuses the gateway's name.
    #[error("cannot be sent: {0}")]
    Request(#[from] hyper::http::Error),
    /// No complete answer in time.
    #[error("no answer in time")]
    Timeout,
    /// It is not known where the gateways are.
    #[error("{0}")]
    Unknown(String),
    /// The gateway refuses, or is none.
    #[error("status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the gateway says.
        message: String,
    },
}

/// How long sources of gateways are waited for.
const FINDING: Duration = Duration::from_secs(5);

/// The status of a refusal of the signature.
const UNSIGNED: u16 = 401;

/// The views of every gateway of `config`, as JSON, or why there are none.
pub async fn look(config: &Config) -> Vec<(String, Result<Vec<u8>, LookError>)> {
    let mut views = Vec::new();
    let (gateways, unknown) = gateways(config).await;
    for gateway in gateways {
        views.push((gateway.to_string(), look_at(config, &gateway).await));
    }
    views.extend(unknown.into_iter().map(|(source, error)| (source, Err(error))));
    views
}

/// Those that are listed and those that are found, and the sources that say nothing.
async fn gateways(config: &Config) -> (Vec<Gateway>, Vec<(String, LookError)>) {
    let mut gateways = config.settings.gateways.clone();
    let (board, mut sources) = (Board::new(), Sources::new(config));
    let mut tasks = JoinSet::new();
    let Some(pool) = config.settings.pools.first() else { return (gateways, Vec::new()) };
    for source in &config.settings.discover_gateways {
        let slot = board.add(source.to_string(), "gateways", None);
        if let Err(error) = sources.start(source, &pool.metrics_url, slot.clone(), &mut tasks) {
            slot.fail(&error);
        }
    }
    let deadline = Instant::now() + FINDING;
    while !board.all().1 && timeout_at(deadline, board.changed()).await.is_ok() {}
    for found in board.all().0.iter().flat_map(|said| said.iter()) {
        let gateway = Gateway::at(found.address());
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    let silent = board.shown().into_iter().filter(|source| source.found.is_none());
    let unknown = silent.map(|source| {
        let error = source.error.unwrap_or_else(|| "says nothing".to_owned());
        (source.name, LookError::Unknown(error))
    });
    (gateways, unknown.collect())
}

/// The view of one gateway, asked for with the first key that it takes.
async fn look_at(config: &Config, gateway: &Gateway) -> Result<Vec<u8>, LookError> {
    let first = look_with(config, gateway, config.keys.at(0)).await;
    match (&first, config.keys.at(1)) {
        (Err(LookError::Refused { status: UNSIGNED, .. }), Some(second)) => {
            look_with(config, gateway, Some(second)).await.or(first)
        }
        _ => first,
    }
}

async fn look_with(
    config: &Config,
    gateway: &Gateway,
    key: Option<&Key>,
) -> Result<Vec<u8>, LookError> {
    let mut request =
        Request::get(PATH).header(HOST, Target::host_of_gateway(gateway)).header(USER_AGENT, AGENT);
    if let Some(key) = key {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        request = request.header(TIME_HEADER, time).header(HEADER, key.sign_look(time));
    }
    let request = request.body(Full::default())?;
    let (mut client, mut body) = (Client::new(Target::of_gateway(gateway)), Vec::new());
    let exchange = client.exchange(&request, MAX_VIEW_BYTES, &mut body);
    let status =
        timeout(config.settings.push_timeout, exchange).await.map_err(|_| LookError::Timeout)??;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let message = Refusal::parse(&body).map_or("no reason given".to_owned(), |it| it.message);
    Err(LookError::Refused { status: status.as_u16(), message })
}
