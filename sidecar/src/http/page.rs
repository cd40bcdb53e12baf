//! What is shown, and an answer that shows it.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use crate::gpu::Inventory;
use crate::pool::Pool;
use crate::push::{Link, Mismatches, Newest, Turn};
use crate::spending::Spending;

/// What is shown.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Whose turn it is, by pool.
    pub(crate) turns: Vec<Arc<Turn>>,
    /// Pools, each with its newest snapshot.
    pub(crate) pools: Vec<(Arc<Pool>, Newest)>,
    /// Every gateway with every pool.
    pub(crate) links: Vec<Arc<Link>>,
    /// What does not fit, by gateway.
    pub(crate) mismatches: Vec<Arc<Mismatches>>,
    /// What was spent, by gateway, also by those that an earlier configuration had.
    pub(crate) spending: Vec<Arc<Spending>>,
    /// The GPUs.
    pub(crate) gpus: Arc<Inventory>,
    /// Whether the GPUs are all there is to show.
    pub(crate) is_agent: bool,
}

impl State {
    /// The greatest epoch of any pool.
    pub(crate) fn epoch(&self) -> u64 {
        self.turns.iter().map(|turn| turn.epoch()).max().unwrap_or_default()
    }

    /// What was spent at the gateway of that name.
    pub(crate) fn spending_of(&mut self, gateway: &str) -> Arc<Spending> {
        let known = self.spending.iter().find(|known| known.gateway() == gateway).cloned();
        known.unwrap_or_else(|| {
            let spending = Arc::new(Spending::new(gateway.to_owned()));
            self.spending.push(Arc::clone(&spending));
            spending
        })
    }
}

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
        let message = "there are GET /healthz, /readyz, /metrics, /snapshot, /usage and /usage.csv";
        Self::of(status, &serde_json::json!({ "error": { "code": code, "message": message } }))
    }
}

impl From<Page> for Response<Full<Bytes>> {
    fn from(Page { status, content_type, body }: Page) -> Self {
        let mut response = Response::new(Full::new(body.into()));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}
