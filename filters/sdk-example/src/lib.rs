//! A filter of a user's own beside Weir's: what it reads of a request it says in the response header `x-seen`.
//!
//! What follows is the example of `filters/sdk/README.md`, as it stands there.
#![allow(missing_docs, reason = "of the entry that the SDK's macro writes")]

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use weir_sdk::{EndpointState, Pools, State, facts};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { pools: Pools::default() }));
}}

/// What was pushed longer ago says nothing of now.
const STALE: Duration = Duration::from_secs(60);

/// One for each worker.
struct Root {
    pools: Pools,
}

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { pools: self.pools.clone(), seen: String::new() }))
    }
}

/// One request and its response.
struct Stream {
    pools: Pools,
    seen: String,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.seen = match facts() {
            Ok(Some(facts)) => format!(
                "model={} to={} pool={} prompt={} stream={}",
                facts.model, facts.upstream_model, facts.pool, facts.prompt_tokens, facts.stream
            ),
            Ok(None) => "no facts".to_owned(),
            Err(error) => error.to_string(),
        };
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let pool = State::Pool.read().unwrap_or_default();
        let load = match self.pools.load(&pool) {
            Ok(Some(load)) if load.age() > STALE => "stale load".to_owned(),
            Ok(Some(load)) => {
                let ready = |state| state == EndpointState::Ready;
                let ready = load.endpoints().iter().filter(|endpoint| ready(endpoint.state));
                let (ready, used) = (ready.count(), load.load().unwrap_or_default());
                format!("ready={ready} used={used:.2}")
            }
            Ok(None) => "no load".to_owned(),
            Err(error) => error.to_string(),
        };
        let endpoint = State::Endpoint.read().unwrap_or_default();
        let seen = format!("{}; {load}; endpoint={endpoint}", self.seen);
        self.add_http_response_header("x-seen", &seen);
        Action::Continue
    }
}
