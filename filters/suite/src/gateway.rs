//! The root of `root_id: gateway`: model-router and endpoint-picker in one Envoy filter.

use serde::Deserialize;
use weir_endpoint_picker as endpoint_picker;
use weir_host::{Config, Context, ContextType, Host, HttpContext, LogLevel, RootContext};
use weir_model_router as model_router;
use weir_request::Handover;
use weir_settings::plugin;

use crate::chain::Chain;

/// `root_id` of this filter.
pub(crate) const ROOT_ID: &str = "gateway";

/// Its configuration: that of each filter under the filter's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawGateway {
    /// As for `root_id: model-router`.
    model_router: serde_json::Value,
    /// As for `root_id: endpoint-picker`.
    endpoint_picker: serde_json::Value,
    /// True to leave the facts of each request in filter state too, for Weir filters that follow in
    /// the chain. The picker in here does not need that.
    #[serde(default)]
    leave_facts: bool,
}

pub(crate) struct Gateway<H: Host> {
    host: H,
    router: model_router::Root<H>,
    picker: endpoint_picker::Root<H>,
}

impl<H: Host> Gateway<H> {
    pub(crate) fn new(host: H) -> Self {
        let router = model_router::Root::new(host.clone());
        let picker = endpoint_picker::Root::new(host.clone());
        Self { host, router, picker }
    }
}

impl<H: Host> Context for Gateway<H> {}

impl<H: Host> RootContext for Gateway<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        let raw = plugin::read::<RawGateway>(&self.host.configuration(Config::Plugin));
        match raw {
            Ok(RawGateway { model_router, endpoint_picker, leave_facts }) => {
                let handover = Handover::default();
                self.router.hand_over(handover.clone(), leave_facts);
                self.picker.take_over(handover);
                self.router.configure(model_router.to_string().as_bytes())
                    && self.picker.configure(endpoint_picker.to_string().as_bytes())
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.gateway: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.router.on_tick();
        self.picker.on_tick();
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        let router = self.router.create_http_context(context_id)?;
        let picker = self.picker.create_http_context(context_id)?;
        Some(Box::new(Chain::new(vec![router, picker])))
    }
}
