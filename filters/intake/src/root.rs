//! Configuration.

use std::rc::Rc;

use weir_host::hold::HoldProbe;
use weir_host::metrics::Metric;
use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_settings::intake::IntakeSettings;
use weir_snapshot::{Refusal, RefusalCode};

use crate::shared::Shared;
use crate::stream;

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
        let refusal = Refusal::new(RefusalCode::Unavailable, MISSING_OPTION);
        if shared.probe.answer_stuck(&self.host, |host| stream::refuse(host, &refusal)) > 0 {
            self.host.log(LogLevel::Error, &format!("weir.intake: {MISSING_OPTION}"));
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(stream::Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}

const MISSING_OPTION: &str =
    "the plugin lacks `allow_on_headers_stop_iteration: true`, so Envoy never shows it a body";
