//! Configuration.

use std::rc::Rc;

use weir_host::{Config, Host, HttpContext, LogLevel, RootContext};
use weir_settings::attempt::AttemptSettings;

use crate::attempts::Attempts;
use crate::shared::Shared;
use crate::stream::Stream;

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
        match AttemptSettings::from_bytes(&self.host.configuration(Config::Plugin)) {
            Ok(settings) => {
                self.shared = Some(Rc::new(Shared::new(settings, Attempts::of_vm())));
                true
            }
            Err(error) => {
                self.host.log(LogLevel::Error, &format!("weir.attempt: {error}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(shared) = &self.shared {
            shared.on_tick(&self.host);
        }
    }

    fn on_end(&mut self) {
        self.on_tick();
    }

    fn create_http_context(&self, context_id: u32) -> Box<dyn HttpContext> {
        Box::new(Stream::new(self.host.clone(), context_id, self.shared.clone()))
    }
}
