//! Takes the sidecar's snapshots into shared data, where every filter of every worker finds them.
//!
//! `POST /weir/v1/snapshot` checks a snapshot completely (size, signature, shape, values, order)
//! and stores its compact form; the reply tells the sidecar what is in flight. `GET` of the same
//! path shows the current views as JSON. Everything else is refused with a JSON error that says
//! why. Nothing on the request path of clients ever waits for this.

mod store;
mod stream;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_settings::intake::IntakeSettings;
use weir_snapshot::{Refusal, RefusalCode};

/// `root_id` of this filter in the suite.
pub const ROOT_ID: &str = "intake";

/// What all streams of the filter share.
pub(crate) struct Shared {
    settings: IntakeSettings,
    probe: HoldProbe,
    accepted: Metric,
    refused: Metric,
}

/// The filter's root context.
pub struct Root<H: Host> {
    host: H,
    shared: Option<Rc<Shared>>,
}

impl<H: Host> Root<H> {
    /// A root context that is not configured yet.
    pub fn new(host: H) -> Self {
        Self { host, shared: None }
    }
}

impl<H: Host> RootContext for Root<H> {
    fn on_configure(&mut self, _size: usize) -> bool {
        let json = self.host.configuration(Config::Plugin);
        let variable = |name: &str| std::env::var_os(name).map(|v| v.into_encoded_bytes());
        match IntakeSettings::from_json(&json, variable) {
            Ok(settings) => {
                self.shared = Some(Rc::new(Shared {
                    settings,
                    probe: HoldProbe::default(),
                    accepted: Metric::counter("weir_intake_accepted_total"),
                    refused: Metric::counter("weir_intake_refused_total"),
                }));
                true
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.intake: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        for context_id in shared.probe.stuck(&self.host) {
            self.host.log(LogLevel::Error, &format!("weir.intake: {MISSING_OPTION}"));
            if self.host.act_on_stream(context_id).is_ok() {
                stream::refuse(&self.host, &Refusal::new(RefusalCode::Unavailable, MISSING_OPTION));
            }
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(stream::Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}

const MISSING_OPTION: &str =
    "the plugin lacks `allow_on_headers_stop_iteration: true`, so Envoy never shows it a body";

#[cfg(feature = "module")]
weir_host::entry!(|_| Box::new(Root::new(weir_host::Wasm)));
