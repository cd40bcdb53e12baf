//! Every Weir filter in one module, so that a worker runs one VM for all of them.
//!
//! The plugin's `root_id` says which filter it is: `model-router`, `token-limit`, `guardrail`,
//! `endpoint-picker`, `intake` or `attempt`, or `gateway` for the first four in one, which costs least.

mod chain;
mod gateway;
mod model_policies;
mod settings;

use weir_attempt as attempt;
use weir_endpoint_picker as endpoint_picker;
use weir_guardrail as guardrail;
use weir_host::{CallAnswer, Host, HttpContext, LogLevel, RootContext};
use weir_intake as intake;
use weir_model_router as model_router;
use weir_token_limit as token_limit;

/// A root context that becomes the filter that its `root_id` names once the host tells it.
pub struct Suite<H: Host> {
    host: H,
    context_id: u32,
    filter: Option<Box<dyn RootContext>>,
}

impl<H: Host> Suite<H> {
    /// A root context that does not know yet which filter it is.
    pub fn new(host: H, context_id: u32) -> Self {
        Self { host, context_id, filter: None }
    }

    /// The filter by that name; `None` if there is none.
    fn filter(&self, root_id: &[u8]) -> Option<Box<dyn RootContext>> {
        let host = self.host.clone();
        match std::str::from_utf8(root_id).ok()? {
            attempt::ROOT_ID => Some(Box::new(attempt::Root::new(host))),
            endpoint_picker::ROOT_ID => Some(Box::new(endpoint_picker::Root::new(host))),
            gateway::ROOT_ID => Some(Box::new(gateway::Gateway::new(host))),
            guardrail::ROOT_ID => Some(Box::new(guardrail::Root::new(host))),
            intake::ROOT_ID => Some(Box::new(intake::Root::new(host))),
            model_router::ROOT_ID => Some(Box::new(model_router::Root::new(host))),
            token_limit::ROOT_ID => Some(Box::new(token_limit::Root::new(host))),
            _ => None,
        }
    }
}

impl<H: Host> RootContext for Suite<H> {
    fn on_configure(&mut self, size: usize) -> bool {
        let root_id = self.host.property(&["plugin_root_id"]).ok().flatten().unwrap_or_default();
        self.filter = self.filter(&root_id);
        match &mut self.filter {
            Some(filter) => filter.on_configure(size),
            None => {
                self.host.log(
                    LogLevel::Error,
                    &format!(
                        "weir suite (context {}): root_id {:?} is none of {}, {}, {}, {}, {}, {}, {}",
                        self.context_id,
                        String::from_utf8_lossy(&root_id),
                        model_router::ROOT_ID,
                        token_limit::ROOT_ID,
                        guardrail::ROOT_ID,
                        endpoint_picker::ROOT_ID,
                        intake::ROOT_ID,
                        attempt::ROOT_ID,
                        gateway::ROOT_ID
                    ),
                );
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(filter) = &mut self.filter {
            filter.on_tick();
        }
    }

    fn on_http_call_response(&mut self, answer: &CallAnswer) {
        if let Some(filter) = &mut self.filter {
            filter.on_http_call_response(answer);
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        match &self.filter {
            Some(filter) => filter.create_http_context(context_id),
            // A filter that was never configured lets nothing through.
            None => Box::new(Unconfigured(self.host.clone())),
        }
    }
}

/// Answers every request of a plugin whose configuration was refused.
struct Unconfigured<H: Host>(H);

impl<H: Host> HttpContext for Unconfigured<H> {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> weir_host::Action {
        let _ = self.0.reply(500, &[], b"weir: not configured", "weir_not_configured");
        weir_host::Action::Pause
    }
}

weir_host::entry!(|context_id| Box::new(Suite::new(weir_host::Wasm, context_id)));
