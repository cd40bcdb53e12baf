//! Configuration.

use std::rc::Rc;

use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_pools::Undecodable;
use weir_settings::intake::{IntakeSettings, Trust};
use weir_snapshot::{Refusal, RefusalCode};

use crate::shared::{FILTER, Shared};
use crate::{challenge, stream};

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
                if matches!(settings.trust, Trust::Signed(_)) {
                    // Made here, so that no two workers make one at a time.
                    let _ = challenge::current(&self.host, &Undecodable::new(FILTER));
                }
                self.shared = Some(Rc::new(Shared::new(settings)));
                true
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("{FILTER}: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(shared) = &self.shared else { return };
        let refusal = Refusal::new(RefusalCode::Unavailable, MISSING_OPTION);
        if shared.probe.answer_stuck(&self.host, |host| stream::refuse(host, &refusal)) > 0 {
            shared.probe.tell(&self.host, &format!("{FILTER}: {MISSING_OPTION}"));
        }
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(stream::Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}

const MISSING_OPTION: &str =
    "the plugin lacks `allow_on_headers_stop_iteration: true`, so Envoy never shows it a body";
