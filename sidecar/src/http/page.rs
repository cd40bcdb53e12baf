//! What is shown, and an answer that shows it.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::config::Keys;
use crate::discover::Board;
use crate::gpu::Inventory;
use crate::leases::Leases;
use crate::poll::Slots;
use crate::pool::Pool;
use crate::prefix_log::PrefixLog;
use crate::push::{Gateways, Newest, Turn};
use crate::redis::Redis;
use crate::spending::Ledger;

/// What is shown.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) pools: Vec<PoolState>,
    /// Every gateway with every pool.
    pub(crate) gateways: Arc<Gateways>,
    /// What was spent, by gateway, also by those that are gone.
    pub(crate) spending: Arc<Ledger>,
    /// Where gateways are found.
    pub(crate) gateway_sources: Arc<Board>,
    /// The GPUs.
    pub(crate) gpus: Arc<Inventory>,
    /// Through what is shared with other sidecars, if it is.
    pub(crate) redis: Option<Arc<Redis>>,
    /// What gateways have leased of limits of the fleet.
    pub(crate) leases: Option<Arc<Leases>>,
    /// What commands for limits are signed with.
    pub(crate) keys: Keys,
    pub(crate) slots: Arc<Slots>,
    /// Whether the GPUs are all there is to show.
    pub(crate) is_agent: bool,
}

/// What is shown of one pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    pub(crate) pool: Arc<Pool>,
    /// Its newest snapshot.
    pub(crate) newest: Newest,
    /// What gateways learn of its prefix caches, where that is shared.
    pub(crate) prefixes: Option<Arc<PrefixLog>>,
    /// Whose turn it is to push it.
    pub(crate) turn: Arc<Turn>,
    /// Where its replicas are found.
    pub(crate) sources: Arc<Board>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            pools: Vec::new(),
            gateways: Arc::default(),
            spending: Arc::default(),
            gateway_sources: Board::new(),
            gpus: Arc::default(),
            redis: None,
            leases: None,
            keys: Keys::default(),
            slots: Slots::new(1),
            is_agent: false,
        }
    }
}

impl State {
    /// The greatest epoch of any pool.
    pub(crate) fn epoch(&self) -> u64 {
        self.pools.iter().map(|pool| pool.turn.epoch()).max().unwrap_or_default()
    }
}

/// What a browser may do with an answer: show it with the styles that are in it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// An answer.
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
}

impl Page {
    pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Self {
        Self { status, content_type: "application/json", body }
    }

    /// `value` as JSON. Nothing that is shown can fail to serialise.
    pub(super) fn of(status: StatusCode, value: &impl serde::Serialize) -> Self {
        Self::json(status, serde_json::to_vec(value).unwrap_or_default())
    }

    pub(super) fn error(status: StatusCode, code: &str) -> Self {
        let message = "there are GET /healthz, /readyz, /metrics, /status, /snapshot, /usage and /usage.csv; signed, /limits";
        Self::of(status, &serde_json::json!({ "error": { "code": code, "message": message } }))
    }
}

impl From<Page> for Response<Full<Bytes>> {
    fn from(Page { status, content_type, body }: Page) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        response
    }
}
