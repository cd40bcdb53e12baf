//! What `--view` prints: the views that the gateways keep.

use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use tokio::time::timeout;
use weir_settings::sidecar::Gateway;
use weir_snapshot::Refusal;
use weir_snapshot::signature::{HEADER, PATH, TIME_HEADER};

use crate::Config;
use crate::client::{AGENT, Client, ClientError, Target};

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
    /// The gateway refuses, or is none.
    #[error("status {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What the gateway says.
        message: String,
    },
}

/// The views of every gateway of `config`, as JSON, or why there are none.
pub async fn look(config: &Config) -> Vec<(String, Result<Vec<u8>, LookError>)> {
    let mut views = Vec::new();
    for gateway in &config.settings.gateways {
        views.push((gateway.to_string(), look_at(config, gateway).await));
    }
    views
}

async fn look_at(config: &Config, gateway: &Gateway) -> Result<Vec<u8>, LookError> {
    let mut request =
        Request::get(PATH).header(HOST, Target::host_of_gateway(gateway)).header(USER_AGENT, AGENT);
    if let Some(key) = &config.key {
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
